// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/pxe_program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "controller/base/fd.h"
// Uses the types of the ABI header, which it does not include.
#include <pxe_filter.skel.h>

namespace pxegate::testing {
namespace {

constexpr std::uint32_t kMaxRules = 1024;

int map_fd(const bpf_map* map) { return bpf_map__fd(map); }

template <typename Key>
std::vector<Key> keys(const bpf_map* map) {
  std::vector<Key> out;
  Key key{};
  const Key* previous = nullptr;
  while (bpf_map_get_next_key(map_fd(map), previous, &key) == 0) {
    out.push_back(key);
    previous = &out.back();
  }
  return out;
}

template <typename Key>
void delete_all(const bpf_map* map) {
  for (const Key& key : keys<Key>(map))
    EXPECT_EQ(bpf_map_delete_elem(map_fd(map), &key), 0);
}

// The verifier's complaint goes to standard error, the chatter nowhere.
int print_warnings(enum libbpf_print_level level, const char* format,
                   va_list args) {
  return level == LIBBPF_WARN ? std::vfprintf(stderr, format, args) : 0;
}

}  // namespace

std::optional<std::string> why_no_bpf() {
  // r0 = XDP_PASS; exit
  const bpf_insn program[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                               .dst_reg = 0,
                               .src_reg = 0,
                               .off = 0,
                               .imm = XDP_PASS},
                              {.code = BPF_JMP | BPF_EXIT,
                               .dst_reg = 0,
                               .src_reg = 0,
                               .off = 0,
                               .imm = 0}};
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", program,
                                  std::size(program), nullptr));
  if (!fd) {
    return errno_error(
               "no BPF here: a program of two instructions cannot be "
               "loaded (run as root)",
               errno)
        .message();
  }
  const Bytes frame(64);
  bpf_test_run_opts opts{};
  opts.sz = sizeof(opts);
  opts.data_in = frame.data();
  opts.data_size_in = static_cast<__u32>(frame.size());
  if (bpf_prog_test_run_opts(fd.get(), &opts) != 0) {
    return errno_error("no BPF here: the kernel does not run a loaded program",
                       errno)
        .message();
  }
  return std::nullopt;
}

pxe_addr ethernet_addr(const Mac& mac) {
  return raw_addr(PXE_HTYPE_ETHERNET, 6, Bytes(mac.begin(), mac.end()));
}

pxe_addr infiniband_addr(const std::array<std::uint8_t, 8>& guid) {
  return raw_addr(PXE_HTYPE_INFINIBAND, 8, Bytes(guid.begin(), guid.end()));
}

pxe_addr raw_addr(std::uint8_t htype, std::uint8_t hlen, const Bytes& chaddr) {
  pxe_addr addr{};
  std::copy_n(chaddr.begin(), std::min(chaddr.size(), sizeof(addr.octets)),
              addr.octets);
  addr.htype = htype;
  addr.hlen = hlen;
  return addr;
}

void PxeProgram::Destroy::operator()(pxe_filter* skeleton) const {
  pxe_filter__destroy(skeleton);
}

PxeProgram::PxeProgram(pxe_filter* skeleton) : skeleton_(skeleton) {}
PxeProgram::PxeProgram(PxeProgram&&) noexcept = default;
PxeProgram& PxeProgram::operator=(PxeProgram&&) noexcept = default;
PxeProgram::~PxeProgram() = default;

Result<PxeProgram> PxeProgram::load() {
  libbpf_set_print(print_warnings);
  PxeProgram program(pxe_filter__open());
  if (!program.skeleton_)
    return fail_errno("cannot open the BPF object", errno);
  bpf_map__set_max_entries(program.skeleton_->maps.rules, kMaxRules);
  if (const int error = pxe_filter__load(program.skeleton_.get()); error != 0)
    return fail_errno("cannot load the BPF object", -error);
  return program;
}

void PxeProgram::clear() {
  delete_all<pxe_addr>(skeleton_->maps.rules);
  delete_all<pxe_addr>(skeleton_->maps.clients);
  delete_all<std::uint32_t>(skeleton_->maps.relays);
  const std::vector<std::uint64_t> zeroes(
      static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t i = 0; i < PXE_COUNTERS; ++i) {
    EXPECT_EQ(bpf_map_update_elem(map_fd(skeleton_->maps.counters), &i,
                                  zeroes.data(), BPF_ANY),
              0);
  }
  set_unknown_verdict(PXE_DENY);
}

