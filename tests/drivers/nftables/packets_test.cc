// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "controller/base/text.h"
#include "tests/drivers/nftables/nftables_fixture.h"

namespace pxegate::testing {
namespace {

constexpr Mac kRelayMac{0x02, 0xaa, 0, 0, 0, 0x01};
constexpr std::uint32_t kGiaddr = ip(10, 1, 2, 3);

// How far a packet gets.
enum class Reach {
  kDropped,    // at the hook
  kKernel,     // through the hook; the kernel then delivers it to no socket
  kUdpSocket,  // to a server on port 67
};

struct Row {
  std::string name;
  std::vector<Packet> frames;
  Snapshot policy;
  Reach reach;
  std::string counted;  // "deny rule"; empty: no counter moves
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

Snapshot allow_only(const Mac& mac) { return snapshot({{mac, kAllow}}); }
Snapshot deny_only(const Mac& mac) { return snapshot({{mac, kDeny}}, kAllow); }

const Snapshot kAllowAll = snapshot({}, kAllow);
const Snapshot kDenyAll = snapshot({});

class NftablesPacketTest : public NftablesTest,
                           public ::testing::WithParamInterface<Row> {
 protected:
  // Counts what comes out of the driver's hook.
  static void observe_hook() {
    nft("table netdev observer {\n chain behind {\n"
        "type filter hook ingress device \"eth1\" priority 500; policy "
        "accept;\n"
        "meta protocol ip udp dport 9 accept\n"
        "counter comment \"seen\"\n}\n}\n");
  }
  static bool seen_behind_hook() {
    return nft("list table netdev observer").find("packets 0 ") ==
           std::string::npos;
  }
};

TEST_P(NftablesPacketTest, ReachesWhatThePolicyLetsItReach) {
  const Row& row = GetParam();
  ASSERT_THAT(ip_command("address add 10.0.0.1/24 dev eth1"), Succeeds());
  auto driver = started(row.policy);
  UdpServer server = UdpServer::open("eth1").value();
  server.arrivals();
  observe_hook();
  std::vector<Bytes> frames;
  std::ranges::transform(row.frames, std::back_inserter(frames),
                         &Packet::bytes);
  const bool received = server.receives(frames);
  EXPECT_EQ(received, row.reach == Reach::kUdpSocket);
  EXPECT_EQ(seen_behind_hook(), row.reach != Reach::kDropped);
  std::string counted;
  const auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  for (const CounterRecord& counter : seen->counters) {
    if (counter.packets == 0) continue;
    counted += fmt::format("{}{} {}", counted.empty() ? "" : ", ",
                           to_string(counter.verdict), counter.reason);
  }
  EXPECT_EQ(counted, row.counted);
}

std::vector<Row> plain_rows() {
  const Packet request = Ipv4{} / Udp{} / Bootp{} / DhcpOptions{};
  const Packet relayed =
      Ethernet{.source = kRelayMac} /
      Ipv4{.source = ip(10, 0, 0, 9), .destination = ip(10, 0, 0, 1)} /
      Udp{.source = 67} / Bootp{.hops = 1, .giaddr = kGiaddr} / DhcpOptions{};
  const Packet renewal =
      Ethernet{} /
      Ipv4{.source = ip(10, 0, 0, 9), .destination = ip(10, 0, 0, 1)} / Udp{} /
      Bootp{.ciaddr = ip(10, 0, 0, 9)} / DhcpOptions{};
  const Packet proxy =
      Ethernet{} / Ipv4{} / Udp{.destination = 4011} / Bootp{} / DhcpOptions{};
  const Packet other_port =
      Ethernet{} / Ipv4{} / Udp{.destination = 69} / Bootp{} / DhcpOptions{};
  return {
      {"allowed",
       {Ethernet{} / request},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
      {"denied",
       {Ethernet{} / request},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"unknown_allowed",
       {Ethernet{} / request},
       kAllowAll,
       Reach::kUdpSocket,
       "allow unknown"},
      {"unknown_denied",
       {Ethernet{} / request},
       kDenyAll,
       Reach::kDropped,
       "deny unknown"},
      {"relayed_allowed",
       {relayed},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
      {"relayed_denied",
       {relayed},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"the_relays_own_address_is_not_asked",
       {relayed},
       deny_only(kRelayMac),
       Reach::kUdpSocket,
       "allow unknown"},
      {"ethernet_source_is_not_the_identity",
       {Ethernet{.source = kRelayMac} / request},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"renewal_allowed",
       {renewal},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
      {"renewal_denied",
       {renewal},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"proxy_dhcp_allowed",
       {proxy},
       allow_only(kClientMac),
       Reach::kKernel,
       "allow rule"},
      {"proxy_dhcp_denied",
       {proxy},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"padded",
       {Ethernet{} / request / Pad{1400}},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"without_options",
       {Ethernet{} / Ipv4{} / Udp{} / Bootp{}},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"udp_checksum_absent",
       {Ethernet{} / Ipv4{} / Udp{.checksum = 0} / Bootp{} / DhcpOptions{}},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"to_another_port", {other_port}, kDenyAll, Reach::kKernel, ""},
      {"tcp",
       {Ethernet{} / Ipv4{.protocol = 6} / Udp{} / Bootp{}},
       kDenyAll,
       Reach::kKernel,
       ""},
      {"arp",
       {Ethernet{.type = kEtherArp} / Raw{Bytes(46)}},
       kDenyAll,
       Reach::kKernel,
       ""},
      {"ipv6",
       {Ethernet{.type = kEtherIpv6} / Raw{Bytes(80)}},
       kDenyAll,
       Reach::kKernel,
       ""},
      // Gated by the client's address, as chaddr says it.
      {"reply_for_a_denied_machine",
       {Ethernet{} / Ipv4{} / Udp{.source = 67} /
        Bootp{.op = 2, .giaddr = kGiaddr} /
        DhcpOptions{.options = {message_type(2)}}},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"reply_for_an_allowed_machine",
       {Ethernet{} / Ipv4{} / Udp{.source = 67} /
        Bootp{.op = 2, .giaddr = kGiaddr} /
        DhcpOptions{.options = {message_type(2)}}},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
  };
}

std::vector<Row> header_rows() {
  const Packet dhcp = Udp{} / Bootp{} / DhcpOptions{};
  std::vector<Row> rows;
  for (std::size_t ihl = 6; ihl <= 15; ++ihl) {
    const Packet frame =
        Ethernet{} / Ipv4{.options = Bytes((ihl - 5) * 4, 1)} / dhcp;
    rows.push_back({fmt::format("ihl_{}_allowed", ihl),
                    {frame},
                    allow_only(kClientMac),
                    Reach::kUdpSocket,
                    "allow rule"});
    rows.push_back({fmt::format("ihl_{}_denied", ihl),
                    {frame},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
  }
  // Length fields that say less than what is there: the kernel cuts there.
  for (const std::uint16_t length : {28, 60, 20 + 8 + 235}) {
    rows.push_back({fmt::format("total_length_{}", length),
                    {Ethernet{} / Ipv4{.total_length = length} / dhcp},
                    kAllowAll,
                    Reach::kDropped,
                    "deny malformed"});
  }
  for (const std::uint16_t length : {0, 7, 8, 8 + 235}) {
    rows.push_back(
        {fmt::format("udp_length_{}", length),
         {Ethernet{} / Ipv4{} / Udp{.length = length, .checksum = 0} / Bootp{} /
          DhcpOptions{}},
         kAllowAll,
         Reach::kDropped,
         "deny malformed"});
  }
  const Packet whole = Udp{} / Bootp{} / DhcpOptions{};
  const Bytes payload = (Udp{} / Bootp{} / DhcpOptions{}).bytes();
  const auto piece = [&payload](std::size_t from, std::size_t to) {
    return Raw{Bytes(payload.begin() + static_cast<std::ptrdiff_t>(from),
                     payload.begin() + static_cast<std::ptrdiff_t>(
                                           std::min(to, payload.size())))};
  };
  const auto fragments = [&piece](std::uint16_t cut) {
    return std::vector<Packet>{
        Ethernet{} / Ipv4{.id = 7, .more_fragments = true} / piece(0, cut),
        Ethernet{} /
            Ipv4{.id = 7,
                 .fragment_offset = static_cast<std::uint16_t>(cut / 8)} /
            piece(cut, 9999)};
  };
  for (const std::uint16_t cut : {8, 16, 32, 48, 240}) {
    rows.push_back({fmt::format("fragmented_after_{}", cut), fragments(cut),
                    kAllowAll, Reach::kKernel, "deny malformed"});
    auto reversed = fragments(cut);
    std::ranges::reverse(reversed);
    rows.push_back({fmt::format("fragmented_after_{}_last_first", cut),
                    reversed, allow_only(kClientMac), Reach::kKernel,
                    "deny malformed"});
  }
  rows.push_back(
      {"first_fragment_of_8_bytes_before_a_decoy",
       {Ethernet{} / Ipv4{.total_length = 28, .more_fragments = true} / whole},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"});
  rows.push_back({"fragments_of_others",
                  {Ethernet{} / Ipv4{.more_fragments = true} /
                   Udp{.destination = 69} / Raw{Bytes(64)}},
                  kDenyAll,
                  Reach::kKernel,
                  ""});
  rows.push_back({"later_fragment",
                  {Ethernet{} / Ipv4{.fragment_offset = 10} / whole},
                  kDenyAll,
                  Reach::kKernel,
                  ""});
  // The kernel refuses these, whatever the hook says.
  rows.push_back({"ihl_4",
                  {Ethernet{} / Ipv4{.ihl = 4} / whole},
                  kAllowAll,
                  Reach::kKernel,
                  ""});
  rows.push_back({"version_6",
                  {Ethernet{} / Ipv4{.version = 6} / whole},
                  kAllowAll,
                  Reach::kKernel,
                  ""});
  rows.push_back({"total_length_beyond_the_frame",
                  {Ethernet{} / Ipv4{.total_length = 1500} / whole},
                  kAllowAll,
                  Reach::kKernel,
                  ""});
  rows.push_back({"frame_ends_in_bootp",
                  {Ethernet{} / Ipv4{} / whole / Truncate{60}},
                  kAllowAll,
                  Reach::kKernel,
                  ""});
  return rows;
}

std::vector<Row> hardware_rows() {
  const auto from = [](const Bootp& bootp) {
    return std::vector<Packet>{Ethernet{} / Ipv4{} / Udp{} / bootp /
                               DhcpOptions{}};
  };
  std::vector<Row> rows;
  const std::pair<std::string, Bootp> disguises[] = {
      {"htype_0", {.htype = 0}},   {"htype_6", {.htype = 6}},
      {"htype_32", {.htype = 32}}, {"hlen_0", {.hlen = 0}},
      {"hlen_5", {.hlen = 5}},     {"hlen_16", {.hlen = 16}}};
  for (const auto& [name, bootp] : disguises) {
    rows.push_back({name + "_unknown_allowed", from(bootp), kAllowAll,
                    Reach::kUdpSocket, "allow foreign_htype"});
    rows.push_back({name + "_unknown_denied", from(bootp), kDenyAll,
                    Reach::kDropped, "deny foreign_htype"});
    // A rule names a MAC address, and this is none.
    rows.push_back({name + "_is_not_the_allowed_machine", from(bootp),
                    allow_only(kClientMac), Reach::kDropped,
                    "deny foreign_htype"});
    rows.push_back({name + "_of_a_denied_machine", from(bootp),
                    deny_only(kClientMac), Reach::kDropped, "deny rule"});
    Bootp empty = bootp;
    empty.chaddr = {};
    rows.push_back({name + "_of_a_denied_source", from(empty),
                    deny_only(kClientMac), Reach::kDropped, "deny rule"});
    empty.giaddr = kGiaddr;
    rows.push_back({name + "_relayed_by_a_denied_source", from(empty),
                    deny_only(kClientMac), Reach::kUdpSocket,
                    "allow foreign_htype"});
  }
  rows.push_back({"chaddr_of_zeroes", from({.chaddr = {}}), kAllowAll,
                  Reach::kUdpSocket, "allow unknown"});
  rows.push_back({"bytes_behind_chaddr_do_not_count",
                  from({.chaddr = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 1, 2, 3,
                                   4, 5, 6, 7, 8, 9, 10}}),
                  deny_only(kClientMac), Reach::kDropped, "deny rule"});
  return rows;
}

// This kernel has no VLAN interfaces, so what has a VLAN id goes nowhere;
// behind the hook a VLAN interface would get it.
std::vector<Row> tag_rows() {
  const Packet dhcp = Udp{} / Bootp{} / DhcpOptions{};
  const Packet request = Ipv4{} / dhcp;
  const Vlan priority{.id = 0, .priority = 7};
  const Vlan service{.id = 200, .tag = kEtherServiceVlan};
  std::vector<Row> rows;
  const std::pair<std::string, Packet> links[] = {
      {"one_tag", Ethernet{} / Vlan{.id = 100}},
      {"one_service_tag", Ethernet{} / service},
      {"two_tags", Ethernet{} / Vlan{.id = 7} / Vlan{.id = 8}},
      {"service_tag_then_tag", Ethernet{} / service / Vlan{.id = 8}},
      {"tag_then_service_tag", Ethernet{} / Vlan{.id = 8} / service},
      {"tag_then_priority_tag", Ethernet{} / Vlan{.id = 8} / priority}};
  for (const auto& [name, link] : links) {
    rows.push_back({name + "_allowed",
                    {link / request},
                    allow_only(kClientMac),
                    Reach::kKernel,
                    "allow rule"});
    rows.push_back({name + "_denied",
                    {link / request},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
    rows.push_back({name + "_unknown",
                    {link / request},
                    kAllowAll,
                    Reach::kKernel,
                    "allow unknown"});
    rows.push_back({name + "_proxy_dhcp",
                    {link / Ipv4{} / Udp{.destination = 4011} / Bootp{}},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
    rows.push_back({name + "_in_disguise",
                    {link / Ipv4{} / Udp{} / Bootp{.htype = 6} / DhcpOptions{}},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
    rows.push_back({name + "_from_a_denied_source",
                    {link / Ipv4{} / Udp{} / Bootp{.hlen = 0, .chaddr = {}}},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
    rows.push_back({name + "_first_fragment",
                    {link / Ipv4{.more_fragments = true} / dhcp},
                    kAllowAll,
                    Reach::kDropped,
                    "deny malformed"});
    rows.push_back({name + "_later_fragment",
                    {link / Ipv4{.fragment_offset = 9} / dhcp},
                    kDenyAll,
                    Reach::kKernel,
                    ""});
    rows.push_back({name + "_short_datagram",
                    {link / Ipv4{} / Udp{} / Raw{Bytes(235)} / Pad{600}},
                    kAllowAll,
                    Reach::kDropped,
                    "deny malformed"});
    rows.push_back({name + "_udp_length",
                    {link / Ipv4{} / Udp{.length = 243} / Bootp{}},
                    kAllowAll,
                    Reach::kDropped,
                    "deny malformed"});
    rows.push_back({name + "_to_another_port",
                    {link / Ipv4{} / Udp{.destination = 69} / Bootp{}},
                    kDenyAll,
                    Reach::kKernel,
                    ""});
    rows.push_back({name + "_of_tcp",
                    {link / Ipv4{.protocol = 6} / Udp{} / Bootp{}},
                    kDenyAll,
                    Reach::kKernel,
                    ""});
  }
  for (const std::size_t ihl : {6, 10, 15}) {
    const Ipv4 ipv4{.options = Bytes((ihl - 5) * 4, 1)};
    rows.push_back({fmt::format("one_tag_ihl_{}", ihl),
                    {Ethernet{} / Vlan{} / ipv4 / dhcp},
                    deny_only(kClientMac),
                    Reach::kDropped,
                    "deny rule"});
    rows.push_back({fmt::format("two_tags_ihl_{}", ihl),
                    {Ethernet{} / Vlan{} / Vlan{} / ipv4 / dhcp},
                    kAllowAll,
                    Reach::kDropped,
                    "deny malformed"});
    rows.push_back({fmt::format("two_tags_ihl_{}_to_another_port", ihl),
                    {Ethernet{} / Vlan{} / Vlan{} / ipv4 /
                     Udp{.destination = 69} / Bootp{}},
                    kDenyAll,
                    Reach::kKernel,
                    ""});
  }
  const std::vector<Row> more{
      {"two_tags_frame_ends_in_chaddr",
       {Ethernet{} / Vlan{} / Vlan{} / request / Truncate{22 + 28 + 30}},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"},
      // The kernel takes these off, and delivers.
      {"priority_tag_allowed",
       {Ethernet{} / priority / request},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
      {"priority_tag_denied",
       {Ethernet{} / priority / request},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"two_priority_tags_allowed",
       {Ethernet{} / priority / priority / request},
       allow_only(kClientMac),
       Reach::kUdpSocket,
       "allow rule"},
      {"two_priority_tags_denied",
       {Ethernet{} / priority / priority / request},
       deny_only(kClientMac),
       Reach::kDropped,
       "deny rule"},
      {"three_priority_tags",
       {Ethernet{} / priority / priority / priority / request},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"},
      {"two_tags_then_priority_tag",
       {Ethernet{} / Vlan{} / Vlan{} / priority / request},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"},
      {"priority_tag_then_two_tags",
       {Ethernet{} / priority / Vlan{} / Vlan{} / request},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"},
      {"tag_priority_tag_tag",
       {Ethernet{} / Vlan{} / priority / Vlan{} / request},
       kAllowAll,
       Reach::kDropped,
       "deny malformed"},
      // Three VLANs are not looked through, as in the XDP program.
      {"three_tags",
       {Ethernet{} / Vlan{} / Vlan{} / Vlan{} / request},
       kDenyAll,
       Reach::kKernel,
       ""},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Plain, NftablesPacketTest,
                         ::testing::ValuesIn(plain_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Headers, NftablesPacketTest,
                         ::testing::ValuesIn(header_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Hardware, NftablesPacketTest,
                         ::testing::ValuesIn(hardware_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Tags, NftablesPacketTest,
                         ::testing::ValuesIn(tag_rows()), row_name);

}  // namespace
}  // namespace pxegate::testing
