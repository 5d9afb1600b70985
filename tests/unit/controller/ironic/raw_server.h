// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_RAW_SERVER_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_RAW_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "controller/base/fd.h"

namespace pxegate {

// A TCP server on an ephemeral loopback port that says whatever the test
// wants, which no HTTP library would. One connection at a time.
class RawServer {
 public:
  // One accepted connection, seen from the server.
  class Peer {
   public:
    Peer(int fd, std::stop_token stop) : fd_(fd), stop_(std::move(stop)) {}

    // Reads one request's head; false when the client is gone.
    bool read_request() {
      head_.clear();
      char byte = 0;
      while (!head_.ends_with("\r\n\r\n")) {
        if (recv(fd_, &byte, 1, 0) != 1) return false;
        head_ += byte;
      }
      return true;
    }
    const std::string& head() const { return head_; }

    // So many bytes; false when the client is gone.
    bool read(std::size_t count, std::string& into) {
      into.resize(count);
      return count == 0 || recv(fd_, into.data(), count, MSG_WAITALL) ==
                               static_cast<ssize_t>(count);
    }

    // False when the client is gone.
    bool say(std::string_view text) {
      while (!text.empty()) {
        const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(sent));
      }
      return true;
    }

    // Closing sends RST from now on.
    void reset_on_close() {
      const linger now{.l_onoff = 1, .l_linger = 0};
      setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

    // Until the client closes, or the test is over.
    void wait_for_close() {
      char byte = 0;
      while (recv(fd_, &byte, 1, 0) > 0) {
      }
    }
    bool stopped() const { return stop_.stop_requested(); }

   private:
    int fd_;
    std::stop_token stop_;
    std::string head_;
  };

  // `serve` is called for each connection, which closes when it returns.
  explicit RawServer(std::function<void(Peer&)> serve)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.get(), generic, size) != 0 ||
        listen(listener_.get(), 8) != 0 ||
        getsockname(listener_.get(), generic, &size) != 0) {
      throw std::runtime_error("no listening socket");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread(
        [this, serve = std::move(serve)](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            const UniqueFd fd(accept(listener_.get(), nullptr, nullptr));
            if (!fd) return;
            ++connections_;
            // What goes wrong in here shows up at the client, not as a hang.
            const timeval patience{.tv_sec = 20, .tv_usec = 0};
            setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                       sizeof patience);
            setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience,
                       sizeof patience);
            Peer peer(fd.get(), stop);
            serve(peer);
          }
        });
  }

  ~RawServer() {
    thread_.request_stop();
    shutdown(listener_.get(), SHUT_RDWR);
  }

  std::string url(std::string_view path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::jthread thread_;
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_RAW_SERVER_H_
