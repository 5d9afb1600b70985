// SPDX-License-Identifier: Apache-2.0
#include "tests/drivers/iptables/iptables_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <utility>

namespace pxegate::testing {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::uint16_t kMarkerPort = 6767;

// Where DHCPv6 clients find servers: ff02::1:2.
constexpr in6_addr kAllServers{
    {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2}}};

Result<UniqueFd> server_socket(int version, std::uint16_t port) {
  UniqueFd fd(::socket(version == 6 ? AF_INET6 : AF_INET,
                       SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", errno);
  const int size = 8 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  int bound = 0;
  if (version == 6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address));
    const ipv6_mreq group{kAllServers, ::if_nametoindex("eth1")};
    if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &group,
                     sizeof(group)) != 0) {
      return fail_errno("joining ff02::1:2", errno);
    }
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address));
  }
  if (bound != 0) return fail_errno("bind", errno);
  return fd;
}

void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// RFC 768 over the pseudo header of RFC 8200 section 8.1.
std::uint16_t udp6_checksum(const Bytes& addresses, const Bytes& udp) {
  std::uint32_t sum = 17 + static_cast<std::uint32_t>(udp.size());
  for (const Bytes* part : {&addresses, &udp}) {
    for (std::size_t i = 0; i < part->size(); ++i) {
      sum += i % 2 == 0 ? std::uint32_t{(*part)[i]} << 8 : (*part)[i];
    }
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

Bytes ipv6_frame(const Mac& mac, std::uint16_t port, const Bytes& payload) {
  Bytes addresses{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99};
  for (const std::uint8_t byte : kAllServers.s6_addr) addresses.push_back(byte);
  Bytes udp(8);
  put16(udp, 0, 546);
  put16(udp, 2, port);
  put16(udp, 4, static_cast<std::uint32_t>(8 + payload.size()));
  udp.insert(udp.end(), payload.begin(), payload.end());
  put16(udp, 6, udp6_checksum(addresses, udp));
  Bytes ip{0x60, 0, 0, 0, 0, 0, 17, 1};
  put16(ip, 4, static_cast<std::uint32_t>(udp.size()));
  ip.insert(ip.end(), addresses.begin(), addresses.end());
  ip.insert(ip.end(), udp.begin(), udp.end());
  const Mac multicast{0x33, 0x33, 0, 1, 0, 2};
  return (Ethernet{
              .destination = multicast, .source = mac, .type = kEtherIpv6} /
          Raw{ip})
      .bytes();
}

std::string mac_text(const Mac& mac) { return MacAddress(mac).to_string(); }

}  // namespace

const std::vector<Variant> kVariants = {
    {"nft", 4}, {"nft", 6}, {"legacy", 4}, {"legacy", 6}};

std::string variant_name(const ::testing::TestParamInfo<Variant>& info) {
  return fmt::format("{}_v{}", info.param.backend, info.param.version);
}

Result<CommandOutput> BackendRunner::run(const Command& command) {
  names_.push_back(command.argv.at(0));
  if (before) before(command);
  if (command.argv[0] == "ipset" && !with_ipset) {
    return fail("cannot run ipset", ErrorCode::kNotFound);
  }
  Command real = command;
  const std::string& name = command.argv[0];
  for (const std::string family : {"iptables", "ip6tables"}) {
    if (!name.starts_with(family)) continue;
    real.argv[0] =
        fmt::format("{}-{}{}", family, backend_, name.substr(family.size()));
  }
  return system_.run(real);
}

void IptablesTest::SetUp() {
  auto network = NetNamespace::enter();
  if (!network) GTEST_SKIP() << network.error().message();
  network_.emplace(std::move(*network));
  runner_ = std::make_shared<BackendRunner>(GetParam().backend);
  ASSERT_THAT(add_veth("eth1"), Succeeds());
}

std::unique_ptr<FilterDriver> IptablesTest::started(
    const Snapshot& policy) const {
  auto driver = make();
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(policy), Succeeds());
  runner_->take_names();
  return driver;
}

std::string IptablesTest::output_of(
    const std::vector<std::string>& argv) const {
  Command command;
  command.argv = argv;
  command.max_output = std::size_t{32} << 20;
  SystemCommandRunner system;
  auto output = system.run(command);
  if (!output) {
    ADD_FAILURE() << output.error().message();
    return {};
  }
  EXPECT_EQ(output->exit_status, 0)
      << fmt::format("{}", fmt::join(argv, " ")) << ": " << output->err;
  return output->out;
}

void IptablesTest::iptables(std::string arguments) const {
  const std::string placeholder = "{port}";
  if (const auto at = arguments.find(placeholder); at != std::string::npos) {
    arguments.replace(at, placeholder.size(), port());
  }
  std::vector<std::string> argv = {fmt::format(
      "{}-{}", v6() ? "ip6tables" : "iptables", GetParam().backend)};
  std::istringstream words(arguments);
  for (std::string word; words >> word;) argv.push_back(word);
  argv.emplace_back("-w");
  output_of(argv);
}

