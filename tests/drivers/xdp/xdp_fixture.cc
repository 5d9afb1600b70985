// SPDX-License-Identifier: Apache-2.0
#include "tests/drivers/xdp/xdp_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

namespace pxegate::testing {
namespace {

std::string fresh_pin_path() {
  static std::atomic<int> number{0};
  return fmt::format("/sys/fs/bpf/pxegate-test-{}-{}", ::getpid(), ++number);
}

}  // namespace

pxe_addr key_of(const Mac& mac) {
  pxe_addr key{};
  std::ranges::copy(mac, key.octets);
  key.htype = PXE_HTYPE_ETHERNET;
  key.hlen = static_cast<__u8>(mac.size());
  return key;
}

std::vector<Mac> sharing_bucket(const Mac& mac, std::size_t count,
                                std::uint32_t buckets) {
  const __u32 wanted = pxe_bucket_index(pxe_slot(mac.data()), buckets - 1);
  std::vector<Mac> sharing;
  for (std::uint32_t i = 10'000'000; sharing.size() < count; ++i) {
    const Mac other = machine(i);
    if (pxe_bucket_index(pxe_slot(other.data()), buckets - 1) == wanted) {
      sharing.push_back(other);
    }
  }
  return sharing;
}

UniqueFd foreign_program() {
  const std::array<bpf_insn, 2> pass = {{{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                                          .dst_reg = 0,
                                          .src_reg = 0,
                                          .off = 0,
                                          .imm = XDP_PASS},
                                         {.code = BPF_JMP | BPF_EXIT,
                                          .dst_reg = 0,
                                          .src_reg = 0,
                                          .off = 0,
                                          .imm = 0}}};
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  // As the filter: a link takes no program of another kind.
  options.expected_attach_type = BPF_XDP;
  options.prog_flags = BPF_F_XDP_HAS_FRAGS;
  return UniqueFd(::bpf_prog_load(BPF_PROG_TYPE_XDP, "other_owner", "GPL",
                                  pass.data(), pass.size(), &options));
}

std::string in_child(const std::function<std::string()>& body) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) {
    ADD_FAILURE() << "pipe";
    return {};
  }
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body();
    const ssize_t written = ::write(ends[1], said.data(), said.size());
    ::_exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  write_end.reset();
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0;
       (n = ::read(read_end.get(), buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
              (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
      << "the child ended with status " << status;
  return said;
}

void XdpTest::SetUp() {
  ::libbpf_set_print(nullptr);
  if (!foreign_program()) {
    GTEST_SKIP()
        << errno_error("no BPF here: cannot load a program", errno).message();
  }
  auto network = NetNamespace::enter();
  if (!network) GTEST_SKIP() << "no BPF here: " << network.error().message();
  network_.emplace(std::move(*network));
  pin_path_ = fresh_pin_path();
  ASSERT_THAT(add_veth("eth1"), Succeeds());
}

void XdpTest::TearDown() {
  std::error_code ignored;
  if (!pin_path_.empty()) std::filesystem::remove_all(pin_path_, ignored);
  for (const std::string& path : more_pin_paths_) {
    std::filesystem::remove_all(path, ignored);
  }
}

XdpOptions XdpTest::options(std::vector<std::string> interfaces) const {
  XdpOptions options;
  options.interfaces = std::move(interfaces);
  options.pin_path = pin_path_;
  options.max_clients = 32768;
  return options;
}

std::string XdpTest::other_pin_path() {
  more_pin_paths_.push_back(fresh_pin_path());
  return more_pin_paths_.back();
}

std::unique_ptr<FilterDriver> XdpTest::started(
    const Snapshot& policy, const XdpOptions& options) const {
  auto driver = make_xdp_driver(options);
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(policy), Succeeds());
  return driver;
}

bool XdpTest::passes(const Mac& mac, const std::string& interface) const {
  auto wire = Wire::open(interface);
  if (!wire) {
    ADD_FAILURE() << wire.error().message();
    return false;
  }
  return wire->passes(discover(mac));
}

UniqueFd XdpTest::open_pin(const std::string& path) const {
  UniqueFd fd(::bpf_obj_get(path.c_str()));
  EXPECT_TRUE(fd) << path << ": " << errno_error("open", errno).message();
  return fd;
}

std::uint32_t XdpTest::link_id(const std::string& name) const {
  const UniqueFd fd = open_pin(link_pin(name));
  bpf_link_info info{};
  __u32 size = sizeof(info);
  EXPECT_EQ(::bpf_obj_get_info_by_fd(fd.get(), &info, &size), 0);
  return info.id;
}

std::uint32_t XdpTest::program_id(const std::string& interface) const {
  const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
  bpf_xdp_query_opts query{};
  query.sz = sizeof(query);
  EXPECT_EQ(::bpf_xdp_query(index, 0, &query), 0);
  return query.prog_id;
}

std::vector<std::string> XdpTest::pins() const {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(pin_path_, error), end;
       !error && it != end; it.increment(error)) {
    if (!it->is_directory()) {
      found.push_back(
          std::filesystem::relative(it->path(), pin_path_).string());
    }
  }
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> XdpTest::all_pins(const std::string& link) {
  std::vector<std::string> all = {"links/" + link};
  for (const MapSpec& spec : kMapSpecs) {
    all.push_back(fmt::format("maps/{}", spec.pin));
  }
  std::ranges::sort(all);
  return all;
}

XdpTest::RawRules XdpTest::raw_rules() const {
  MapSet maps = MapSet::open(PinDirectory(pin_path_), kCurrentLayout).value();
  const std::size_t count = maps.max_entries(MapId::kRules).value();
  MappedArray memory =
      MappedArray::map(maps.fd(MapId::kRules), count * sizeof(pxe_bucket),
                       MappedArray::Access::kWrite)
          .value();
  const std::span<pxe_bucket> buckets(static_cast<pxe_bucket*>(memory.data()),
                                      count);
  return {std::move(maps), std::move(memory), buckets};
}

__u64* XdpTest::RawRules::find(const Mac& mac) const {
  const __u64 wanted = pxe_slot(mac.data());
  const auto mask = static_cast<__u32>(buckets.size() - 1);
  for (__u64& slot : buckets[pxe_bucket_index(wanted, mask)].slots) {
    if ((slot ^ wanted) >> PXE_SLOT_SHIFT == 0 && slot != 0) return &slot;
  }
  return nullptr;
}

__u64* XdpTest::RawRules::empty_slot(const Mac& mac) const {
  const auto mask = static_cast<__u32>(buckets.size() - 1);
  pxe_bucket& bucket = buckets[pxe_bucket_index(pxe_slot(mac.data()), mask)];
  __u64* last = &bucket.slots[PXE_BUCKET_SLOTS - 1];
  for (__u64* slot = last; slot >= bucket.slots; --slot) {
    if (*slot == 0) return slot;
  }
  ADD_FAILURE() << "the bucket is full";
  return last;
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

bool wait_woken(FilterDriver& driver) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{.fd = driver.wake_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 1000) == 1 && driver.woken()) return true;
  }
  return false;
}

DriverTarget target_of(const FilterDriver& driver, const std::string& name) {
  for (const DriverTarget& target : driver.status().targets) {
    if (target.name == name) return target;
  }
  ADD_FAILURE() << "no target " << name;
  return {};
}

}  // namespace pxegate::testing
