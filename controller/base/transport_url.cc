// SPDX-License-Identifier: Apache-2.0
#include "controller/base/transport_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

// What kombu fills in where the URL has none.
constexpr std::string_view kDefaultHost = "localhost";
constexpr std::string_view kDefaultCredential = "guest";
// AMQP's "short string".
constexpr std::size_t kMaxVirtualHost = 255;
constexpr std::size_t kMaxHostName = 255;
constexpr std::size_t kMaxHosts = 64;
// Seconds. A broker that is gone is not noticed earlier.
constexpr unsigned kMaxHeartbeat = 300;

constexpr std::string_view kEncodingHint =
    "(characters other than letters, digits and -._~ in user and password have "
    "to be percent-encoded: %40 for @, %2F for /)";

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// As Python's unquote(): what is no escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  // So that no copy of a password is left where the text grew.
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high << 4 | *low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

// "a<separator>b": a, and b where there is a separator.
std::pair<std::string_view, std::optional<std::string_view>> split_at(
    std::string_view text, std::size_t at) {
  if (at == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, at), text.substr(at + 1)};
}

struct UrlParts {
  std::string_view scheme;
  std::string_view netloc;
  std::string_view path;  // without its first slash
  std::string_view query;
};

Result<UrlParts> split_url(std::string_view url) {
  UrlParts parts;
  const std::size_t colon = url.find("://");
  const std::string_view before = url.substr(0, colon);
  // Anything else there may be a password, and is not shown.
  const bool scheme = std::ranges::all_of(before, [](char c) {
    return is_alphanumeric(c) || c == '+' || c == '.' || c == '-';
  });
  if (colon == std::string_view::npos || colon == 0 || !scheme) {
    return invalid(
        "has to look like rabbit://user:password@host:port/virtual_host");
  }
  parts.scheme = before;
  std::string_view rest = url.substr(colon + 3);
  if (rest.find('#') != std::string_view::npos) {
    return invalid(
        fmt::format("has a #, which has to be written %23 {}", kEncodingHint));
  }
  const auto [before_query, query] = split_at(rest, rest.find('?'));
  const auto [netloc, path] = split_at(before_query, before_query.find('/'));
  parts.netloc = netloc;
  parts.path = path.value_or("");
  parts.query = query.value_or("");
  // Otherwise a part of a password would be taken for a host or vhost, and
  // shown.
  if (netloc.find('@') == std::string_view::npos &&
      rest.find('@') != std::string_view::npos) {
    return invalid(fmt::format("has a / or ? before the @ {}", kEncodingHint));
  }
  return parts;
}

enum class Broker { kRabbit, kRabbitTls, kNone };

Result<Broker> broker_of(std::string_view scheme) {
  const std::string name = lower_case(scheme);
  if (name == "rabbit" || name == "kombu" || name == "kombu+rabbit" ||
      name == "kombu+amqp" || name == "kombu+pyamqp") {
    return Broker::kRabbit;
  }
  if (name == "kombu+amqps") return Broker::kRabbitTls;
  if (name == "fake" || name == "kombu+memory") return Broker::kNone;
  if (name == "amqp" || name == "amqps") {
    return invalid(
        "amqp:// means AMQP 1.0 to oslo.messaging, which is not supported; for "
        "RabbitMQ write rabbit://");
  }
  return invalid(fmt::format(
      "{} is not supported: only RabbitMQ (rabbit://) is, and fake:// for none",
      quoted(name, 20)));
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    return fail("the port is not a number from 1 to 65535");
  }
  return port;
}

// `text` is "user:password@host:port" with all but the host optional.
Result<BrokerHost> parse_host(std::string_view text) {
  BrokerHost host{.host = {},
                  .port = std::nullopt,
                  .username = std::string(kDefaultCredential),
                  .password = Secret(kDefaultCredential)};
  std::string_view location = text;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view credentials = text.substr(0, at);
    location = text.substr(at + 1);
    const auto [user, password] = split_at(credentials, credentials.find(':'));
    if (!user.empty()) host.username = percent_decoded(user);
    if (password && !password->empty()) {
      std::string decoded = percent_decoded(*password);
      const bool unusable = decoded.find('\0') != std::string::npos;
      host.password = Secret(decoded);
      wipe(decoded);
      if (unusable) return fail("the password has a NUL in it");
    }
    if (has_control_characters(host.username)) {
      return fail("the user has control characters in it");
    }
  }

  std::optional<std::string_view> port;
  if (location.starts_with('[')) {
    const std::size_t end = location.find(']');
    if (end == std::string_view::npos) {
      return fail("the [ of an IPv6 address is not closed");
    }
    host.host = location.substr(1, end - 1);
    const std::string_view rest = location.substr(end + 1);
    if (host.host.empty()) return fail("the address in [] is empty");
    if (!rest.empty() && !rest.starts_with(':')) {
      return fail("there is something between ] and the port");
    }
    if (!rest.empty()) port = rest.substr(1);
  } else {
    std::string_view name;
    std::tie(name, port) = split_at(location, location.find(':'));
    host.host = name.empty() ? kDefaultHost : name;
  }
  if (host.host.size() > kMaxHostName ||
      std::ranges::any_of(host.host, [](char c) {
        return !is_alphanumeric(c) &&
               std::string_view("-._:%").find(c) == std::string_view::npos;
      })) {
    return fail("the host is neither a name nor an address");
  }
  if (port && !port->empty()) {
    const auto number = parse_port(*port);
    if (!number) return fail(number.error());
    host.port = *number;
  }
  return host;
}

