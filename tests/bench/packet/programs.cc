// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/packet/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <utility>

#include "packet_bench.skel.h"
#include "tests/bench/packet/figures.h"
#include "tests/bench/packet/packet_bench_abi.h"

namespace pxegate::bench {
namespace {

using testing::Mac;

constexpr char kXdpFilterObject[] = "bpf/xdpfilt_alw_eth.o";
constexpr char kXdpFilterProgram[] = "xdpfilt_alw_eth";
// Of xdp-tools' xdp-filter/common_kern_user.h: match the source address.
constexpr std::uint64_t kMatchSource = 1;

// A denied machine in the prototypes' maps: the value is not looked at.
Result<> deny_in(bpf_map* map, const std::vector<Mac>& machines) {
  const int fd = bpf_map__fd(map);
  const __u32 denied = 1;
  for (const Mac& mac : machines) {
    bench_addr key{};
    std::ranges::copy(mac, key.octets);
    key.htype = 1;
    key.hlen = static_cast<__u8>(mac.size());
    if (::bpf_map_update_elem(fd, &key, &denied, BPF_ANY) != 0) {
      return fail_errno(bpf_map__name(map), errno);
    }
  }
  return {};
}

}  // namespace

void BenchPrograms::Destroy::operator()(packet_bench* skeleton) const {
  packet_bench__destroy(skeleton);
}

Result<BenchPrograms> BenchPrograms::load() {
  packet_bench* skeleton = packet_bench__open_and_load();
  if (skeleton == nullptr) {
    return fail_errno("loading the benchmark's own BPF programs", errno);
  }
  return BenchPrograms(skeleton);
}

int BenchPrograms::bare_pass() const {
  return bpf_program__fd(skeleton_->progs.bare_pass);
}
int BenchPrograms::bare_drop() const {
  return bpf_program__fd(skeleton_->progs.bare_drop);
}
int BenchPrograms::prototype_ready() const {
  return bpf_program__fd(skeleton_->progs.prototype_ready);
}
int BenchPrograms::prototype_lazy() const {
  return bpf_program__fd(skeleton_->progs.prototype_lazy);
}
int BenchPrograms::flood() const {
  return bpf_program__fd(skeleton_->progs.flood);
}

Result<> BenchPrograms::deny(const std::vector<Mac>& machines) {
  if (auto done = deny_in(skeleton_->maps.ready_rules, machines); !done) {
    return done;
  }
  return deny_in(skeleton_->maps.lazy_rules, machines);
}

Result<std::uint64_t> BenchPrograms::denied() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting CPUs", -cpus);
  std::vector<__u64> counts(static_cast<std::size_t>(cpus));
  const __u32 zero = 0;
  if (::bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.prototype_denied),
                            &zero, counts.data()) != 0) {
    return fail_errno("prototype_denied", errno);
  }
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Result<> BenchPrograms::aim(std::uint32_t slot, int program) {
  if (::bpf_map_update_elem(bpf_map__fd(skeleton_->maps.targets), &slot,
                            &program, BPF_ANY) != 0) {
    return fail_errno("making a program the target of a tail call", errno);
  }
  return {};
}

int BenchPrograms::shuffle(std::uint32_t slot, std::uint32_t first,
                           std::uint32_t count) {
  // Near the golden section, so that neighbours in time are far apart.
  auto step = static_cast<std::uint32_t>(0.618 * count);
  while (step > 1 && std::gcd(step, count) != 1) --step;
  if (step == 0) step = 1;
  skeleton_->bss->shuffle_target = slot;
  skeleton_->bss->shuffle_first = first;
  skeleton_->data->shuffle_count = count;
  skeleton_->data->shuffle_step = step;
  skeleton_->bss->shuffle_position = 0;
  return bpf_program__fd(skeleton_->progs.shuffle);
}

void BenchPrograms::set_flood_interface(unsigned ifindex) {
  skeleton_->bss->flood_ifindex = ifindex;
}

void XdpFilter::Close::operator()(bpf_object* object) const {
  bpf_object__close(object);
}

Result<XdpFilter> XdpFilter::load(const std::vector<Mac>& denied) {
  const std::string path =
      fmt::format("{}/{}", PXEGATE_BENCH_LIBDIR, kXdpFilterObject);
  // It has sections for libxdp, which libbpf would remark upon.
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  bpf_object* opened = bpf_object__open_file(path.c_str(), nullptr);
  const int error = errno;
  libbpf_set_print(print);
  if (opened == nullptr) {
    return fail(fmt::format("{}: {}; it is in the package xdp-tools", path,
                            errno_error("open", error).message()),
                ErrorCode::kNotFound);
  }
  XdpFilter filter(opened, -1);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, opened) {
    // xdp-filter shares its maps by pinning them; here each has its own.
    if (bpf_map__set_pin_path(map, nullptr) != 0) {
      return fail_errno(bpf_map__name(map), errno);
    }
  }
  bpf_program* program =
      bpf_object__find_program_by_name(opened, kXdpFilterProgram);
  map = bpf_object__find_map_by_name(opened, "filter_ethernet");
  if (program == nullptr || map == nullptr) {
    return fail(path + " holds another program or map than expected");
  }
  if (const int failed = bpf_object__load(opened); failed != 0) {
    return fail_errno(path, -failed);
  }
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting CPUs", -cpus);
  const std::vector<std::uint64_t> flags(static_cast<std::size_t>(cpus),
                                         kMatchSource);
  for (const Mac& mac : denied) {
    if (::bpf_map_update_elem(bpf_map__fd(map), mac.data(), flags.data(),
                              BPF_ANY) != 0) {
      return fail_errno("filter_ethernet", errno);
    }
  }
  filter.program_ = bpf_program__fd(program);
  return filter;
}

Result<UniqueFd> attach(int program, const std::string& interface,
                        bool native) {
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno(interface, errno);
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  UniqueFd link(::bpf_link_create(program, index, BPF_XDP, &options));
  if (!link) return fail_errno("attaching to " + interface, errno);
  return link;
}

Result<UniqueFd> program_of(const std::string& interface) {
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (index == 0) return fail_errno(interface, errno);
  bpf_xdp_query_opts query{};
  query.sz = sizeof(query);
  if (const int error = ::bpf_xdp_query(index, 0, &query); error != 0) {
    return fail_errno("asking what XDP program runs on " + interface, -error);
  }
  UniqueFd program(::bpf_prog_get_fd_by_id(query.prog_id));
  if (!program) return fail_errno("the XDP program of " + interface, errno);
  return program;
}

Result<TestRun> test_run(int program, const testing::Bytes& frame,
                         std::uint32_t repeat) {
  std::array<std::uint8_t, 2048> after{};
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.data_out = after.data();
  options.data_size_out = static_cast<__u32>(after.size());
  options.repeat = static_cast<int>(repeat);
  const double began = thread_cpu_ns();
  if (::bpf_prog_test_run_opts(program, &options) != 0) {
    return fail_errno("running a program on a frame", errno);
  }
  return TestRun{.cpu_ns = thread_cpu_ns() - began, .verdict = options.retval};
}

Mac machine(std::uint32_t number) {
  return {BENCH_MAC_PREFIX, static_cast<std::uint8_t>(number >> 24),
          static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8),
          static_cast<std::uint8_t>(number)};
}

std::vector<Mac> machines(std::uint32_t count) {
  std::vector<Mac> all(count);
  for (std::uint32_t i = 0; i < count; ++i) all[i] = machine(i);
  return all;
}

}  // namespace pxegate::bench
