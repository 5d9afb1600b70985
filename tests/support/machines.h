// SPDX-License-Identifier: Apache-2.0
//
// The machines and policies that the tests of all drivers speak of.
#ifndef PXEGATE_TESTS_SUPPORT_MACHINES_H_
#define PXEGATE_TESTS_SUPPORT_MACHINES_H_

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <vector>

#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

inline constexpr Mac kDenied{0x52, 0x54, 0x00, 0x00, 0x00, 0x0d};
inline constexpr Mac kAllowed{0x52, 0x54, 0x00, 0x00, 0x00, 0x0a};
inline constexpr Mac kUnknown{0x52, 0x54, 0x00, 0x00, 0x00, 0x0f};

inline constexpr auto kAllow = Verdict::kAllow;
inline constexpr auto kDeny = Verdict::kDeny;

// The `number`th of many other machines.
Mac machine(std::uint32_t number);

// A DISCOVER as `mac` sends it.
Bytes discover(const Mac& mac);

struct PolicyRule {
  Mac mac;
  Verdict verdict;
};
Snapshot snapshot(const std::vector<PolicyRule>& rules,
                  Verdict unknown = kDeny);
// `count` machines from `first` on, all with the same verdict.
std::vector<PolicyRule> many(std::uint32_t first, std::uint32_t count,
                             Verdict verdict);
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

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_MACHINES_H_
