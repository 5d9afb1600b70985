// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/set_dump.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

using ByteSpan = std::span<const std::uint8_t>;

constexpr timeval kAnswerTimeout{.tv_sec = 10, .tv_usec = 0};
constexpr std::size_t kAddressBytes = 6;

// A structure at the front of `bytes`; zeroes where it is not all there.
template <typename T>
T front_of(ByteSpan bytes) {
  T value{};
  if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

struct Attribute {
  std::uint16_t type = 0;
  ByteSpan payload;
};

// Takes an attribute off the front of `bytes`; nullopt: there is none.
std::optional<Attribute> take_attribute(ByteSpan& bytes) {
  const auto header = front_of<nlattr>(bytes);
  if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) {
    return std::nullopt;
  }
  const Attribute attribute{
      static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
      bytes.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN)};
  bytes = bytes.subspan(
      std::min<std::size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  return attribute;
}

// One element; nullopt where it is more, or less, than an address.
std::optional<std::uint64_t> address_in(ByteSpan element) {
  std::optional<std::uint64_t> address;
  while (auto attribute = take_attribute(element)) {
    if (attribute->type != NFTA_SET_ELEM_KEY) return std::nullopt;
    const auto value = take_attribute(attribute->payload);
    if (!value || value->type != NFTA_DATA_VALUE ||
        value->payload.size() != kAddressBytes) {
      return std::nullopt;
    }
    std::uint64_t number = 0;
    for (const std::uint8_t byte : value->payload) number = number << 8 | byte;
    address = number;
  }
  return address;
}

struct Dump {
  std::vector<std::uint64_t> addresses = {};
  bool plain = true;  // nothing but addresses

  bool operator==(const Dump&) const = default;
};

void read_elements(ByteSpan message, Dump& dump) {
  message = message.subspan(std::min(sizeof(nfgenmsg), message.size()));
  while (const auto list = take_attribute(message)) {
    if (list->type != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    ByteSpan elements = list->payload;
    while (const auto element = take_attribute(elements)) {
      const auto address = address_in(element->payload);
      dump.plain = dump.plain && address.has_value();
      if (address) dump.addresses.push_back(*address);
    }
  }
}

// Reads what one recv() gave; true: the dump is complete.
Result<bool> read_messages(ByteSpan bytes, Dump& dump) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto header = front_of<nlmsghdr>(bytes);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > bytes.size()) {
      break;
    }
    const ByteSpan message =
        bytes.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
      const int error = -front_of<int>(message);
      if (error == ENOENT) return fail("it is missing", ErrorCode::kNotFound);
      if (error == EPERM) {
        return fail("CAP_NET_ADMIN is needed in this network namespace",
                    ErrorCode::kPermission);
      }
      if (error != 0) return fail(std::strerror(error));
      return true;
    }
    read_elements(message, dump);
    bytes = bytes.subspan(
        std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
  if (!bytes.empty()) return fail("an answer of nftables is cut off");
  return false;
}

void put_string(std::vector<std::uint8_t>& request, std::uint16_t type,
                std::string_view text) {
  const nlattr header{static_cast<std::uint16_t>(NLA_HDRLEN + text.size() + 1),
                      type};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  request.insert(request.end(), bytes, bytes + sizeof(header));
  request.insert(request.end(), text.begin(), text.end());
  request.resize(NLMSG_ALIGN(request.size() + 1));
}

std::vector<std::uint8_t> request_for(const std::string& table,
                                      std::string_view set) {
  std::vector<std::uint8_t> request(NLMSG_LENGTH(sizeof(nfgenmsg)));
  put_string(request, NFTA_SET_ELEM_LIST_TABLE, table);
  put_string(request, NFTA_SET_ELEM_LIST_SET, set);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(request.size());
  header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::memcpy(request.data(), &header, sizeof(header));
  const nfgenmsg message{NFPROTO_NETDEV, NFNETLINK_V0, 0};
  std::memcpy(request.data() + NLMSG_HDRLEN, &message, sizeof(message));
  return request;
}

Result<Dump> dump_once(const std::vector<std::uint8_t>& request) {
  const UniqueFd socket(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) return fail_errno("netlink socket for nftables", errno);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
               sizeof(kAnswerTimeout));
  if (::send(socket.get(), request.data(), request.size(), 0) < 0) {
    return fail_errno("asking for the elements", errno);
  }
  // The kernel fills messages up to what it is offered, 32 KiB at most.
  std::vector<std::uint8_t> answer(std::size_t{32} << 10);
  Dump dump;
  for (;;) {
    const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (size < 0) return fail_errno("asking for the elements", errno);
    auto done = read_messages(
        ByteSpan(answer).first(static_cast<std::size_t>(size)), dump);
    if (!done) return fail(done.error());
    if (*done) break;
  }
  std::ranges::sort(dump.addresses);
  const auto repeated = std::ranges::unique(dump.addresses);
  dump.addresses.erase(repeated.begin(), repeated.end());
  return dump;
}

}  // namespace

Result<std::vector<std::uint64_t>> dump_set(const std::string& table,
                                            std::string_view set) {
  const std::string what = fmt::format("set {} of table {}", set, table);
  const auto request = request_for(table, set);
  // The kernel dumps a large set in pieces, and begins each by counting off
  // what it gave already. Where the set's hash table is rebuilt meanwhile
  // elements are left out, and NLM_F_DUMP_INTR does not tell. (It does tell of
  // every write, mostly to other tables.) So what two dumps in a row agree
  // about is believed, and nothing else.
  constexpr int kTries = 10;
  std::optional<Dump> before;
  for (int i = 0; i < kTries; ++i) {
    auto dump = dump_once(request);
    if (!dump) return fail(dump.error().within(what));
    if (before == *dump) {
      if (!dump->plain) {
        return fail(what + " holds elements that pxegate does not make",
                    ErrorCode::kInvalid);
      }
      return std::move(dump->addresses);
    }
    before = std::move(*dump);
  }
  return fail(what + " cannot be read: somebody keeps changing it",
              ErrorCode::kUnavailable);
}

}  // namespace pxegate