void PxeProgram::set_rule(const pxe_addr& addr, std::uint8_t verdict) {
  const pxe_rule rule{.verdict = verdict, .pad = {}};
  EXPECT_EQ(
      bpf_map_update_elem(map_fd(skeleton_->maps.rules), &addr, &rule, BPF_ANY),
      0);
}

void PxeProgram::set_unknown_verdict(std::uint8_t verdict) {
  skeleton_->data_settings->settings.unknown_verdict = verdict;
}

Result<PxeProgram::Run> PxeProgram::run(const Bytes& frame,
                                        std::optional<std::uint32_t> linear) {
  Run run{.action = XDP_ABORTED, .frame = Bytes(frame.size() + 64)};
  xdp_md context{};
  bpf_test_run_opts opts{};
  opts.sz = sizeof(opts);
  opts.data_in = frame.data();
  opts.data_size_in = static_cast<__u32>(frame.size());
  opts.data_out = run.frame.data();
  opts.data_size_out = static_cast<__u32>(run.frame.size());
  if (linear) {
    context.data_end = *linear;
    opts.ctx_in = &context;
    opts.ctx_size_in = sizeof(context);
  }
  if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.pxe_filter),
                             &opts) != 0) {
    if (linear && errno == EINVAL) {
      return fail("this kernel does not put a frame in fragments on request",
                  ErrorCode::kUnavailable);
    }
    return fail_errno(
        fmt::format("cannot run the program on {} bytes", frame.size()), errno);
  }
  run.action = opts.retval;
  run.frame.resize(opts.data_size_out);
  return run;
}

PxeProgram::Counters PxeProgram::counters() const {
  const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<std::uint64_t> values(PXE_COUNTERS * cpus);
  std::array<std::uint32_t, PXE_COUNTERS> indexes{};
  std::uint32_t position = 0;
  std::uint32_t count = PXE_COUNTERS;
  const int error =
      bpf_map_lookup_batch(map_fd(skeleton_->maps.counters), nullptr, &position,
                           indexes.data(), values.data(), &count, nullptr);
  EXPECT_TRUE(error == 0 || error == -ENOENT) << error;
  EXPECT_EQ(count, indexes.size());
  Counters sums{};
  for (std::size_t i = 0; i < PXE_COUNTERS; ++i)
    for (std::size_t cpu = 0; cpu < cpus; ++cpu)
      sums[indexes[i]] += values[i * cpus + cpu];
  return sums;
}

std::vector<std::uint64_t> PxeProgram::counter_by_cpu(
    std::uint32_t index) const {
  std::vector<std::uint64_t> values(
      static_cast<std::size_t>(libbpf_num_possible_cpus()));
  EXPECT_EQ(bpf_map_lookup_elem(map_fd(skeleton_->maps.counters), &index,
                                values.data()),
            0);
  return values;
}

std::optional<pxe_client> PxeProgram::client(const pxe_addr& addr) const {
  pxe_client client{};
  if (bpf_map_lookup_elem(map_fd(skeleton_->maps.clients), &addr, &client) != 0)
    return std::nullopt;
  return client;
}

std::optional<pxe_relay> PxeProgram::relay(std::uint32_t giaddr) const {
  const std::uint32_t key = htonl(giaddr);
  pxe_relay relay{};
  if (bpf_map_lookup_elem(map_fd(skeleton_->maps.relays), &key, &relay) != 0)
    return std::nullopt;
  return relay;
}

std::vector<std::pair<pxe_addr, pxe_client>> PxeProgram::clients() const {
  std::vector<std::pair<pxe_addr, pxe_client>> out;
  for (const auto& key : keys<pxe_addr>(skeleton_->maps.clients))
    if (const auto found = client(key)) out.emplace_back(key, *found);
  return out;
}

std::size_t PxeProgram::relay_count() const {
  return keys<std::uint32_t>(skeleton_->maps.relays).size();
}

}  // namespace pxegate::testing
