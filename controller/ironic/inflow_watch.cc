// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/inflow_watch.h"

#include <fmt/format.h>
#include <linux/tcp.h>  // which knows more of tcp_info than netinet/tcp.h
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>

namespace pxegate {
namespace {

constexpr std::chrono::milliseconds kOften{5};

}  // namespace

InflowWatch::InflowWatch(int socket, std::uint64_t max) {
  try {
    thread_ = std::jthread([this, socket, max](const std::stop_token& stop) {
      watch(socket, max, stop);
    });
  } catch (const std::system_error& error) {
    found_ = fail(fmt::format("cannot start a thread: {}", error.what()));
  }
}

Result<> InflowWatch::end() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  return found_;
}

void InflowWatch::watch(int socket, std::uint64_t max,
                        const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
      found_ = fail_errno("TCP_INFO", errno);
    } else if (info.tcpi_bytes_received > max) {
      found_ = fail(fmt::format("more than {} bytes came", max),
                    ErrorCode::kCapacity);
    }
    if (!found_) {
      ::shutdown(socket, SHUT_RDWR);
      return;
    }
    never.wait_for(lock, stop, kOften, [] { return false; });
  }
}

}  // namespace pxegate
