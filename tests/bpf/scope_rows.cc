// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

Bytes text(std::string_view text) { return {text.begin(), text.end()}; }

struct Case {
  std::string name;
  Packet packet;
  std::optional<Relay> relay{};
};
using Cases = std::vector<Case>;

DhcpOptions discover_with(std::vector<Option> options) {
  options.insert(options.begin(), message_type(1));
  return {.options = std::move(options)};
}

void add_dhcpv4(Cases& boots, Cases& others) {
  const Packet udp = Ethernet{} / Ipv4{} / Udp{};
  const auto with = [&](std::vector<Option> options) {
    return udp / Bootp{} / discover_with(std::move(options));
  };
  boots.insert(
      boots.end(),
      {{"arch_only", with({client_arch(7)})},
       {"pxeclient", with({{60, text("PXEClient")}})},
       {"pxeclient_and_more", with({{60, text("PXEClient:Arch:00000")}})},
       {"httpclient", with({{60, text("HTTPClient")}})},
       {"httpclient_and_more", with({{60, text("HTTPClient:Arch:00016")}})},
       {"pxeclient_relayed",
        udp / Bootp{.giaddr = kGiaddr} /
            discover_with({{60, text("PXEClient")}}),
        kGiaddr},
       {"pxeclient_behind_another",
        with({{60, text("MSFT 5.0")}, {60, text("PXEClient")}})},
       {"pxeclient_before_another",
        with({{60, text("PXEClient")}, {60, text("MSFT 5.0")}})},
       {"bare_ipxe", with({{77, text("iPXE")}})},
       {"ipxe_class", with({{77, text("\4iPXE")}})},
       {"first_class_of_two", with({{77, text("\4iPXE\1x")}})},
       {"option_175", with({{175, {1}}})},
       {"empty_option_175", with({{175}})},
       {"to_port_4011", Ethernet{} / Ipv4{} / Udp{.destination = 4011} /
                            Bootp{} / discover_with({})},
       {"bootp_without_options", udp / Bootp{}},
       {"bootp_of_64_zeroes", udp / Bootp{} / Raw{Bytes(64)}},
       {"bootp_with_a_cookie", udp / Bootp{} / DhcpOptions{.options = {}}},
       {"bootp_with_options",
        udp / Bootp{} / DhcpOptions{.options = {{12, text("name")}}}},
       {"message_type_0",
        udp / Bootp{} / DhcpOptions{.options = {message_type(0)}}},
       {"message_type_of_two_bytes",
        udp / Bootp{} / DhcpOptions{.options = {{53, {1, 1}}}}},
       {"overload", with({{52, {3}}})},
       {"empty_overload", with({{52}})},
       {"without_an_end",
        udp / Bootp{} /
            DhcpOptions{.options = {message_type(1)}, .end = false}},
       {"cut_off", with({{12, text("name"), 100}})},
       {"with_64_options", with(std::vector<Option>(63, {12, text("n")}))},
       {"with_63_pads", with(std::vector<Option>(63, {0}))},
       // What UDP's length leaves out was never read.
       {"with_an_end_behind_its_end", Ethernet{} / Ipv4{} /
                                          Udp{.length = 8 + 236 + 4 + 3} /
                                          Bootp{} / discover_with({})}});
  others.insert(
      others.end(),
      {{"discover", with({})},
       {"discover_relayed", udp / Bootp{.giaddr = kGiaddr} / discover_with({}),
        kGiaddr},
       {"discover_of_infiniband",
        udp / Bootp{.htype = 32, .hlen = 0} / discover_with({})},
       {"discover_of_foreign_hardware",
        udp / Bootp{.htype = 6} / discover_with({})},
       {"other_vendor", with({{60, text("MSFT 5.0")}})},
       {"pxeclien", with({{60, text("PXEClien")}})},
       {"httpclien", with({{60, text("HTTPClien")}})},
       {"pxeclient_in_the_middle", with({{60, text("x PXEClient")}})},
       {"pxeclient_in_lower_case", with({{60, text("pxeclient")}})},
       {"pxeclient_in_another_option", with({{12, text("PXEClient")}})},
       {"pxeclient_beyond_its_option",
        with({{60, text("PXE")}, {67, text("Client")}})},
       {"ipx", with({{77, text("iPX")}})},
       {"ipxe_in_the_middle", with({{77, text("\6x-iPXE")}})},
       {"option_175_behind_the_end", with({{255}, {175}})},
       {"option_175_in_another", with({{43, {175, 0}}})},
       {"with_63_options", with(std::vector<Option>(62, {12, text("n")}))},
       {"with_62_pads", with(std::vector<Option>(62, {0}))},
       {"trailer_says_pxeclient",
        Ethernet{} / Ipv4{} / Udp{.length = 8 + 236 + 4 + 4} / Bootp{} /
            discover_with({{255}, {60, text("PXEClient")}})},
       {"network_boot_behind_udps_end", [] {
          // As long as the options up to their end.
          Bytes frame =
              (Ethernet{} / Ipv4{} / Udp{} / Bootp{} / discover_with({}))
                  .bytes();
          const Bytes more = {60,  9,   'P', 'X', 'E', 'C',
                              'l', 'i', 'e', 'n', 't', 255};
          frame.insert(frame.end(), more.begin(), more.end());
          return Packet(Raw{frame});
        }()}});
}

