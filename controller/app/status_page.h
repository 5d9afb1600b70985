// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_STATUS_PAGE_H_
#define PXEGATE_CONTROLLER_APP_STATUS_PAGE_H_

#include <string>

#include "controller/base/result.h"

namespace pxegate {

// The page that `/` of the control API answers with: it shows what the API's
// documents say, and asks for them again every two seconds. Self-contained.
struct StatusPage {
  std::string html;
  // Its Content-Security-Policy: nothing runs or is loaded but what is in it,
  // and it talks to nobody but where it came from.
  std::string policy;
};

// One for each request: script and style carry a nonce (CSP level 3, section
// 2.3), which nobody must be able to guess. kFailed where there is no
// randomness.
Result<StatusPage> make_status_page();

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_STATUS_PAGE_H_
