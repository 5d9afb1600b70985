// SPDX-License-Identifier: Apache-2.0
//
// driver_sync CONFIG PORTS: times the driver that the configuration names, on
// a policy of PORTS addresses; for drivers_at_scale. Prints one JSON object,
// in seconds. One node is being inspected, then a second: of the addresses all
// but one, then all but two are denied, unknown machines are allowed.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/app/drivers.h"
#include "controller/base/log.h"
#include "controller/config/load_config.h"
#include "controller/config/policy_options.h"
#include "controller/driver/filter_host.h"

namespace pxegate {
namespace {

using Seconds = std::chrono::duration<double>;

MacAddress address_of(std::uint32_t number) {
  MacAddress::Bytes bytes{0x02};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[5 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return MacAddress(bytes);
}

Result<Snapshot> snapshot(std::uint32_t ports, std::uint32_t inspected,
                          const PolicyOptions& options) {
  std::vector<Node> nodes;
  std::vector<Port> list;
  for (std::uint32_t i = 0; i < ports; ++i) {
    Node node;
    node.uuid = "node-" + std::to_string(i);
    node.provision_state = i < inspected ? "inspect wait" : "active";
    node.inspect_interface = "agent";
    Port port;
    port.uuid = "port-" + std::to_string(i);
    port.node_uuid = node.uuid;
    port.address = address_of(i);
    nodes.push_back(std::move(node));
    list.push_back(std::move(port));
  }
  auto inventory = Inventory::make(std::move(nodes), std::move(list));
  if (!inventory) return fail(inventory.error());
  Snapshot snapshot;
  snapshot.policy =
      std::make_shared<const Policy>(compute_policy(*inventory, options));
  snapshot.inventory = std::make_shared<const Inventory>(*std::move(inventory));
  return snapshot;
}

Result<nlohmann::json> measure(const std::string& file, std::uint32_t ports) {
  const auto loaded = load_config({.files = {file}, .dir = {}});
  if (!loaded) return fail(loaded.error());
  const Config& config = loaded->config;
  auto registry = available_drivers(config);
  if (!registry) return fail(registry.error());
  auto driver = registry->create(config.pxe_filter.driver);
  if (!driver) return fail(driver.error());
  FilterHost host(std::move(*driver));

  const PolicyOptions options = policy_options(config);
  const auto one = snapshot(ports, 1, options);
  const auto two = snapshot(ports, 2, options);
  if (!one || !two) return fail("no policy");

  nlohmann::json found = {{"driver", config.pxe_filter.driver},
                          {"ports", ports}};
  if (auto ready = host.initialize(); !ready) return fail(ready.error());
  const std::pair<const char*, const Snapshot*> steps[] = {
      {"first", &*one}, {"change", &*two}, {"unchanged", &*two}};
  for (const auto& [step, desired] : steps) {
    const auto started = std::chrono::steady_clock::now();
    const auto done = host.sync(*desired);
    if (!done) return fail(done.error().within(step));
    found[step] = Seconds(std::chrono::steady_clock::now() - started).count();
  }
  if (auto installed = host.installed()) {
    // A driver may leave out whom the verdict for unknown machines covers.
    for (const Policy::Entry& entry : two->policy->entries()) {
      if (installed->verdict(entry.address) != entry.verdict) {
        return fail("another policy is installed");
      }
    }
  }
  // A stopped dnsmasq need not be waited for to forget.
  host.shut_down();
  if (auto gone = host.tear_down(); !gone) return fail(gone.error());
  return found;
}

}  // namespace
}  // namespace pxegate

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: driver_sync CONFIG PORTS\n";
    return 2;
  }
  // To standard error: standard output is for the figures.
  if (!pxegate::log::configure(pxegate::log::Level::kError, "")) return 1;
  const auto ports = std::strtoul(argv[2], nullptr, 10);
  const auto found =
      pxegate::measure(argv[1], static_cast<std::uint32_t>(ports));
  if (!found) {
    std::cerr << "driver_sync: " << found.error().message() << '\n';
    return 1;
  }
  std::cout << *found << '\n';
  return 0;
}
