// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DOCTOR_DHCP_PROBE_H_
#define PXEGATE_CONTROLLER_DOCTOR_DHCP_PROBE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/driver/finding.h"

namespace pxegate {

// Who else answers DHCP on the filtered networks: a DHCPDISCOVER of a PXE
// client (RFC 2131; PXE 2.1) goes out, and the OFFERs that come in are listed.
// The request never reaches a server on this host, since what is sent on a
// packet socket is not heard there, but through a relay. No lease is taken.

struct Offer {
  std::string interface;
  std::string server;      // option 54, else the sender's address
  std::string sender_mac;  // of the frame: the server's, or a router's

  auto operator<=>(const Offer&) const = default;
};

// An Ethernet frame with the DISCOVER of `client`.
std::vector<std::uint8_t> discover_frame(const MacAddress& client,
                                         std::uint32_t xid);

// The offer in a frame, if it is one to `client` and `xid`: any frame is
// safe to give. `interface` is left empty.
std::optional<Offer> offer_in(std::span<const std::uint8_t> frame,
                              const MacAddress& client, std::uint32_t xid);

struct DhcpAnswers {
  std::set<std::string> asked;  // interfaces on which a request went out
  std::vector<Offer> offers;
};

// Asks on all `interfaces` at once, twice, and listens for `patience` in all.
// Those that do not exist, are down or are no Ethernet are passed over.
// kPermission without CAP_NET_RAW. A stop requested on `stop` ends it early.
Result<DhcpAnswers> probe_dhcp(const std::set<std::string>& interfaces,
                               std::chrono::milliseconds patience,
                               const std::stop_token& stop);

// IPv4 addresses of this network namespace.
Result<std::set<std::string>> own_addresses();

// Offers of this host's own server, which came back through a relay, are none
// to complain of. Nothing is known of `interfaces` that were not asked on.
// Pure.
Finding judge_offers(const Result<DhcpAnswers>& answers,
                     const std::set<std::string>& own,
                     const std::set<std::string>& interfaces);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DOCTOR_DHCP_PROBE_H_
