// SPDX-License-Identifier: Apache-2.0
#include "tests/captures/capture.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "controller/base/mac_address.h"
#include "tests/bpf/pxe_program.h"

namespace pxegate::testing {
namespace {

using Types = std::map<std::string, std::uint8_t>;

// What a client sends: RFC 2132 9.6, RFC 8415 7.3.
const Types kDhcpv4Types{
    {"DISCOVER", 1}, {"REQUEST", 3}, {"DECLINE", 4},
    {"RELEASE", 7},  {"INFORM", 8},
};
const Types kDhcpv6Types{
    {"SOLICIT", 1}, {"REQUEST", 3}, {"CONFIRM", 4}, {"RENEW", 5},
    {"REBIND", 6},  {"RELEASE", 8}, {"DECLINE", 9}, {"INFORMATION-REQUEST", 11},
};

std::optional<pxe_ip> parse_ip(const std::string& text) {
  pxe_ip ip{};
  if (inet_pton(AF_INET6, text.c_str(), ip.octets) == 1) return ip;
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) != 1) return std::nullopt;
  return mapped_ip(ntohl(v4.s_addr));
}

std::optional<std::uint16_t> parse_number(const std::string& text) {
  std::uint16_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return number;
}

std::optional<Mac> parse_mac(const std::string& text) {
  const auto mac = MacAddress::parse(text);
  if (!mac) return std::nullopt;
  return mac->bytes();
}

Failure bad(const std::string& what, const std::string& text) {
  return fail("no " + what + ": '" + text + "'", ErrorCode::kInvalid);
}

// Behind the message type and the client: pairs of a name and a value.
Result<> read_attributes(std::istream& words, CapturedRequest& request) {
  std::string name, value;
  while (words >> name) {
    words >> value;
    const auto number = parse_number(value);
    if (name == "relay") {
      request.relay = parse_ip(value);
      if (!request.relay) return bad("IP address", value);
    } else if (name == "also") {
      request.also = parse_mac(value);
      if (!request.also) return bad("MAC address", value);
    } else if (name == "arch") {
      if (!number) return bad("architecture", value);
      request.arch = *number;
    } else if (name == "vlan") {
      if (!number) return bad("VLAN id", value);
      request.vlan = number;
    } else {
      return bad("such attribute", name);
    }
  }
  return {};
}

Result<CapturedRequest> read_request(std::istream& words) {
  CapturedRequest request{};
  std::string protocol, type, client;
  words >> protocol >> type >> client;
  if (protocol != "DHCPv4" && protocol != "DHCPv6")
    return bad("protocol", protocol);
  request.ip_version = protocol == "DHCPv4" ? 4 : 6;
  const Types& types = request.ip_version == 4 ? kDhcpv4Types : kDhcpv6Types;
  const auto found = types.find(type);
  if (found == types.end()) return bad("message type of a client", type);
  request.message_type = found->second;
  if (client != "nobody") {
    request.client = parse_mac(client);
    if (!request.client) return bad("MAC address", client);
  }
  if (const auto read = read_attributes(words, request); !read)
    return fail(read.error());
  return request;
}

Result<std::vector<Bytes>> read_pcap(const std::filesystem::path& path) {
  // The pcap format, draft-ietf-opsawg-pcap: two headers of 32-bit fields.
  constexpr std::uint32_t kMagic = 0xa1b2c3d4;
  constexpr std::uint32_t kEthernet = 1;
  struct {
    std::uint32_t magic;
    std::uint16_t major, minor;
    std::uint32_t reserved[2], snapshot, link_type;
  } header{};
  struct {
    std::uint32_t seconds, fraction, captured, original;
  } record{};
  std::ifstream file(path, std::ios::binary);
  const Bytes data(std::istreambuf_iterator<char>(file), {});
  if (data.size() < sizeof(header)) return fail("not a pcap");
  std::memcpy(&header, data.data(), sizeof(header));
  if (header.magic != kMagic || header.link_type != kEthernet)
    return fail("not a classic pcap of Ethernet in this byte order");
  std::vector<Bytes> frames;
  for (std::size_t at = sizeof(header); at < data.size();) {
    if (data.size() - at < sizeof(record)) return fail("cut off");
    std::memcpy(&record, data.data() + at, sizeof(record));
    at += sizeof(record);
    if (record.captured != record.original) return fail("a frame is cut off");
    if (data.size() - at < record.captured) return fail("cut off");
    frames.emplace_back(data.data() + at, data.data() + at + record.captured);
    at += record.captured;
  }
  return frames;
}

Result<std::vector<CapturedFrame>> read_rows(
    const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return fail("no such file");
  std::vector<CapturedFrame> frames;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    auto frame = parse_row(line);
    if (!frame) return fail(frame.error().within(line));
    const auto number = std::to_string(frames.size() + 1);
    if (line.compare(0, number.size() + 1, number + " ") != 0)
      return fail(Error("this should be row " + number).within(line));
    frames.push_back(std::move(*frame));
  }
  return frames;
}

}  // namespace

Result<CapturedFrame> parse_row(const std::string& row) {
  CapturedFrame frame{.bytes = {}, .row = row};
  std::istringstream words(row.substr(0, row.find(" #")));
  std::string number, kind;
  words >> number >> kind;
  if (!parse_number(number)) return bad("number", number);
  if (kind == "request") {
    auto request = read_request(words);
    if (!request) return fail(request.error());
    frame.request = *request;
  } else if (kind != "reply" && kind != "other") {
    return bad("kind of frame", kind);
  }
  return frame;
}

Result<std::vector<CapturedFrame>> read_capture(
    const std::filesystem::path& pcap) {
  auto bytes = read_pcap(pcap);
  if (!bytes) return fail(bytes.error().within(pcap.string()));
  const auto text = std::filesystem::path(pcap).replace_extension(".txt");
  auto frames = read_rows(text);
  if (!frames) return fail(frames.error().within(text.string()));
  if (frames->size() != bytes->size()) {
    return fail(text.string() + " has " + std::to_string(frames->size()) +
                " rows, " + pcap.string() + " has " +
                std::to_string(bytes->size()) + " frames");
  }
  for (std::size_t i = 0; i < bytes->size(); ++i)
    (*frames)[i].bytes = std::move((*bytes)[i]);
  return frames;
}

}  // namespace pxegate::testing
