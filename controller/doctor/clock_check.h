// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DOCTOR_CLOCK_CHECK_H_
#define PXEGATE_CONTROLLER_DOCTOR_CLOCK_CHECK_H_

#include <optional>
#include <string>

#include "controller/base/clock.h"
#include "controller/driver/finding.h"

namespace pxegate {

// The Date of an HTTP answer (RFC 9110, section 5.6.7, IMF-fixdate), to the
// second. nullopt where it is none.
std::optional<WallTime> http_date(const std::string& text);

// Whether the kernel's clock is kept right by somebody (adjtimex(2)).
bool clock_is_synchronized();

// This host's clock beside `server`'s, which was read between `before` and
// `after`; nullopt: it told none. Pure.
Finding judge_clock(const std::optional<WallTime>& server, WallTime before,
                    WallTime after, bool synchronized);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DOCTOR_CLOCK_CHECK_H_