void add_dhcpv6(Cases& boots, Cases& others) {
  const Packet udp = Ethernet{} / Ipv6{} / kUdp6;
  const RelayForward relay{.link = kLink};
  const auto with = [&](std::vector<Option6> options) {
    return udp / Dhcpv6{.options = std::move(options)};
  };
  const auto vendor = [](Bytes data) {
    Bytes value{0, 0, 1, 0x57, 0, static_cast<std::uint8_t>(data.size())};
    value.insert(value.end(), data.begin(), data.end());
    return Option6{16, std::move(value)};
  };
  boots.insert(
      boots.end(),
      {{"arch_6", with({client_arch6(7)})},
       {"dhcpv4_query", udp / Dhcpv6{.type = 20, .options = {}}},
       {"arch_6_relayed",
        udp / relay / relay / Dhcpv6{.options = {client_arch6(7)}}, kLink},
       {"empty_arch_6", with({{61}})},
       {"pxeclient_6", with({vendor(text("PXEClient"))})},
       {"httpclient_6", with({vendor(text("HTTPClient:Arch:00016"))})},
       {"ipxe_6", with({user_class6({"iPXE"})})},
       {"ipxe_6_and_another", with({user_class6({"iPXE", "x"})})},
       {"cut_off_6", with({{14, {}, 1}})},
       {"cut_off_6_relayed", udp / relay / Dhcpv6{.options = {{14, {}, 1}}},
        kLink},
       {"with_64_options_6", with(std::vector<Option6>(64, {14}))},
       {"relayed_with_62_options_6",
        udp / relay / Dhcpv6{.options = std::vector<Option6>(62, {14})},
        kLink}});
  others.insert(
      others.end(),
      {{"solicit", with({client_id6(duid_uuid())})},
       {"solicit_without_options", with({})},
       {"solicit_relayed", udp / relay / Dhcpv6{.options = {}}, kLink},
       {"pxeclien_6", with({vendor(text("PXEClien"))})},
       {"pxeclient_6_in_the_middle", with({vendor(text("x PXEClient"))})},
       {"vendor_class_of_5_bytes", with({{16, {0, 0, 1, 0x57, 0}}})},
       {"pxeclient_6_as_vendor_options", with({{17, text("PXEClient")}})},
       {"ipx_6", with({user_class6({"iPX"})})},
       {"arch_6_of_the_relay",
        [&] {
          RelayForward telling = relay;
          telling.options = {client_arch6(7)};
          return udp / telling / Dhcpv6{.options = {}};
        }(),
        kLink},
       {"arch_6_behind_udps_end", Ethernet{} / Ipv6{} /
                                      Udp{.destination = 547, .length = 8 + 4} /
                                      Dhcpv6{.options = {client_arch6(7)}}},
       {"arch_6_behind_ipv6s_end", Ethernet{} / Ipv6{.payload_length = 8 + 4} /
                                       kUdp6 /
                                       Dhcpv6{.options = {client_arch6(7)}}},
       {"with_63_options_6", with(std::vector<Option6>(63, {14}))},
       {"relayed_with_61_options_6",
        udp / relay / Dhcpv6{.options = std::vector<Option6>(61, {14})}, kLink},
       {"bytes_left_6", with({}) / Raw{{0, 61, 0}}}});
}

}  // namespace

std::vector<Row> scope_rows() {
  Cases boots;
  Cases others;
  add_dhcpv4(boots, others);
  add_dhcpv6(boots, others);
  const PolicyInForce deny_boots{.scope = PXE_SCOPE_PXE};
  // The same machine, whatever it says of itself, where all of DHCP is gated.
  const PolicyInForce allow_boots{
      .rules = {{ethernet_addr(kClientMac), PXE_ALLOW}},
      .unknown = PXE_ALLOW,
      .scope = PXE_SCOPE_PXE};
  std::vector<Row> rows;
  for (const auto& [name, packet, relay] : boots) {
    rows.push_back({"scope_pxe_of_" + name,
                    packet,
                    deny_boots,
                    denied(PXE_REASON_UNKNOWN),
                    {},
                    relay});
  }
  for (const auto& [name, packet, relay] : others) {
    rows.push_back({"scope_pxe_lets_pass_" + name,
                    packet,
                    deny_boots,
                    allowed(PXE_REASON_SCOPE),
                    {},
                    relay});
    rows.push_back(
        {"scope_of_all_has_" + name,
         packet,
         kDenyAll,
         denied(name == "discover_of_infiniband" ? PXE_REASON_NO_CLIENT_ID
                : name == "discover_of_foreign_hardware"
                    ? PXE_REASON_FOREIGN_HTYPE
                    : PXE_REASON_UNKNOWN),
         {},
         relay});
  }
  const Packet discover =
      Ethernet{} / Ipv4{} / Udp{} / Bootp{} / discover_with({});
  const Packet boot = Ethernet{} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{};
  const std::vector<Row> more{
      {"scope_pxe_of_an_allowed_machine", boot, allow_boots,
       allowed(PXE_REASON_RULE)},
      {"scope_pxe_before_a_rule",
       discover,
       {.rules = {{ethernet_addr(kClientMac), PXE_DENY}},
        .scope = PXE_SCOPE_PXE},
       allowed(PXE_REASON_SCOPE),
       Seen{.arch = PXE_NO_ARCH}},
      {"scope_pxe_of_what_is_malformed", discover / Truncate{42 + 235},
       allow_boots, kMalformed},
      {"scope_pxe_of_a_server",
       Ethernet{} / Ipv4{} / Udp{} / Bootp{.op = 2, .giaddr = kGiaddr} /
           DhcpOptions{.options = {message_type(2)}},
       {.scope = PXE_SCOPE_PXE},
       kNotOurs},
      {"scope_2_is_all", discover, {.scope = 2}, denied(PXE_REASON_UNKNOWN)},
      {"scope_255_is_all",
       discover,
       {.scope = 255},
       denied(PXE_REASON_UNKNOWN)},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace pxegate::testing
