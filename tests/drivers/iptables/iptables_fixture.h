// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_DRIVERS_IPTABLES_IPTABLES_FIXTURE_H_
#define PXEGATE_TESTS_DRIVERS_IPTABLES_IPTABLES_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "controller/base/command_runner.h"
#include "drivers/iptables/iptables_driver.h"
#include "tests/support/machines.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// Runs programs of one backend, whatever the machine's alternatives say, and
// notes what it ran. ipset is not found unless asked for, so that what the
// chain looks like does not depend on the kernel.
class BackendRunner final : public CommandRunner {
 public:
  explicit BackendRunner(std::string backend) : backend_(std::move(backend)) {}

  Result<CommandOutput> run(const Command& command) override;

  // What ran since the last call: "iptables-save", "ipset".
  std::vector<std::string> take_names() { return std::exchange(names_, {}); }
  // Called before each program that starts.
  std::function<void(const Command&)> before;
  bool with_ipset = false;

 private:
  const std::string backend_;
  std::vector<std::string> names_;
  SystemCommandRunner system_;
};

struct Variant {
  std::string backend;  // "nft", "legacy"
  int version = 4;
};
// How a failing test shows it.
inline void PrintTo(const Variant& variant, std::ostream* os) {
  *os << variant.backend << ", version " << variant.version;
}
std::string variant_name(const ::testing::TestParamInfo<Variant>& info);
extern const std::vector<Variant> kVariants;

// The real driver in a network namespace of its own, whose eth1 is one end of
// a veth pair.
class IptablesTest : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override;

  bool v6() const { return GetParam().version == 6; }
  std::string port() const { return v6() ? "547" : "67"; }
  IptablesOptions options() const {
    return {.interface = "eth1", .chain = "gate", .ip_version = v6() ? 6 : 4};
  }
  std::unique_ptr<FilterDriver> make() const { return make(options()); }
  std::unique_ptr<FilterDriver> make(const IptablesOptions& options) const {
    return make_iptables_driver(options, runner_);
  }
  // Initialized and synced.
  std::unique_ptr<FilterDriver> started(const Snapshot& policy) const;

  // `iptables ARGUMENTS` by hand; "{port}" stands for the server's port.
  void iptables(std::string arguments) const;
  // The rules of a chain as `-S` prints them, without "-A CHAIN ".
  std::vector<std::string> rules(const std::string& chain) const;
  // All of the tables, but for comments and the chain `gate` and what jumps
  // there.
  std::string foreign_state() const;
  bool chain_exists(const std::string& chain) const;
  // The jump as it has to be.
  std::string jump(const std::string& interface = "eth1") const;
  // As ironic-inspector makes it.
  std::string old_jump(const std::string& chain) const;
  // The chain's rule for `mac`.
  static std::string rule(const Mac& mac, const std::string& target);

  std::string output_of(const std::vector<std::string>& argv) const;

  std::optional<NetNamespace> network_;
  std::shared_ptr<BackendRunner> runner_;
};

// A DHCP server's socket on eth1, and a client at the other end.
class DhcpWire {
 public:
  // `port` 0: the one that DHCP servers listen on.
  static Result<DhcpWire> open(int ip_version, std::uint16_t port = 0);

  // Sends a DISCOVER, or a SOLICIT, as `mac` and tells whether the server's
  // socket got it: before a datagram for another port that is sent behind it.
  bool passes(const Mac& mac);
  // How many requests of `mac` the server got that are still unread.
  std::size_t arrived(const Mac& mac);
  // The frame that passes() sends.
  Bytes request(const Mac& mac) const;

 private:
  DhcpWire(int version, std::uint16_t port, UniqueFd server, UniqueFd marker,
           FrameSocket far)
      : version_(version),
        port_(port),
        server_(std::move(server)),
        marker_(std::move(marker)),
        far_(std::move(far)) {}
  void settle();
  Bytes frame(const Mac& mac, std::uint16_t port, Bytes payload) const;

  int version_;
  std::uint16_t port_;
  UniqueFd server_;
  UniqueFd marker_;
  FrameSocket far_;
  std::uint8_t number_ = 0;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_DRIVERS_IPTABLES_IPTABLES_FIXTURE_H_
