// SPDX-License-Identifier: Apache-2.0
#include "controller/config/option_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "controller/base/ip_network.h"
#include "controller/base/text.h"
#include "controller/config/nearest.h"

namespace pxegate {
namespace {

// Every state a node can be in, newer Ironic's included.
constexpr auto kProvisionStates = std::to_array<std::string_view>(
    {"active",       "adopt failed",  "adopting",        "available",
     "clean failed", "clean hold",    "clean wait",      "cleaning",
     "deleting",     "deploy failed", "deploy hold",     "deploying",
     "enroll",       "error",         "inspect failed",  "inspect wait",
     "inspecting",   "manageable",    "rescue",          "rescue failed",
     "rescue wait",  "rescuing",      "service failed",  "service hold",
     "service wait", "servicing",     "unrescue failed", "unrescuing",
     "verifying",    "wait call-back"});

// AMQP 0-9-1, section 4.2.5.3: a "short string".
constexpr std::size_t kLongestAmqpName = 255;

bool has_blank(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
}

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}
bool is_port(std::string_view text) {
  std::uint32_t port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  return parsed.ec == std::errc() && parsed.ptr == end && port >= 1 &&
         port <= 65535;
}

// "host", "host:port", "[v6]" or "[v6]:port".
bool is_authority(std::string_view text, bool port_required) {
  std::string_view host;
  std::string_view after;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    after = text.substr(close + 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.") !=
            std::string_view::npos ||
        host.find(':') == std::string_view::npos) {
      return false;
    }
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    after = text.substr(colon);
    if (host.empty() || has_blank(host) ||
        host.find_first_of("/[]@,\"'\\") != std::string_view::npos) {
      return false;
    }
  }
  if (after.empty()) return !port_required;
  return after.starts_with(':') && is_port(after.substr(1));
}

}  // namespace

Result<> check_word(std::string_view value) {
  if (value.empty()) return invalid("is empty");
  if (has_blank(value)) return invalid(quoted(value) + " holds a blank");
  return {};
}

Result<> check_exchange(std::string_view value) {
  if (value.size() > kLongestAmqpName) {
    return invalid(fmt::format("{} is longer than {} bytes", quoted(value),
                               kLongestAmqpName));
  }
  return check_word(value);
}

Result<> check_topic(std::string_view value) {
  constexpr std::size_t kLongest =
      kLongestAmqpName - std::string_view(".error").size();
  if (value.size() > kLongest) {
    return invalid(
        fmt::format("{} is longer than {} bytes", quoted(value), kLongest));
  }
  return check_word(value);
}

Result<> check_provision_state(std::string_view value) {
  if (std::ranges::find(kProvisionStates, value) != kProvisionStates.end()) {
    return {};
  }
  std::string message = quoted(value) + " is no provision state of Ironic";
  if (const auto near = nearest(value, kProvisionStates, value.size() / 2)) {
    message += fmt::format("; did you mean {}?", quoted(*near));
  }
  return invalid(std::move(message));
}

Result<> check_interface(std::string_view value) {
  constexpr std::size_t kLongestName = 15;  // IFNAMSIZ without the NUL
  const bool name = !value.empty() && value.size() <= kLongestName &&
                    value != "." && value != ".." && !has_blank(value) &&
                    value.find_first_of("/:\"'") == std::string_view::npos;
  if (name) return {};
  return invalid(quoted(value) + " cannot be the name of a network interface");
}

Result<> check_relay_network(std::string_view value) {
  const auto network = IpNetwork::parse(value);
  if (!network) return fail(network.error());
  // IPv4 stands below ::ffff:0:0/96.
  constexpr unsigned kBeforeMapped = 80;
  const bool zero = std::ranges::all_of(network->address,
                                        [](std::uint8_t o) { return o == 0; });
  if (zero && network->prefix_length <= kBeforeMapped) {
    return invalid(quoted(value) +
                   " takes all of IPv4 in; for every address of IPv6 write "
                   "2000::/3, fc00::/7");
  }
  return {};
}

