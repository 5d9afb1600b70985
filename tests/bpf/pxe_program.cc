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
#include <cstring>
#include <iterator>
#include <memory>

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

template <typename Key, typename Value>
void update(const bpf_map* map, const Key& key, const Value& value) {
  EXPECT_EQ(bpf_map_update_elem(map_fd(map), &key, &value, BPF_ANY), 0);
}

int take_event(void* taken, void* data, std::size_t size) {
  EXPECT_EQ(size, sizeof(pxe_event));
  pxe_event event{};
  std::memcpy(&event, data, sizeof(event));
  static_cast<std::vector<pxe_event>*>(taken)->push_back(event);
  return 0;
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

pxe_ip mapped_ip(std::uint32_t ip) {
  pxe_ip mapped{};
  mapped.octets[10] = 0xff;
  mapped.octets[11] = 0xff;
  const std::uint32_t network_order = htonl(ip);
  std::memcpy(mapped.octets + 12, &network_order, sizeof(network_order));
  return mapped;
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
  bpf_map__set_max_entries(program.skeleton_->maps.rules, kBuckets);
  program.skeleton_->rodata->bucket_mask = kBuckets - 1;
  bpf_map__set_max_entries(program.skeleton_->maps.more_rules, kMaxRules);
  if (const int error = pxe_filter__load(program.skeleton_.get()); error != 0)
    return fail_errno("cannot load the BPF object", -error);
  return program;
}

void PxeProgram::clear() {
  clear_policy();
  delete_all<pxe_addr>(skeleton_->maps.clients);
  delete_all<pxe_ip>(skeleton_->maps.relays);
  clear_counters();
  for (std::uint32_t place = 0; place <= PXE_TRAFFIC_PLACES; ++place) {
    occupy_traffic(place, 0);
  }
  std::ranges::fill(skeleton_->bss->new_unknown_tat_ns, 0);
  std::ranges::fill(skeleton_->bss->new_relay_tat_ns, 0);
  std::ranges::fill(skeleton_->bss->unknown_record_tat_ns, 0);
  std::ranges::fill(skeleton_->bss->relay_record_tat_ns, 0);
  events();
}

void PxeProgram::clear_policy() {
  const pxe_bucket empty{};
  for (const std::uint32_t bucket : used_buckets_)
    update(skeleton_->maps.rules, bucket, empty);
  used_buckets_.clear();
  delete_all<pxe_addr>(skeleton_->maps.more_rules);
  delete_all<pxe_network>(skeleton_->maps.discovery_relays);
  pxe_settings fresh{};
  fresh.abi_version = PXE_ABI_VERSION;
  std::memcpy(&skeleton_->data_settings->settings, &fresh, sizeof(fresh));
}

void PxeProgram::clear_counters() {
  const std::vector<pxe_counters> zeroes(
      static_cast<std::size_t>(libbpf_num_possible_cpus()));
  update(skeleton_->maps.counters, std::uint32_t{0}, zeroes[0]);
}

void PxeProgram::occupy_traffic(std::uint32_t place, std::uint32_t ifindex) {
  pxe_traffic other{};
  other.ifindex = ifindex;
  const std::vector<pxe_traffic> all(
      static_cast<std::size_t>(libbpf_num_possible_cpus()), other);
  update(skeleton_->maps.traffic, place, all[0]);
}

std::vector<pxe_traffic> PxeProgram::traffic() const {
  std::vector<pxe_traffic> found;
  std::vector<pxe_traffic> values(
      static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (std::uint32_t place = 0; place <= PXE_TRAFFIC_PLACES; ++place) {
    EXPECT_EQ(bpf_map_lookup_elem(map_fd(skeleton_->maps.traffic), &place,
                                  values.data()),
              0);
    std::ranges::copy_if(values, std::back_inserter(found),
                         [](const pxe_traffic& value) {
                           const pxe_traffic none{};
                           return std::memcmp(&value, &none, sizeof(none)) != 0;
                         });
  }
  return found;
}

void PxeProgram::set_rule(const pxe_addr& addr, std::uint8_t verdict) {
  if (addr.htype == PXE_HTYPE_ETHERNET && addr.hlen == 6) {
    const std::uint64_t slot = pxe_slot(addr.octets);
    const std::uint32_t index = pxe_bucket_index(slot, kBuckets - 1);
    const std::uint64_t flags = verdict == PXE_DENY ? PXE_SLOT_RULE
                                : verdict == PXE_ALLOW
                                    ? PXE_SLOT_RULE | PXE_SLOT_ALLOW
                                    : verdict & ~PXE_SLOT_OVERFLOW;
    pxe_bucket bucket{};
    EXPECT_EQ(
        bpf_map_lookup_elem(map_fd(skeleton_->maps.rules), &index, &bucket), 0);
    for (std::size_t i = 0; i < PXE_BUCKET_SLOTS; ++i) {
      const std::uint64_t there = bucket.slots[i];
      const bool same = (there ^ slot) >> PXE_SLOT_SHIFT == 0;
      if (!same && (there & ~std::uint64_t{PXE_SLOT_OVERFLOW}) != 0) continue;
      set_slot(index, i,
               (slot & ~std::uint64_t{PXE_SLOT_FLAGS}) | flags |
                   (there & PXE_SLOT_OVERFLOW));
      return;
    }
    set_slot(index, 0, bucket.slots[0] | PXE_SLOT_OVERFLOW);
  }
  update(skeleton_->maps.more_rules, addr,
         pxe_rule{.verdict = verdict, .pad = {}});
}

void PxeProgram::set_slot(std::uint32_t bucket, std::size_t slot,
                          std::uint64_t value) {
  pxe_bucket contents{};
  EXPECT_EQ(
      bpf_map_lookup_elem(map_fd(skeleton_->maps.rules), &bucket, &contents),
      0);
  contents.slots[slot] = value;
  update(skeleton_->maps.rules, bucket, contents);
  used_buckets_.push_back(bucket);
}

void PxeProgram::set_unknown_verdict(std::uint8_t verdict) {
  settings().unknown_verdict = verdict;
}

volatile pxe_settings& PxeProgram::settings() {
  return skeleton_->data_settings->settings;
}

void PxeProgram::add_discovery_relay(const pxe_network& network) {
  update(skeleton_->maps.discovery_relays, network, std::uint8_t{1});
}

Result<void> PxeProgram::run(const Bytes& frame,
                             std::optional<std::uint32_t> linear,
                             bpf_test_run_opts& opts) {
  xdp_md context{};
  opts.sz = sizeof(opts);
  opts.data_in = frame.data();
  opts.data_size_in = static_cast<__u32>(frame.size());
  if (linear) {
    context.data_end = *linear;
    opts.ctx_in = &context;
    opts.ctx_size_in = sizeof(context);
  }
  if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.pxe_filter),
                             &opts) == 0) {
    return {};
  }
  if (linear && errno == EINVAL) {
    return fail("this kernel does not put a frame in fragments on request",
                ErrorCode::kUnavailable);
  }
  return fail_errno(
      fmt::format("cannot run the program on {} bytes", frame.size()), errno);
}

