// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_DRIVERS_XDP_XDP_FIXTURE_H_
#define PXEGATE_TESTS_DRIVERS_XDP_XDP_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/fd.h"
#include "drivers/xdp/map_set.h"
#include "drivers/xdp/mapped_array.h"
#include "drivers/xdp/xdp_driver.h"
#include "tests/support/machines.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// The key of a MAC address in more_rules and clients.
pxe_addr key_of(const Mac& mac);

// `count` machines, none of them machine(n) for a small n, that share the
// bucket of `mac` where there are `buckets`.
std::vector<Mac> sharing_bucket(const Mac& mac, std::size_t count,
                                std::uint32_t buckets);

// Somebody else's XDP program: passes everything.
UniqueFd foreign_program();

// What a child process, forked off, made of `body`; empty: nothing was said.
// A child that dies by a signal fails the test, unless it is SIGKILL.
std::string in_child(const std::function<std::string()>& body);

// The message of what failed; empty for success.
template <typename T>
std::string message_of(const Result<T>& result) {
  return result ? std::string() : result.error().message();
}

// The real driver on a veth pair eth1 in a network namespace of its own, with
// pins of its own.
class XdpTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Options for eth1 with this test's pin_path.
  XdpOptions options(std::vector<std::string> interfaces = {"eth1"}) const;
  std::unique_ptr<FilterDriver> make() const {
    return make_xdp_driver(options());
  }
  // A second directory for pins, removed like the first.
  std::string other_pin_path();

  // Made, initialized and synchronized; failures fail the test.
  std::unique_ptr<FilterDriver> started(const Snapshot& policy,
                                        const XdpOptions& options) const;
  std::unique_ptr<FilterDriver> started(const Snapshot& policy) const {
    return started(policy, options());
  }

  // Whether a DISCOVER of `mac` gets into `interface`.
  bool passes(const Mac& mac, const std::string& interface = "eth1") const;

  // Of a map.
  std::string pin(const std::string& name) const {
    return pin_path_ + "/maps/" + name;
  }
  std::string link_pin(const std::string& name = "eth1") const {
    return pin_path_ + "/links/" + name;
  }
  UniqueFd open_pin(const std::string& path) const;
  std::uint32_t link_id(const std::string& name = "eth1") const;
  // Of the program that `interface` runs; 0: none.
  std::uint32_t program_id(const std::string& interface = "eth1") const;
  std::vector<std::string> pins() const;  // relative, sorted
  // What pins() tells of one filtered interface.
  static std::vector<std::string> all_pins(const std::string& link = "eth1");

  // The rules that are pinned, as anybody with the privilege may change them.
  struct RawRules {
    MapSet maps;
    MappedArray memory;
    std::span<pxe_bucket> buckets;

    // Where `mac` has its rule; null: not in a bucket.
    __u64* find(const Mac& mac) const;
    // A slot of its bucket that has none.
    __u64* empty_slot(const Mac& mac) const;
  };
  RawRules raw_rules() const;

  std::optional<NetNamespace> network_;
  std::string pin_path_;
  std::vector<std::string> more_pin_paths_;
};

// Whether `condition`, of which no event tells, comes true in ten seconds.
bool eventually(const std::function<bool()>& condition);

// Whether `driver` says that a sync is due, within ten seconds.
bool wait_woken(FilterDriver& driver);

DriverTarget target_of(const FilterDriver& driver,
                       const std::string& name = "eth1");

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_DRIVERS_XDP_XDP_FIXTURE_H_
