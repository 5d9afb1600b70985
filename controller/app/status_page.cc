// SPDX-License-Identifier: Apache-2.0
#include "controller/app/status_page.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

namespace pxegate {
namespace {

#include "status_page.html.inc"

constexpr std::string_view kNonceMark = "{{nonce}}";

}  // namespace

Result<StatusPage> make_status_page() {
  std::array<std::uint8_t, 16> random{};
  if (::getrandom(random.data(), random.size(), 0) !=
      static_cast<ssize_t>(random.size())) {
    return fail_errno("getrandom", errno);
  }
  std::string nonce;
  for (const std::uint8_t byte : random) nonce += fmt::format("{:02x}", byte);

  StatusPage page;
  page.html = kStatusPage;
  for (std::size_t at = page.html.find(kNonceMark); at != std::string::npos;
       at = page.html.find(kNonceMark, at)) {
    page.html.replace(at, kNonceMark.size(), nonce);
  }
  page.policy = fmt::format(
      "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; "
      "connect-src 'self'; img-src data:; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      nonce);
  return page;
}

}  // namespace pxegate
