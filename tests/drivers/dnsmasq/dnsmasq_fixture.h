// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_DRIVERS_DNSMASQ_DNSMASQ_FIXTURE_H_
#define PXEGATE_TESTS_DRIVERS_DNSMASQ_DNSMASQ_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/dnsmasq/dnsmasq_driver.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"
#include "tests/support/temp_dir.h"

namespace pxegate::testing {

inline constexpr Mac kDenied{0x52, 0x54, 0x00, 0x00, 0x00, 0x0d};
inline constexpr Mac kAllowed{0x52, 0x54, 0x00, 0x00, 0x00, 0x0a};
inline constexpr Mac kUnknown{0x52, 0x54, 0x00, 0x00, 0x00, 0x0f};
// dnsmasq always answers this one, by its command line.
inline constexpr Mac kCanary{0x52, 0x54, 0x00, 0x00, 0x00, 0x0c};

inline constexpr auto kAllow = Verdict::kAllow;
inline constexpr auto kDeny = Verdict::kDeny;

std::string text_of(const Mac& mac);
// The `number`th of many other machines.
Mac machine(std::uint32_t number);

using PolicyRules = std::vector<std::pair<Mac, Verdict>>;
Snapshot snapshot(const PolicyRules& rules, Verdict unknown = kDeny);
// kDenied denied, kAllowed allowed, the rest as `unknown` says.
Snapshot usual(Verdict unknown = kDeny);

MATCHER(Succeeds, "succeeds") {
  if (arg) return true;
  *result_listener << "which failed: " << arg.error().message();
  return false;
}

MATCHER_P2(FailsWith, code, text, "") {
  if (arg) {
    *result_listener << "which succeeded";
    return false;
  }
  *result_listener << to_string(arg.error().code()) << ": "
                   << arg.error().message();
  return arg.error().code() == code &&
         arg.error().message().find(text) != std::string::npos;
}

// Whether `condition`, of which no event tells, comes true in 30 seconds.
bool eventually(const std::function<bool()>& condition);

// A real dnsmasq on eth1, in the foreground; killed when this object goes.
class Dnsmasq {
 public:
  Dnsmasq(const std::string& hostsdir, const std::string& state);
  ~Dnsmasq();
  Dnsmasq(const Dnsmasq&) = delete;
  Dnsmasq& operator=(const Dnsmasq&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;

 private:
  pid_t pid_ = -1;
};

// Asks dnsmasq from the other side of eth1.
class Clients {
 public:
  static Clients open();

  // Those whose DISCOVER was answered. dnsmasq answers in order, so the rest
  // is not waited for: behind them kCanary asks.
  std::set<Mac> answered(const std::vector<Mac>& macs);
  bool answered(const Mac& mac) { return answered(std::vector{mac}).size(); }
  // Whether a frame with any contents is, by what it asks as.
  bool answers(const Bytes& frame);

 private:
  explicit Clients(FrameSocket socket) : socket_(std::move(socket)) {}
  void collect_until_canary(std::set<Mac>& offered, std::uint32_t xid);

  FrameSocket socket_;
  std::uint32_t xid_ = 0x10000;
};

// A thread that lets machines ask, one after the other, over and over, and
// notes which of them ever got an answer.
class Sentry {
 public:
  Sentry(std::vector<Mac> denied, std::chrono::microseconds gap);
  ~Sentry();
  Sentry(const Sentry&) = delete;
  Sentry& operator=(const Sentry&) = delete;

  std::uint64_t asked() const { return asked_.load(); }
  // Stops, and tells who was answered.
  std::set<Mac> stop();

 private:
  std::atomic<std::uint64_t> asked_{0};
  std::set<Mac> answered_;
  std::jthread thread_;
};

class DnsmasqTest : public ::testing::Test {
 protected:
  void SetUp() override;

  DnsmasqOptions options() const;
  std::unique_ptr<FilterDriver> make(const DnsmasqOptions& options) const;
  std::unique_ptr<FilterDriver> make() const { return make(options()); }
  // Made, initialized and synchronized; failures fail the test.
  std::unique_ptr<FilterDriver> started(const Snapshot& policy,
                                        const DnsmasqOptions& options) const;
  std::unique_ptr<FilterDriver> started(const Snapshot& policy) const {
    return started(policy, options());
  }

  // Runs until the test's end, or the next run().
  Dnsmasq& run();
  void stop() { dnsmasq_.reset(); }

  bool answered(const Mac& mac);
  // `dnsmasq` in the background, as a start command.
  std::string daemon_command() const;
  std::string stop_command() const;

  std::string path(const std::string& name) const {
    return hostsdir_ + "/" + name;
  }
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& contents) const;
  // Without names that dnsmasq passes over.
  std::vector<std::string> files() const;

  std::optional<NetNamespace> network_;
  TempDir state_;
  std::string hostsdir_;
  std::optional<Dnsmasq> dnsmasq_;
  std::vector<pid_t> daemons_;

 public:
  ~DnsmasqTest() override;
};

DriverTarget target_of(const FilterDriver& driver);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_DRIVERS_DNSMASQ_DNSMASQ_FIXTURE_H_
