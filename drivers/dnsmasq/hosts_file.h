// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_HOSTS_FILE_H_
#define PXEGATE_DRIVERS_DNSMASQ_HOSTS_FILE_H_

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/mac_address.h"
#include "controller/core/policy.h"

// The files of a hosts directory, as ironic-inspector's dnsmasq filter writes
// them. Pure functions.
namespace pxegate::hosts {

// The file that decides for every MAC address without one of its own.
inline constexpr std::string_view kUnknownName = "unknown_hosts_filter";
inline constexpr std::string_view kUnknownPattern = "*:*:*:*:*:*";

// The address whose file has this name; nullopt for any other name, also for
// an address that is spelled otherwise than we spell it.
std::optional<MacAddress> mac_of_name(std::string_view name);

// What `pattern`, a MAC address or kUnknownPattern, stands for in its file: a
// plain dhcp-host line allows, one with `ignore` denies (dnsmasq(8)).
std::string contents_for(std::string_view pattern, Verdict verdict);

// The inverse; nullopt for anything but these two texts.
std::optional<Verdict> verdict_in(std::string_view pattern,
                                  std::string_view contents);

// Whether dnsmasq passes over a file of this name (inotify.c: editors'
// backups and dot files).
bool is_passed_over(std::string_view name);

// Whether a file with dhcp-host lines may get any machine an answer: whether
// any of its lines does not say `ignore`.
bool lets_in(std::string_view contents);

}  // namespace pxegate::hosts

#endif  // PXEGATE_DRIVERS_DNSMASQ_HOSTS_FILE_H_
