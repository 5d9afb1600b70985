// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/forget.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "drivers/dnsmasq/hosts_file.h"
#include "drivers/dnsmasq/read_record.h"

namespace pxegate {
namespace {

struct File {
  std::string name;
  std::string pattern;
  std::optional<Verdict> verdict;
};

std::vector<File> files_of_ours(const HostsListing& found) {
  std::vector<File> files;
  if (found.unknown && !found.unknown->odd) {
    files.push_back({std::string(hosts::kUnknownName),
                     std::string(hosts::kUnknownPattern),
                     found.unknown->verdict});
  }
  for (const auto& [mac, entry] : found.machines) {
    if (entry.odd) continue;
    const std::string name = mac.to_string();
    files.push_back({name, name, entry.verdict});
  }
  return files;
}

Result<> open_up(Feed& feed, const std::vector<File>& files) {
  for (const File& file : files) {
    if (file.verdict == Verdict::kAllow) continue;
    auto done = feed.write(file.name,
                           hosts::contents_for(file.pattern, Verdict::kAllow));
    if (!done) return done;
  }
  auto read = feed.confirm();
  if (!read) return fail(read.error());
  return {};
}

}  // namespace

Result<> forget_everything(Feed& feed, const HostsDir& directory,
                           const Verdicts& held) {
  auto found = directory.list();
  if (!found) return fail(found.error());
  std::vector<File> files = files_of_ours(*found);
  if (!feed.unread()) {
    for (const auto& [mac, verdict] : held) {
      if (found->machines.contains(mac)) continue;
      const std::string name = mac.to_string();
      files.push_back({name, name, std::nullopt});
    }
    if (auto done = open_up(feed, files); !done) {
      return fail(done.error().within(fmt::format(
          "{} files are left in {}", files.size(), directory.path())));
    }
  }
  for (const File& file : files) {
    if (auto done = feed.remove(file.name); !done) return done;
  }
  directory.remove_litter(HostsDir::Lock::kExclusive);
  return directory.remove(kReadRecordName);
}

}  // namespace pxegate
