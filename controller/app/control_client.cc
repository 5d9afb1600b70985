// SPDX-License-Identifier: Apache-2.0
#include "controller/app/control_client.h"

#include <fmt/format.h>
#include <grp.h>
#include <httplib.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "controller/app/json.h"
#include "controller/base/fd.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

std::string user_name(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_name : std::to_string(uid);
}

std::string group_name(gid_t gid) {
  std::array<char, 4096> buffer{};
  group entry{};
  group* found = nullptr;
  getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->gr_name : std::to_string(gid);
}

Failure not_permitted(const std::string& path) {
  struct stat info {};
  std::string who = "root";
  if (stat(path.c_str(), &info) == 0) {
    who = fmt::format("user {} and group {}", user_name(info.st_uid),
                      group_name(info.st_gid));
  }
  return fail(fmt::format("not permitted to ask the controller at {}: {} may; "
                          "try sudo",
                          path, who),
              ErrorCode::kPermission);
}

Failure none_runs(const std::string& path) {
  return fail(fmt::format("no controller runs at {}: start it with `pxegate "
                          "run`",
                          path),
              ErrorCode::kNotFound);
}

}  // namespace

Result<> ControlClient::probe() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) {
    return fail(
        fmt::format("[api] socket = {}: must have 1 to {} bytes",
                    pxegate::quoted(socket_), sizeof(address.sun_path) - 1),
        ErrorCode::kInvalid);
  }
  std::ranges::copy(socket_, address.sun_path);
  const UniqueFd fd(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot create a socket", errno);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0) {
    return {};
  }
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return none_runs(socket_);
    case EACCES:
    case EPERM:
      return not_permitted(socket_);
    default:
      return fail_errno("cannot ask the controller at " + socket_, errno);
  }
}

Result<std::string> ControlClient::get(const std::string& path_and_query,
                                       std::chrono::seconds timeout,
                                       std::stop_token stop) const {
  return ask("GET", path_and_query, timeout, stop);
}

Result<std::string> ControlClient::post(const std::string& path_and_query,
                                        std::chrono::seconds timeout) const {
  return ask("POST", path_and_query, timeout, {});
}

Result<std::string> ControlClient::ask(const std::string& method,
                                       const std::string& path_and_query,
                                       std::chrono::seconds timeout,
                                       const std::stop_token& stop) const {
  // httplib does not tell why a connection failed.
  if (auto reachable = probe(); !reachable) return fail(reachable.error());
  try {
    httplib::Client client(socket_, 80);
    client.set_address_family(AF_UNIX);
    client.set_connection_timeout(std::chrono::seconds(5));
    client.set_read_timeout(timeout);
    client.set_write_timeout(std::chrono::seconds(5));
    const std::stop_callback cancel(stop, [&client] { client.stop(); });
    const auto response = method == "GET" ? client.Get(path_and_query)
                                          : client.Post(path_and_query);
    if (stop.stop_requested()) return fail("stopped", ErrorCode::kCancelled);
    if (!response) {
      return fail(fmt::format("the controller at {} did not answer {} {} "
                              "within {} s: {}; see its log, and restart it "
                              "if it hangs",
                              socket_, method, path_and_query, timeout.count(),
                              httplib::to_string(response.error())),
                  ErrorCode::kUnavailable);
    }
    if (response->status == 200) return response->body;
    if (const auto json = parse_json(response->body)) {
      if (auto error = error_from_json(*json)) return fail(*error);
    }
    return fail(
        fmt::format("the controller at {} answered {} {} with status "
                    "{} and {}",
                    socket_, method, path_and_query, response->status,
                    pxegate::quoted(response->body)));
  } catch (const std::exception& error) {
    return fail(fmt::format("cannot ask the controller at {}: {}", socket_,
                            error.what()));
  }
}

}  // namespace pxegate
