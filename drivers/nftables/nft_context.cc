// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/nft_context.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

constexpr timeval kAnswerTimeout{.tv_sec = 10, .tv_usec = 0};

struct ContextFree {
  void operator()(nft_ctx* context) const { ::nft_ctx_free(context); }
};
using Context = std::unique_ptr<nft_ctx, ContextFree>;

Error denied() {
  return Error(
      "the kernel's nftables refuse access: CAP_NET_ADMIN is needed in this "
      "network namespace; run as root or with that capability",
      ErrorCode::kPermission);
}

// libnftables tells in words, the kernel's reason by strerror() among them.
Error translate(std::string_view what, const char* text) {
  std::string said = text == nullptr ? "" : text;
  while (!said.empty() &&
         (said.back() == '\n' || said.back() == '^' || said.back() == ' ')) {
    said.pop_back();
  }
  if (said.empty()) said = "no reason given";
  const auto mentions = [&said](int errnum) {
    return said.find(std::strerror(errnum)) != std::string::npos;
  };
  if (mentions(EPERM)) return denied();
  // A script may be megabytes, and what is wrong with it is quoted.
  constexpr std::size_t kEnough = 400;
  if (said.size() > kEnough) said.resize(kEnough);
  const std::string message = fmt::format("{}: {}", what, said);
  if (mentions(ENOENT)) return Error(message, ErrorCode::kNotFound);
  if (mentions(EOPNOTSUPP) || mentions(EAFNOSUPPORT)) {
    return Error(message +
                 "; the kernel needs nf_tables with family netdev "
                 "(CONFIG_NF_TABLES_NETDEV)");
  }
  return Error(message);
}

Result<Context> make_context() {
  // Where it gets no socket libnftables ends the process, so try first.
  if (auto usable = nft_generation(); !usable) return fail(usable.error());
  Context context(::nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context) return fail("libnftables gives no context: out of memory");
  if (::nft_ctx_buffer_output(context.get()) != 0 ||
      ::nft_ctx_buffer_error(context.get()) != 0) {
    return fail("libnftables cannot buffer its output: out of memory");
  }
  return context;
}

struct GenerationRequest {
  nlmsghdr header;
  nfgenmsg message;
};

// The generation in an answer of `size` bytes.
Result<std::uint32_t> parse_generation(const char* bytes, std::size_t size) {
  nlmsghdr header{};
  if (size >= sizeof(header)) std::memcpy(&header, bytes, sizeof(header));
  if (header.nlmsg_type == NLMSG_ERROR &&
      size >= NLMSG_LENGTH(sizeof(nlmsgerr))) {
    nlmsgerr error{};
    std::memcpy(&error, bytes + NLMSG_HDRLEN, sizeof(error));
    if (error.error == -EPERM) return fail(denied());
    return fail(Error(fmt::format(
        "this kernel has no nftables (CONFIG_NF_TABLES): {}; choose "
        "another [pxe_filter] driver",
        std::strerror(-error.error))));
  }
  std::size_t at = NLMSG_LENGTH(sizeof(nfgenmsg));
  while (at + NLA_HDRLEN <= size) {
    nlattr attribute{};
    std::memcpy(&attribute, bytes + at, sizeof(attribute));
    if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > size) break;
    std::uint32_t value = 0;
    if (attribute.nla_type == NFTA_GEN_ID &&
        attribute.nla_len == NLA_HDRLEN + sizeof(value)) {
      std::memcpy(&value, bytes + at + NLA_HDRLEN, sizeof(value));
      return ntohl(value);
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return fail("nftables does not tell its generation: unexpected answer");
}

}  // namespace

Result<> run_nft(const std::string& script) {
  auto context = make_context();
  if (!context) return fail(context.error());
  if (::nft_run_cmd_from_buffer(context->get(), script.c_str()) == 0) return {};
  return fail(translate("changing nftables",
                        ::nft_ctx_get_error_buffer(context->get())));
}

Result<> check_nft(const std::string& script) {
  auto context = make_context();
  if (!context) return fail(context.error());
  ::nft_ctx_set_dry_run(context->get(), true);
  if (::nft_run_cmd_from_buffer(context->get(), script.c_str()) == 0) return {};
  return fail(translate("checking the table with nftables",
                        ::nft_ctx_get_error_buffer(context->get())));
}

Result<std::string> list_nft(const std::string& command, NftOutput output) {
  auto context = make_context();
  if (!context) return fail(context.error());
  unsigned flags = NFT_CTX_OUTPUT_TERSE;
  if (output == NftOutput::kTerse) flags |= NFT_CTX_OUTPUT_STATELESS;
  ::nft_ctx_output_set_flags(context->get(), flags);
  if (::nft_run_cmd_from_buffer(context->get(), command.c_str()) != 0) {
    return fail(translate("`nft " + command + "`",
                          ::nft_ctx_get_error_buffer(context->get())));
  }
  const char* text = ::nft_ctx_get_output_buffer(context->get());
  return std::string(text == nullptr ? "" : text);
}

Result<std::uint32_t> nft_generation() {
  const UniqueFd socket(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) return fail_errno("netlink socket for nftables", errno);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
               sizeof(kAnswerTimeout));
  GenerationRequest request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.message.nfgen_family = AF_UNSPEC;
  request.message.version = NFNETLINK_V0;
  if (::send(socket.get(), &request, sizeof(request), 0) < 0) {
    return fail_errno("asking for nftables' generation", errno);
  }
  alignas(nlmsghdr) std::array<char, 4096> answer{};
  const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (size < 0) return fail_errno("asking for nftables' generation", errno);
  return parse_generation(answer.data(), static_cast<std::size_t>(size));
}

}  // namespace pxegate
