// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_BROKER_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_BROKER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/unit/controller/ironic/raw_server.h"

namespace pxegate {

// AMQP 0-9-1 as a broker speaks it, which may stop to do so anywhere: for what
// a real one never does. Calls return false once the client is gone.
class FakeBroker {
 public:
  // Class and method (AMQP_…_METHOD) that clients begin with, in order.
  static constexpr std::uint32_t kOpen = 0x000a0028;
  static constexpr std::uint32_t kChannelOpen = 0x0014000a;
  static constexpr std::uint32_t kExchangeDeclare = 0x0028000a;
  static constexpr std::uint32_t kQueueDeclare = 0x0032000a;
  static constexpr std::uint32_t kQueueBind = 0x00320014;
  static constexpr std::uint32_t kQos = 0x003c000a;
  static constexpr std::uint32_t kConsume = 0x003c0014;

  explicit FakeBroker(RawServer::Peer& peer) : peer_(peer) {}

  // Answers as it should, until the client calls `method`, which is not
  // answered. Heartbeats are offered so many seconds apart.
  bool serve_until(std::uint32_t method, std::uint16_t heartbeat = 60) {
    std::string bytes;
    if (!peer_.read(8, bytes)) return false;  // "AMQP", version
    answer(0, 0x000a000a,
           std::string("\x00\x09", 2) + number(0, 4) + number(5, 4) + "PLAIN" +
               number(5, 4) + "en_US");
    while (true) {
      std::uint32_t called = 0;
      if (!read_method(called)) return false;
      if (called == method) return true;
      reply_to(called, heartbeat);
    }
  }

  bool reply_to(std::uint32_t called, std::uint16_t heartbeat = 60) {
    switch (called) {
      case 0x000a000b:  // start-ok, tune-ok
        return answer(0, 0x000a001e,
                      number(0, 2) + number(131'072, 4) + number(heartbeat, 2));
      case kOpen:
        return answer(0, called + 1, number(0, 1));
      case kChannelOpen:
        return answer(1, called + 1, number(0, 4));
      case kQueueDeclare:
        return answer(1, called + 1, "\1q" + number(0, 8));
      case kConsume:
        return answer(1, called + 1, "\1c");
      case kExchangeDeclare:
      case kQueueBind:
      case kQos:
        return answer(1, called + 1, "");
      default:
        return true;
    }
  }

  bool deliver(std::string_view body) {
    return answer(1, 0x003c003c, "\1c" + number(1, 8) + number(0, 3)) &&
           frame(2, 1,
                 number(0x3c, 2) + number(0, 2) + number(body.size(), 8) +
                     number(0, 2)) &&
           frame(3, 1, body);
  }
  // So many bytes of deliveries that nobody asked for; and then nothing.
  void flood(std::size_t bytes) {
    const std::string body(100'000, 'x');
    for (std::size_t sent = 0; sent < bytes; sent += body.size()) {
      if (!deliver(body)) return;
    }
    peer_.wait_for_close();
  }

  bool heartbeat() { return frame(8, 0, ""); }
  RawServer::Peer& peer() { return peer_; }

 private:
  static std::string number(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) {
      text += static_cast<char>(value >> (8 * i) & 0xff);
    }
    return text;
  }

  bool frame(int type, int channel, std::string_view payload) {
    return peer_.say(number(type, 1) + number(channel, 2) +
                     number(payload.size(), 4) + std::string(payload) + '\xce');
  }
  bool answer(int channel, std::uint32_t method, std::string_view arguments) {
    return frame(1, channel, number(method, 4) + std::string(arguments));
  }

  // Of frames that are none it takes no notice.
  bool read_method(std::uint32_t& method) {
    const auto at = [](const std::string& bytes, std::size_t from) {
      std::uint32_t value = 0;
      for (std::size_t i = from; i < from + 4; ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
      }
      return value;
    };
    while (true) {
      std::string head;
      std::string payload;
      if (!peer_.read(7, head) || !peer_.read(at(head, 3) + 1, payload)) {
        return false;
      }
      if (head[0] != 1) continue;
      method = at(payload, 0);
      return true;
    }
  }

  RawServer::Peer& peer_;
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_BROKER_H_
