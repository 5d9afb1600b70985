// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a message from the broker: what the decoder lets through has
// to be what its header promises, and the same again where it is wrapped.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controller/ironic/notification.h"
#include "controller/ironic/uuid.h"

namespace pxegate {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// `text`, which is ASCII, as a JSON string.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

void check(std::string_view body) {
  const auto decoded = decode_notification(body);
  if (!decoded) {
    require(decoded.error().code() == ErrorCode::kInvalid);
    require(printable(decoded.error().message()));
    require(decoded.error().message().size() < 1000);
    return;
  }
  if (*decoded) {
    const Hint& hint = **decoded;
    require(parse_uuid(hint.node_uuid).has_value());
    require(hint.node_uuid.size() == 36);
    require(hint.provision_state.size() <= 64);
    require(printable(hint.provision_state));
    require(!(hint.ports && hint.gone));
  }
  // The bare form in an envelope says the same.
  const bool wrapped = body.find("oslo.") != std::string_view::npos ||
                       body.find("\\u00") != std::string_view::npos;
  if (wrapped || body.size() > kMaxNotification / 8) return;
  const auto again = decode_notification(
      R"({"oslo.version": "2.0", "oslo.message": )" + json_string(body) + "}");
  require(again.has_value() && *again == *decoded);
}

}  // namespace
}  // namespace pxegate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  pxegate::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
