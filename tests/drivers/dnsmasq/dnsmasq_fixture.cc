// SPDX-License-Identifier: Apache-2.0
#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace pxegate::testing {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

Bytes discover(const Mac& mac, std::uint32_t xid) {
  return (Ethernet{.source = mac} / Ipv4{} / Udp{} /
          Bootp{.xid = xid, .chaddr = {mac.begin(), mac.end()}} / DhcpOptions{})
      .bytes();
}

struct Offer {
  Mac mac;
  std::uint32_t xid;
};

// What an untagged answer of a DHCP server, without IP options, says.
std::optional<Offer> to_offer(const Bytes& frame) {
  constexpr std::size_t kUdp = 34;
  constexpr std::size_t kBootp = kUdp + 8;
  if (frame.size() < kBootp + 236 || frame[kUdp + 1] != 67) return std::nullopt;
  if (frame[kBootp] != 2) return std::nullopt;
  Offer offer{};
  for (std::size_t i = 0; i < 4; ++i) {
    offer.xid = offer.xid << 8 | frame[kBootp + 4 + i];
  }
  std::copy_n(frame.begin() + kBootp + 28, offer.mac.size(), offer.mac.begin());
  return offer;
}

std::vector<std::string> arguments(const std::string& hostsdir,
                                   const std::string& state) {
  return {"dnsmasq",
          "--conf-file=/dev/null",
          "--port=0",
          "--bind-interfaces",
          "--interface=eth1",
          "--except-interface=lo",
          "--no-ping",
          "--dhcp-authoritative",
          "--dhcp-boot=undionly.kpxe",
          "--dhcp-range=10.77.1.0,10.77.255.0,255.255.0.0,2m",
          "--dhcp-host=" + text_of(kCanary),
          "--dhcp-leasefile=" + state + "/leases",
          "--dhcp-hostsdir=" + hostsdir};
}

}  // namespace

std::string text_of(const Mac& mac) {
  return MacAddress(MacAddress::Bytes(mac)).to_string();
}

Mac machine(std::uint32_t number) {
  return {0x02,
          0x00,
          static_cast<std::uint8_t>(number >> 24),
          static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8),
          static_cast<std::uint8_t>(number)};
}

Snapshot snapshot(const PolicyRules& rules, Verdict unknown) {
  std::vector<Policy::Entry> entries;
  entries.reserve(rules.size());
  for (const auto& [mac, verdict] : rules) {
    entries.push_back({HardwareAddress(MacAddress(mac)), verdict});
  }
  return {std::make_shared<Inventory>(),
          std::make_shared<Policy>(std::move(entries), unknown)};
}

Snapshot usual(Verdict unknown) {
  return snapshot({{kDenied, kDeny}, {kAllowed, kAllow}}, unknown);
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = steady_clock::now() + 30s;
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

Dnsmasq::Dnsmasq(const std::string& hostsdir, const std::string& state) {
  std::vector<std::string> words = arguments(hostsdir, state);
  words.push_back("--keep-in-foreground");
  words.push_back("--pid-file=");
  words.push_back("--log-facility=" + state + "/log");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
}

Dnsmasq::~Dnsmasq() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Dnsmasq::signal(int number) const {
  EXPECT_EQ(::kill(pid_, number), 0);
  if (number != SIGSTOP) return;
  int status = 0;
  EXPECT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
}

Clients Clients::open() {
  auto socket = FrameSocket::open(peer_of("eth1"));
  EXPECT_THAT(socket, Succeeds());
  return Clients(std::move(*socket));
}

// The canary asks again where it got lost: dnsmasq may just be starting.
void Clients::collect_until_canary(std::set<Mac>& offered, std::uint32_t xid) {
  const auto deadline = steady_clock::now() + 60s;
  while (steady_clock::now() < deadline) {
    EXPECT_THAT(socket_.send(discover(kCanary, xid)), Succeeds());
    const auto again = steady_clock::now() + 200ms;
    while (auto frame = socket_.receive(again)) {
      const auto offer = to_offer(*frame);
      if (!offer) continue;
      if (offer->mac != kCanary) offered.insert(offer->mac);
      if (offer->mac == kCanary && offer->xid == xid) return;
    }
  }
  ADD_FAILURE() << "dnsmasq does not answer at all";
}

std::set<Mac> Clients::answered(const std::vector<Mac>& macs) {
  // Few enough for the buffer of dnsmasq's socket.
  constexpr std::size_t kAtOnce = 32;
  std::set<Mac> offered;
  collect_until_canary(offered, ++xid_);  // what others' questions brought
  offered.clear();
  for (std::size_t first = 0; first < macs.size(); first += kAtOnce) {
    const std::size_t end = std::min(first + kAtOnce, macs.size());
    for (std::size_t i = first; i < end; ++i) {
      EXPECT_THAT(socket_.send(discover(macs[i], ++xid_)), Succeeds());
    }
    collect_until_canary(offered, ++xid_);
  }
  return offered;
}

bool Clients::answers(const Bytes& frame) {
  std::set<Mac> offered;
  collect_until_canary(offered, ++xid_);
  offered.clear();
  EXPECT_THAT(socket_.send(frame), Succeeds());
  collect_until_canary(offered, ++xid_);
  return !offered.empty();
}

Sentry::Sentry(std::vector<Mac> denied, std::chrono::microseconds gap)
    : thread_([this, denied = std::move(denied),
               gap](const std::stop_token& stop) {
        auto socket = FrameSocket::open(peer_of("eth1"));
        if (!socket) {
          ADD_FAILURE() << socket.error().message();
          return;
        }
        const std::set<Mac> mine(denied.begin(), denied.end());
        for (std::size_t i = 0; !stop.stop_requested(); ++i) {
          static_cast<void>(
              socket->send(discover(denied[i % denied.size()], 0x5e000000)));
          asked_.fetch_add(1);
          const auto next = steady_clock::now() + gap;
          while (auto frame = socket->receive(next)) {
            const auto offer = to_offer(*frame);
            if (offer && mine.contains(offer->mac))
              answered_.insert(offer->mac);
          }
        }
      }) {}

Sentry::~Sentry() { static_cast<void>(stop()); }

std::set<Mac> Sentry::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  return answered_;
}

