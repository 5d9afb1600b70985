// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

// Ethernet clients are decided without options, so these rows ask as
// InfiniBand wherever the verdict is to depend on what was read.

namespace pxegate::testing {
namespace {

constexpr std::size_t kBootpEnd = 42 + 236;

std::vector<Option> repeat(const Option& option, std::size_t times,
                           std::vector<Option> then) {
  std::vector<Option> options(times, option);
  options.insert(options.end(), then.begin(), then.end());
  return options;
}

void add_client_id(std::vector<Row>& rows) {
  const Packet bootp =
      Ethernet{} / Ipv4{} / Udp{} / Bootp{.htype = 32, .hlen = 0, .chaddr = {}};
  const PolicyInForce guid = allow_only(infiniband_addr(kGuid));
  const Expectation found = allowed(PXE_REASON_RULE);
  const Expectation absent = denied(PXE_REASON_NO_CLIENT_ID);
  const Option id = client_id(Bytes(kGuid.begin(), kGuid.end()));
  const Option other_id = client_id(Bytes(8, 0xdd));
  const Option pad{0};
  const Option end{255};
  const Option hostname{12, {'n'}};
  const Option long_one{224, Bytes(255)};
  const auto with = [&](std::vector<Option> options) {
    return bootp / DhcpOptions{.options = std::move(options)};
  };
  const std::vector<Row> more{
      {"id_behind_pads", with({pad, pad, pad, id}), guid, found},
      {"id_behind_empty_options", with({{80}, {80}, id}), guid, found},
      {"id_behind_the_end", with({end, id}), guid, absent},
      // Where an end that is read as an option has the length 0.
      {"id_behind_the_end_and_a_pad", with({end, pad, id}), guid, absent},
      {"id_without_cookie",
       bootp / DhcpOptions{.options = {id}, .cookie = false}, guid, absent},
      {"id_behind_wrong_cookie",
       bootp / Raw{{0x63, 0x82, 0x53, 0x64}} /
           DhcpOptions{.options = {id}, .cookie = false},
       guid, absent},
      {"id_without_an_end", bootp / DhcpOptions{.options = {id}, .end = false},
       guid, found},
      {"id_lacks_a_byte", with({id}) / Truncate{kBootpEnd + 4 + 2 + 7}, guid,
       absent},
      {"id_ends_the_frame", with({id}) / Truncate{kBootpEnd + 4 + 2 + 8}, guid,
       found},
      {"id_longer_than_the_frame",
       bootp / DhcpOptions{.options = {{61, id.value, 9}}, .end = false}, guid,
       absent},
      {"id_without_a_length",
       bootp / DhcpOptions{.options = {pad}, .end = false} / Raw{{61}}, guid,
       absent},
      {"id_inside_another_option",
       with({{43, {61, 8, 0, 2, 0xc9, 3, 0, 0xab, 0xcd, 0xef}}}), guid, absent},
      {"length_of_an_option_hides_the_id", with({{12, {'n'}, 50}, id}), guid,
       absent},
      {"last_id_counts", with({other_id, id}), guid, found},
      {"first_id_does_not_count", with({id, other_id}), guid,
       denied(PXE_REASON_UNKNOWN)},
      {"short_id_does_not_undo_an_id", with({id, client_id({1})}), guid, found},
      {"id_is_the_64th_option", with(repeat(hostname, 63, {id})), guid, found},
      {"id_is_the_65th_option", with(repeat(hostname, 64, {id})), guid, absent},
      {"id_behind_63_pads", with(repeat(pad, 63, {id})), guid, found},
      {"id_behind_64_pads", with(repeat(pad, 64, {id})), guid, absent},
      {"id_behind_200_options", with(repeat(hostname, 200, {id})), guid,
       absent},
      {"id_far_behind", with(repeat(long_one, 9, {id})), guid, found},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_records(std::vector<Row>& rows) {
  const Packet bootp = Ethernet{} / Ipv4{} / Udp{} / Bootp{};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const auto with = [&](std::vector<Option> options) {
    return bootp / DhcpOptions{.options = std::move(options)};
  };
  for (const std::uint8_t type : {2, 3, 4, 7, 8, 255}) {
    rows.push_back({"message_type_" + std::to_string(type),
                    with({message_type(type)}), client, by_rule,
                    Seen{.message_type = type, .arch = PXE_NO_ARCH}});
  }
  for (const std::uint16_t arch : {7, 11, 16, 0x1234, 0xfffe}) {
    rows.push_back({"arch_" + std::to_string(arch),
                    with({client_arch(arch), message_type(3)}), client, by_rule,
                    Seen{.message_type = 3, .arch = arch}});
  }
  const Seen neither{.message_type = 0, .arch = PXE_NO_ARCH};
  const std::vector<Row> more{
      {"no_options", with({}), client, by_rule, neither},
      {"end_first", with({{255}, message_type(1), client_arch(7)}), client,
       by_rule, neither},
      {"no_cookie", bootp / DhcpOptions{.cookie = false}, client, by_rule,
       neither},
      {"cookie_lacks_a_byte", with({}) / Truncate{kBootpEnd + 3}, client,
       by_rule, neither},
      {"cookie_only", with({}) / Truncate{kBootpEnd + 4}, client, by_rule,
       neither},
      {"code_without_length", with({message_type(1)}) / Truncate{kBootpEnd + 5},
       client, by_rule, neither},
      {"message_type_without_value",
       with({message_type(1)}) / Truncate{kBootpEnd + 6}, client, by_rule,
       neither},
      {"message_type_of_two_bytes", with({{53, {1, 2}}}), client, by_rule,
       neither},
      {"message_type_of_no_bytes", with({{53}}), client, by_rule, neither},
      {"arch_of_one_byte", with({{93, {7}}}), client, by_rule, neither},
      {"first_of_two_archs", with({{93, {0, 7, 0, 9}}, message_type(1)}),
       client, by_rule, Seen{.arch = 7}},
      {"arch_without_second_byte",
       with({client_arch(7)}) / Truncate{kBootpEnd + 7}, client, by_rule,
       neither},
      {"option_longer_than_the_frame",
       bootp / DhcpOptions{.options = {message_type(1), {60, {'P'}, 200}},
                           .end = false},
       client, by_rule, Seen{.arch = PXE_NO_ARCH}},
      {"unknown_options_are_passed_over",
       with({{224, Bytes(255, 53)},
             {82, {1, 2, 3}},
             message_type(8),
             client_arch(9)}),
       client, by_rule, Seen{.message_type = 8, .arch = 9}},
      {"options_up_to_the_largest_frame",
       with(repeat({224, Bytes(100, 1)}, 11, {message_type(5)})), client,
       by_rule, Seen{.message_type = 5, .arch = PXE_NO_ARCH}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Row> option_rows() {
  std::vector<Row> rows;
  add_client_id(rows);
  add_records(rows);
  return rows;
}

}  // namespace pxegate::testing
