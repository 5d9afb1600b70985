// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sysfs_neighbours.h"

#include <fmt/format.h>

#include "controller/base/fd.h"
#include "controller/base/log.h"

namespace pxegate {
namespace {

// A line is 80 bytes: no fabric is that large.
constexpr std::size_t kMaxFile = std::size_t{16} << 20;

}  // namespace

SysfsNeighbours::SysfsNeighbours(const std::vector<std::string>& interfaces,
                                 std::string root) {
  for (const std::string& name : interfaces) {
    interfaces_.push_back(
        {fmt::format("{}/class/net/{}/eth/neighs", root, name), {}, {}});
  }
}

EthernetNeighbours SysfsNeighbours::read() {
  EthernetNeighbours all;
  for (Interface& interface : interfaces_) {
    read(interface);
    all.insert(interface.last.begin(), interface.last.end());
  }
  return all;
}

void SysfsNeighbours::read(Interface& interface) {
  const auto text = read_file(interface.path, kMaxFile);
  if (!text && text.error().code() != ErrorCode::kNotFound) {
    const std::string problem = fmt::format(
        "cannot read Ethernet over InfiniBand neighbours: {}; the last known "
        "ones of that interface stay ({})",
        text.error().message(), interface.last.size());
    if (problem != interface.problem) log::warning("{}", problem);
    interface.problem = problem;
    return;
  }
  if (!interface.problem.empty()) {
    log::info("{} can be read again", interface.path);
    interface.problem.clear();
  }
  interface.last =
      text ? parse_ethernet_neighbours(*text) : EthernetNeighbours();
}

std::vector<std::string> SysfsNeighbours::problems() const {
  std::vector<std::string> problems;
  for (const Interface& interface : interfaces_) {
    if (!interface.problem.empty()) problems.push_back(interface.problem);
  }
  return problems;
}

}  // namespace pxegate
