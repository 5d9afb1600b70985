// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_DRIVERS_NFTABLES_NFTABLES_FIXTURE_H_
#define PXEGATE_TESTS_DRIVERS_NFTABLES_NFTABLES_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/fd.h"
#include "drivers/nftables/nftables_driver.h"
#include "tests/support/machines.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// Runs `nft <script>`; what it prints. A failure fails the test.
std::string nft(const std::string& script);

// What a DHCP server on a UDP socket gets of what is sent to an interface.
class UdpServer {
 public:
  // On the near end of `interface`, made by add_veth().
  static Result<UdpServer> open(const std::string& interface);

  // Whether the server gets a datagram out of `frames`, which come in on the
  // interface one behind the other.
  bool receives(const std::vector<Bytes>& frames);
  // How many datagrams came since the last call.
  std::size_t arrivals();

 private:
  UdpServer(FrameSocket far, UniqueFd server, UniqueFd marker)
      : far_(std::move(far)),
        server_(std::move(server)),
        marker_(std::move(marker)) {}

  FrameSocket far_;
  UniqueFd server_;
  UniqueFd marker_;  // on a port that no DHCP filter minds
};

// The real driver on a veth pair eth1 in a network namespace of its own.
class NftablesTest : public ::testing::Test {
 protected:
  void SetUp() override;

  static std::unique_ptr<FilterDriver> make(
      std::vector<std::string> interfaces = {"eth1"}) {
    return make_nftables_driver(
        {.interfaces = std::move(interfaces), .table = "pxegate"});
  }
  // Made, initialized and synchronized; failures fail the test.
  static std::unique_ptr<FilterDriver> started(
      const Snapshot& policy, std::vector<std::string> interfaces = {"eth1"});

  // Whether a DISCOVER of `mac` reaches a UDP socket behind `interface`.
  static bool passes(const Mac& mac, const std::string& interface = "eth1");

  std::optional<NetNamespace> network_;
};

// Whether `driver` says that a sync is due, within ten seconds.
bool wait_woken(FilterDriver& driver);

DriverTarget target_of(const FilterDriver& driver,
                       const std::string& name = "eth1");

// Of what observe() tells; 0 where it does not tell of that pair.
std::uint64_t packets(const FilterDriver& driver, Verdict verdict,
                      const std::string& reason);

// Generation of the ruleset: how often somebody wrote.
std::uint32_t generation();

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_DRIVERS_NFTABLES_NFTABLES_FIXTURE_H_
