// SPDX-License-Identifier: Apache-2.0
#include "controller/config/message_bus.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

// Why `path` is of no use as a file of certificates; empty: it can be read.
std::string trouble_with(const std::string& path) {
  // Whatever it is, it is not waited for.
  const UniqueFd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return errno_error(quoted(path), errno).message();
  }
  if (!S_ISREG(status.st_mode)) return quoted(path) + " is no file";
  return {};
}

class Settling {
 public:
  explicit Settling(Config::Notifications& bus)
      : bus_(bus),
        url_section_(bus.own_transport_url.empty()
                         ? "DEFAULT"
                         : "oslo_messaging_notifications") {}

  std::vector<Misfit> run() {
    bus_.hosts.clear();
    auto url = parse_transport_url(bus_.own_transport_url.empty()
                                       ? bus_.transport_url
                                       : bus_.own_transport_url);
    if (!url) {
      wrong_url(url.error().message());
    } else if (*url) {
      take(**std::move(url));
    }
    if (!found_.empty()) bus_.hosts.clear();
    return std::move(found_);
  }

 private:
  // Where the value that counts stands.
  enum class Place { kSection, kQuery };

  void take(TransportUrl url) {
    bus_.hosts = std::move(url.hosts);
    bus_.virtual_host = std::move(url.virtual_host);
    bus_.heartbeat = url.heartbeat_timeout_threshold.value_or(bus_.heartbeat);
    take(url.ssl, bus_.ssl);
    take(url.ssl_enforce_hostname_verification, bus_.verify_hostname);
    const Place ca = take(url.ssl_ca_file, bus_.ca_file);
    const Place cert = take(url.ssl_cert_file, bus_.cert_file);
    const Place key = take(url.ssl_key_file, bus_.key_file);
    if (!bus_.ssl) return;
    check_file("ssl_ca_file", bus_.ca_file, ca);
    check_file("ssl_cert_file", bus_.cert_file, cert);
    check_file("ssl_key_file", bus_.key_file, key);
    if (bus_.key_file.empty() && !bus_.cert_file.empty()) {
      wrong("ssl_cert_file", cert, "is of no use without ssl_key_file");
    }
    if (bus_.cert_file.empty() && !bus_.key_file.empty()) {
      wrong("ssl_key_file", key, "is of no use without ssl_cert_file");
    }
  }

  template <typename T>
  static Place take(std::optional<T>& from_query, T& value) {
    if (!from_query) return Place::kSection;
    value = *std::move(from_query);
    return Place::kQuery;
  }

  void check_file(std::string_view option, const std::string& path,
                  Place place) {
    if (path.empty()) return;
    const std::string trouble = trouble_with(path);
    if (trouble.empty()) return;
    wrong(option, place, trouble + "; expected a PEM file that can be read");
  }

  void wrong(std::string_view option, Place place, std::string what) {
    if (place == Place::kQuery) {
      wrong_url(fmt::format("{} in its query: {}", option, what));
    } else {
      found_.push_back(
          {"oslo_messaging_rabbit", option, true, std::move(what)});
    }
  }
  void wrong_url(std::string what) {
    found_.push_back({url_section_, "transport_url", true, std::move(what)});
  }

  Config::Notifications& bus_;
  std::string_view url_section_;
  std::vector<Misfit> found_;
};

}  // namespace

std::vector<Misfit> settle_message_bus(Config::Notifications& bus) {
  return Settling(bus).run();
}

}  // namespace pxegate
