// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/networks.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "bpf/pxe_filter_abi.h"

namespace pxegate {
namespace {

pxe_network to_key(const IpNetwork& network) {
  pxe_network key{};
  key.prefix_length = network.prefix_length;
  std::ranges::copy(network.address, key.ip.octets);
  return key;
}

IpNetwork from_key(const pxe_network& key) {
  IpNetwork network;
  std::ranges::copy(key.ip.octets, network.address.begin());
  network.prefix_length = key.prefix_length;
  return network;
}

// What `a` has and `b` has not.
std::vector<IpNetwork> without(std::vector<IpNetwork> a,
                               std::vector<IpNetwork> b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  std::vector<IpNetwork> rest;
  std::ranges::set_difference(a, b, std::back_inserter(rest));
  return rest;
}

}  // namespace

Result<std::vector<IpNetwork>> read_networks(int fd) {
  std::vector<IpNetwork> networks;
  pxe_network key{};
  pxe_network next{};
  const pxe_network* previous = nullptr;
  // Bounded: where somebody deletes meanwhile, it begins again.
  while (networks.size() < 2 * PXE_MAX_DISCOVERY_RELAYS) {
    if (::bpf_map_get_next_key(fd, previous, &next) != 0) {
      if (errno == ENOENT) break;
      return fail_errno("reading the discovery relays", errno);
    }
    networks.push_back(from_key(next));
    key = next;
    previous = &key;
  }
  std::ranges::sort(networks);
  const auto repeated = std::ranges::unique(networks);
  networks.erase(repeated.begin(), repeated.end());
  return networks;
}

Result<> add_networks(int fd, const std::vector<IpNetwork>& found,
                      const std::vector<IpNetwork>& wanted) {
  for (const IpNetwork& network : without(wanted, found)) {
    const pxe_network key = to_key(network);
    const __u8 present = 1;
    if (::bpf_map_update_elem(fd, &key, &present, BPF_ANY) != 0) {
      return fail_errno("adding the discovery relays " + network.to_string(),
                        errno);
    }
  }
  return {};
}

Result<> remove_networks(int fd, const std::vector<IpNetwork>& found,
                         const std::vector<IpNetwork>& wanted) {
  for (const IpNetwork& network : without(found, wanted)) {
    const pxe_network key = to_key(network);
    if (::bpf_map_delete_elem(fd, &key) != 0 && errno != ENOENT) {
      return fail_errno("removing the discovery relays " + network.to_string(),
                        errno);
    }
  }
  return {};
}

}  // namespace pxegate