Result<> check_absolute_path(std::string_view value) {
  if (value.starts_with('/')) return {};
  return invalid(quoted(value) + " does not start with '/'");
}

Result<> check_socket_path(std::string_view value) {
  constexpr std::size_t kLongestPath = 107;  // sun_path without the NUL
  if (value.size() > kLongestPath) {
    return invalid(
        fmt::format("{} is {} bytes long, a Unix socket's path at "
                    "most {}",
                    quoted(value), value.size(), kLongestPath));
  }
  return check_absolute_path(value);
}

// What iptables takes for -i: a trailing '+' stands for anything.
Result<> check_interface_pattern(std::string_view value) {
  std::string_view name = value;
  if (name.size() > 1 && name.ends_with('+')) name.remove_suffix(1);
  const auto checked = check_interface(name);
  if (checked && name.find_first_of("+!") == std::string_view::npos) return {};
  return invalid(quoted(value) + " cannot be the name of a network interface");
}

Result<> check_chain(std::string_view value) {
  // XT_EXTENSION_MAXNAMELEN of linux/netfilter/x_tables.h without the NUL;
  // "_temp", which ironic-inspector appends, must fit too.
  constexpr std::size_t kLongestName = 28 - 5;
  constexpr auto kBuiltin = std::to_array<std::string_view>(
      {"INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING", "ACCEPT",
       "DROP", "REJECT", "RETURN", "QUEUE", "MARK", "LOG", "SET"});
  const bool plain = std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (value.empty() || !plain || value.front() == '-') {
    return invalid(quoted(value) +
                   " holds something else than letters, digits and -_.");
  }
  if (value.size() > kLongestName) {
    return invalid(
        fmt::format("{} is longer than {} bytes", quoted(value), kLongestName));
  }
  if (std::ranges::find(kBuiltin, value) != kBuiltin.end()) {
    return invalid(quoted(value) + " is a name of iptables' own");
  }
  return {};
}

Result<> check_nft_name(std::string_view value) {
  constexpr std::size_t kLongestName = 64;
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const bool plain = std::ranges::all_of(value, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (!value.empty() && plain && letter(value.front()) &&
      value.size() <= kLongestName) {
    return {};
  }
  return invalid(quoted(value) + " cannot be the name of a table");
}

Result<> check_endpoint_interface(std::string_view value) {
  if (value == "public" || value == "internal" || value == "admin") return {};
  return invalid(quoted(value) + " is none of a catalogue's interfaces");
}

Result<> check_system_scope(std::string_view value) {
  if (value.empty() || value == "all") return {};
  return invalid(quoted(value) + " is no scope that Keystone has");
}

Result<> check_status_code(std::string_view value) {
  const bool error =
      value.size() == 3 && (value[0] == '4' || value[0] == '5') &&
      value.find_first_not_of("0123456789") == std::string_view::npos;
  if (error) return {};
  return invalid(quoted(value) + " is no status code of an error");
}

Result<> check_listen(std::string_view value) {
  if (value.empty() || is_authority(value, true)) return {};
  return invalid(quoted(value) + " is no address with a port");
}

Result<> check_url(std::string_view value) {
  if (value.empty()) return {};
  // Both may hold a secret, so the text is not shown.
  if (value.find('@') != std::string_view::npos) {
    return invalid(
        "holds a user or a password (a '@'): those have options of "
        "their own");
  }
  if (value.find_first_of("?#") != std::string_view::npos) {
    return invalid("holds a query or a fragment (a '?' or '#')");
  }
  std::string_view rest = value;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else {
    return invalid(quoted(value) + " starts with neither http:// nor https://");
  }
  if (!is_authority(rest.substr(0, rest.find('/')), false)) {
    return invalid(quoted(value) + " has no valid host and port");
  }
  if (has_blank(value)) return invalid(quoted(value) + " holds a blank");
  return {};
}

}  // namespace pxegate