void DnsmasqTest::SetUp() {
  auto network = NetNamespace::enter();
  if (!network) GTEST_SKIP() << "needs root: " << network.error().message();
  network_.emplace(std::move(*network));
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  ASSERT_THAT(ip_command("addr add 10.77.0.1/16 dev eth1"), Succeeds());
  // dnsmasq reads it as a user of its own.
  std::filesystem::permissions(state_.path(), std::filesystem::perms(0755));
  hostsdir_ = state_ / "hosts";
}

DnsmasqTest::~DnsmasqTest() {
  if (!std::filesystem::exists(state_ / "pid")) return;
  static_cast<void>(
      SystemCommandRunner().run({.argv = {"/bin/sh", "-c", stop_command()}}));
}

DnsmasqOptions DnsmasqTest::options() const {
  DnsmasqOptions options;
  options.hostsdir = hostsdir_;
  return options;
}

std::unique_ptr<FilterDriver> DnsmasqTest::make(
    const DnsmasqOptions& options) const {
  return make_dnsmasq_driver(options, std::make_shared<SystemCommandRunner>());
}

std::unique_ptr<FilterDriver> DnsmasqTest::started(
    const Snapshot& policy, const DnsmasqOptions& options) const {
  auto driver = make(options);
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(policy), Succeeds());
  return driver;
}

Dnsmasq& DnsmasqTest::run() {
  dnsmasq_.reset();
  // Its start is known in clock ticks: so that it is after what was written.
  std::this_thread::sleep_for(25ms);
  dnsmasq_.emplace(hostsdir_, state_.path());
  static_cast<void>(answered(kCanary));  // it has read everything by then
  return *dnsmasq_;
}

bool DnsmasqTest::answered(const Mac& mac) {
  return Clients::open().answered(mac);
}

std::string DnsmasqTest::daemon_command() const {
  return fmt::format("{} --pid-file={} --log-facility={}",
                     fmt::join(arguments(hostsdir_, state_.path()), " "),
                     state_ / "pid", state_ / "log");
}

std::string DnsmasqTest::stop_command() const {
  return fmt::format("kill $(cat {0}) && rm {0}", state_ / "pid");
}

std::string DnsmasqTest::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return file ? text.str() : "(missing)";
}

void DnsmasqTest::write(const std::string& name,
                        const std::string& contents) const {
  std::filesystem::create_directory(hostsdir_);
  std::ofstream(path(name), std::ios::binary) << contents;
}

std::vector<std::string> DnsmasqTest::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(hostsdir_)) {
    std::string name = entry.path().filename();
    if (name.front() != '.') names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

DriverTarget target_of(const FilterDriver& driver) {
  const DriverStatus status = driver.status();
  EXPECT_EQ(status.targets.size(), 1U);
  return status.targets.at(0);
}

}  // namespace pxegate::testing
