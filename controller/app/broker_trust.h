// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_BROKER_TRUST_H_
#define PXEGATE_CONTROLLER_APP_BROKER_TRUST_H_

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "controller/base/clock.h"

namespace pxegate {

// Whether notifications are worth relying on, so that polls may be rarer. A
// queue that is bound is not enough: an Ironic that does not send them, or one
// of whose conductors does not, leaves it as quiet as one with nothing to tell.
// So something must have come, and what a poll finds out has to be hinted at
// too, be it before or soon after.
class BrokerTrust {
 public:
  // How long a poll may be ahead of the hint.
  static constexpr std::chrono::seconds kGrace{5};
  // How long polls go on as without a broker after one found what was not
  // hinted at.
  static constexpr std::chrono::minutes kDistrust{10};

  // `connected`: and bound. `heard`: one of Ironic's messages came, ever.
  void status(bool connected, bool heard, Monotonic now);
  // That the node became open, or is not any more. The wrong one of the two is
  // no hint: whoever makes hints up must not keep polls rare.
  void hinted(const std::string& node, bool open, Monotonic now);
  // What came was lost.
  void missed(Monotonic now);
  // A poll found that out.
  void found(const std::string& node, bool open, Monotonic now);

  // To be called now and then, and before trusted(): judges. True where trust
  // was lost just now.
  bool review(Monotonic now);

  bool trusted(Monotonic now) const {
    return connected_ && heard_ && now >= distrusted_until_;
  }
  bool distrusted(Monotonic now) const { return now < distrusted_until_; }
  bool heard() const { return heard_; }

 private:
  // Nodes are remembered that long, and that many of them.
  static constexpr std::chrono::seconds kMemory{60};
  static constexpr std::size_t kRoom = 4096;

  bool connected_ = false;
  bool heard_ = false;
  using Event = std::pair<std::string, bool>;  // node, and whether open
  std::map<Event, Monotonic> hinted_;
  std::map<Event, Monotonic> unhinted_;       // found, when
  Monotonic blind_until_ = Monotonic::min();  // too much was forgotten
  Monotonic distrusted_until_ = Monotonic::min();
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_BROKER_TRUST_H_