Result<std::vector<BrokerHost>> parse_hosts(std::string_view netloc) {
  std::vector<BrokerHost> hosts;
  std::optional<std::string_view> rest = netloc;
  while (rest) {
    std::string_view text;
    std::tie(text, rest) = split_at(*rest, rest->find(','));
    if (text.empty()) continue;
    auto host = parse_host(text);
    if (!host) {
      return invalid(fmt::format("host {}: {} {}", hosts.size() + 1,
                                 host.error().message(), kEncodingHint));
    }
    if (hosts.size() == kMaxHosts) {
      return invalid(fmt::format("names more than {} hosts", kMaxHosts));
    }
    hosts.push_back(*std::move(host));
  }
  if (hosts.empty()) {
    // Not parse_host(""): an empty entry between commas is none.
    hosts.push_back({.host = std::string(kDefaultHost),
                     .port = std::nullopt,
                     .username = std::string(kDefaultCredential),
                     .password = Secret(kDefaultCredential)});
  }
  return hosts;
}

// oslo.config's idea of a boolean.
std::optional<bool> parse_boolean(std::string value) {
  value = lower_case(value);
  if (value == "true" || value == "1" || value == "on" || value == "yes") {
    return true;
  }
  if (value == "false" || value == "0" || value == "off" || value == "no") {
    return false;
  }
  return std::nullopt;
}

std::string query_decoded(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '+', ' ');
  return percent_decoded(plain);
}

Result<> apply_option(const std::string& name, const std::string& value,
                      TransportUrl& url) {
  const auto set_boolean = [&](std::optional<bool>& to) -> Result<> {
    to = parse_boolean(value);
    if (!to) return invalid(fmt::format("{} in the query is no boolean", name));
    return {};
  };
  const auto set_path = [&](std::optional<std::string>& to) -> Result<> {
    if (has_control_characters(value)) {
      return invalid(fmt::format("{} in the query is no path", name));
    }
    to = value;
    return {};
  };
  if (name == "ssl") return set_boolean(url.ssl);
  if (name == "ssl_ca_file") return set_path(url.ssl_ca_file);
  if (name == "ssl_cert_file") return set_path(url.ssl_cert_file);
  if (name == "ssl_key_file") return set_path(url.ssl_key_file);
  if (name == "ssl_enforce_hostname_verification") {
    return set_boolean(url.ssl_enforce_hostname_verification);
  }
  if (name == "heartbeat_timeout_threshold") {
    std::uint16_t seconds = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, seconds);
    if (error != std::errc{} || stop != end || seconds > kMaxHeartbeat) {
      return invalid(fmt::format(
          "{} in the query is not a number of seconds from 1 to {}, or 0 for "
          "the default",
          name, kMaxHeartbeat));
    }
    // 0 is "no heartbeats" there; here it is as good as not given.
    if (seconds > 0) {
      url.heartbeat_timeout_threshold = std::chrono::seconds(seconds);
    }
  }
  return {};
}

Result<> apply_query(std::string_view query, TransportUrl& url) {
  std::optional<std::string_view> rest = query;
  while (rest) {
    std::string_view item;
    std::tie(item, rest) = split_at(*rest, rest->find('&'));
    const auto [name, value] = split_at(item, item.find('='));
    // parse_qs() drops them, too.
    if (!value || value->empty()) continue;
    const auto applied =
        apply_option(query_decoded(name), query_decoded(*value), url);
    if (!applied) return applied;
  }
  return {};
}

}  // namespace

Result<std::optional<TransportUrl>> parse_transport_url(const Secret& url) {
  if (url.empty()) return std::nullopt;
  const auto parts = split_url(url.reveal());
  if (!parts) return fail(parts.error());
  const auto broker = broker_of(parts->scheme);
  if (!broker) return fail(broker.error());
  if (*broker == Broker::kNone) return std::nullopt;

  TransportUrl out;
  auto hosts = parse_hosts(parts->netloc);
  if (!hosts) return fail(hosts.error());
  out.hosts = *std::move(hosts);

  if (!parts->path.empty()) out.virtual_host = percent_decoded(parts->path);
  if (out.virtual_host.size() > kMaxVirtualHost ||
      has_control_characters(out.virtual_host)) {
    return invalid(fmt::format(
        "the virtual host is longer than {} bytes or has control characters",
        kMaxVirtualHost));
  }
  if (*broker == Broker::kRabbitTls) out.ssl = true;
  const auto applied = apply_query(parts->query, out);
  if (!applied) return fail(applied.error());
  return out;
}

std::string host_and_port(const std::string& host, std::uint16_t port) {
  return host.find(':') == std::string::npos
             ? fmt::format("{}:{}", host, port)
             : fmt::format("[{}]:{}", host, port);
}

}  // namespace pxegate