Result<PxeProgram::Run> PxeProgram::run(const Bytes& frame,
                                        std::optional<std::uint32_t> linear) {
  Run run{.action = XDP_ABORTED, .frame = Bytes(frame.size() + 64)};
  bpf_test_run_opts opts{};
  opts.data_out = run.frame.data();
  opts.data_size_out = static_cast<__u32>(run.frame.size());
  if (auto result = this->run(frame, linear, opts); !result)
    return fail(result.error());
  run.action = opts.retval;
  run.frame.resize(opts.data_size_out);
  return run;
}

Result<std::uint32_t> PxeProgram::verdict(const Bytes& frame,
                                          std::optional<std::uint32_t> linear) {
  bpf_test_run_opts opts{};
  if (auto result = run(frame, linear, opts); !result)
    return fail(result.error());
  return opts.retval;
}

PxeProgram::Counters PxeProgram::counters() const {
  Counters sums{};
  for (const pxe_counters& cpu : counters_by_cpu())
    for (std::uint32_t verdict = 0; verdict < PXE_VERDICTS; ++verdict)
      for (std::uint32_t reason = 0; reason < PXE_REASONS; ++reason)
        sums[counter_index(verdict, reason)] += cpu.packets[verdict][reason];
  return sums;
}

std::vector<pxe_counters> PxeProgram::counters_by_cpu() const {
  std::vector<pxe_counters> values(
      static_cast<std::size_t>(libbpf_num_possible_cpus()));
  const std::uint32_t first = 0;
  EXPECT_EQ(bpf_map_lookup_elem(map_fd(skeleton_->maps.counters), &first,
                                values.data()),
            0);
  return values;
}

std::vector<pxe_event> PxeProgram::events() {
  std::vector<pxe_event> taken;
  const std::unique_ptr<ring_buffer, void (*)(ring_buffer*)> ring(
      ring_buffer__new(map_fd(skeleton_->maps.events), take_event, &taken,
                       nullptr),
      ring_buffer__free);
  EXPECT_TRUE(ring);
  if (ring) {
    EXPECT_GE(ring_buffer__consume(ring.get()), 0);
  }
  return taken;
}

std::optional<pxe_client> PxeProgram::client(const pxe_addr& addr) const {
  pxe_client client{};
  if (bpf_map_lookup_elem(map_fd(skeleton_->maps.clients), &addr, &client) != 0)
    return std::nullopt;
  return client;
}

std::optional<pxe_relay> PxeProgram::relay(const pxe_ip& ip) const {
  pxe_relay relay{};
  if (bpf_map_lookup_elem(map_fd(skeleton_->maps.relays), &ip, &relay) != 0)
    return std::nullopt;
  return relay;
}

std::vector<std::pair<pxe_addr, pxe_client>> PxeProgram::clients() const {
  std::vector<std::pair<pxe_addr, pxe_client>> out;
  for (const auto& key : keys<pxe_addr>(skeleton_->maps.clients))
    if (const auto found = client(key)) out.emplace_back(key, *found);
  return out;
}

void PxeProgram::forget(const pxe_addr& addr) {
  bpf_map_delete_elem(map_fd(skeleton_->maps.clients), &addr);
}

void PxeProgram::forget(const pxe_ip& relay) {
  bpf_map_delete_elem(map_fd(skeleton_->maps.relays), &relay);
}

std::size_t PxeProgram::relay_count() const {
  return keys<pxe_ip>(skeleton_->maps.relays).size();
}

}  // namespace pxegate::testing