std::vector<std::string> IptablesTest::rules(const std::string& chain) const {
  const std::string save = fmt::format(
      "{}-{}-save", v6() ? "ip6tables" : "iptables", GetParam().backend);
  const std::string prefix = "-A " + chain + " ";
  std::vector<std::string> found;
  std::istringstream lines(output_of({save, "-t", "filter"}));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(prefix)) found.push_back(line.substr(prefix.size()));
  }
  return found;
}

bool IptablesTest::chain_exists(const std::string& chain) const {
  const std::string save = fmt::format(
      "{}-{}-save", v6() ? "ip6tables" : "iptables", GetParam().backend);
  return output_of({save, "-t", "filter"}).find("\n:" + chain + " ") !=
         std::string::npos;
}

std::string IptablesTest::foreign_state() const {
  const std::string family = v6() ? "ip6tables" : "iptables";
  std::string state;
  for (const std::string backend : {"nft", "legacy"}) {
    std::istringstream lines(
        output_of({fmt::format("{}-{}-save", family, backend)}));
    for (std::string line; std::getline(lines, line);) {
      const bool ours = line.starts_with(":gate ") ||
                        line.starts_with("-A gate ") ||
                        line.ends_with(" -j gate");
      if (!ours && !line.starts_with('#')) state += line + "\n";
    }
  }
  return state;
}

std::string IptablesTest::jump(const std::string& interface) const {
  return fmt::format(
      "-i {} -p udp {} -j gate", interface,
      v6() ? "-m udp --dport 547" : "-m multiport --dports 67,4011");
}

std::string IptablesTest::old_jump(const std::string& chain) const {
  return fmt::format("-i eth1 -p udp -m udp --dport {} -j {}", port(), chain);
}

std::string IptablesTest::rule(const Mac& mac, const std::string& target) {
  return fmt::format("-m mac --mac-source {} -j {}", mac_text(mac), target);
}

Result<DhcpWire> DhcpWire::open(int ip_version, std::uint16_t port) {
  if (port == 0) port = ip_version == 6 ? 547 : 67;
  if (ip_version == 6) {
    // NetNamespace switches it off; what the kernel then sends by itself
    // goes to other ports.
    for (const char* path : {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
                             "/proc/sys/net/ipv6/conf/eth1/disable_ipv6"}) {
      const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
      if (!file || ::write(file.get(), "0", 1) != 1) {
        return fail_errno(path, errno);
      }
    }
  }
  auto server = server_socket(ip_version, port);
  if (!server) return fail(server.error());
  auto marker = server_socket(ip_version, kMarkerPort);
  if (!marker) return fail(marker.error());
  auto far = FrameSocket::open(peer_of("eth1"));
  if (!far) return fail(far.error());
  return DhcpWire(ip_version, port, std::move(*server), std::move(*marker),
                  std::move(*far));
}

Bytes DhcpWire::frame(const Mac& mac, std::uint16_t port, Bytes payload) const {
  if (version_ == 6) return ipv6_frame(mac, port, payload);
  return (Ethernet{.source = mac} / Ipv4{} / Udp{.destination = port} /
          Raw{std::move(payload)})
      .bytes();
}

// The server is told who sent by the payload.
Bytes DhcpWire::request(const Mac& mac) const {
  return frame(mac, port_, Bytes(mac.begin(), mac.end()));
}

bool DhcpWire::passes(const Mac& mac) {
  settle();  // the wire works from here on
  arrived(mac);
  auto sent = far_.send(request(mac));
  EXPECT_TRUE(sent) << sent.error().message();
  settle();
  return arrived(mac) > 0;
}

// Returns when everything that was sent before has arrived or is gone.
void DhcpWire::settle() {
  const Bytes marker{++number_};
  const auto deadline = steady_clock::now() + 10s;
  while (steady_clock::now() < deadline) {
    auto sent = far_.send(frame(kClientMac, kMarkerPort, marker));
    EXPECT_TRUE(sent) << sent.error().message();
    pollfd waiting{.fd = marker_.get(), .events = POLLIN, .revents = 0};
    while (::poll(&waiting, 1, 100) > 0) {
      std::uint8_t got = 0;
      if (::recv(marker_.get(), &got, 1, 0) == 1 && got == number_) return;
    }
  }
  ADD_FAILURE() << "the marker did not arrive";
}

std::size_t DhcpWire::arrived(const Mac& mac) {
  std::size_t count = 0;
  Mac from{};
  while (::recv(server_.get(), from.data(), from.size(), 0) > 0) {
    if (from == mac) ++count;
  }
  return count;
}

}  // namespace pxegate::testing
