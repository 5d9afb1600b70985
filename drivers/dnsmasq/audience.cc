// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/audience.h"

#include <algorithm>
#include <utility>

#include "controller/base/log.h"
#include "drivers/dnsmasq/hosts_file.h"

namespace pxegate {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kCheckpointPeriod = 5s;

// A process's start is known in clock ticks, and a file's time in the ticks of
// the timer: what is this close to the start counts as later.
constexpr FileTime kClockGrain = 20ms;

struct Change {
  FileTime at;
  std::string name;
};

// Oldest first, so that what was announced is a stretch of time.
std::vector<Change> changes_since(const HostsListing& found, FileTime since) {
  std::vector<Change> changes;
  for (const auto& [mac, entry] : found.machines) {
    if (entry.verdict && entry.changed >= since) {
      changes.push_back({entry.changed, mac.to_string()});
    }
  }
  if (found.unknown && found.unknown->verdict &&
      found.unknown->changed >= since) {
    changes.push_back(
        {found.unknown->changed, std::string(hosts::kUnknownName)});
  }
  std::ranges::sort(changes, {}, &Change::at);
  return changes;
}

}  // namespace

Audience Audience::remembered(const HostsDir& directory) {
  Audience audience;
  audience.recorded_ = directory.read(kReadRecordName).value_or("");
  audience.states_ = parse_record(audience.recorded_, current_boot_id());
  return audience;
}

Result<> Audience::greet(Feed& feed, const HostsDir& directory,
                         const HostsListing& found) {
  std::vector<ReaderId> strangers;
  FileTime since = FileTime::max();
  for (const Reader& reader : feed.readers().readers) {
    if (greeted_.contains(reader.id())) continue;
    strangers.push_back(reader.id());
    const FileTime start = reader.started() - kClockGrain;
    ReaderState& state = states_[reader.id()];
    state.until = std::max(state.until, start);
    since = std::min(since, state.until);
  }
  if (strangers.empty()) return {};
  const std::vector<Change> changes = changes_since(found, since);
  if (!changes.empty()) {
    log::info(
        "{} files in {} were changed after dnsmasq (pid {}) is known to have "
        "read them: it is told of them again",
        changes.size(), directory.path(), strangers.front().pid);
  }
  checked_at_ = steady_clock::now();
  for (const Change& change : changes) {
    auto done = feed.announce(change.name);
    // Gone meanwhile: the plan sees to it.
    if (!done && done.error().code() != ErrorCode::kNotFound) return done;
    if (steady_clock::now() - checked_at_ < kCheckpointPeriod) continue;
    // Without a proof the rest is told all the same; convince() fails then.
    if (feed.confirm()) {
      for (const ReaderId& id : strangers) {
        states_[id].until = std::max(states_[id].until, change.at);
      }
      remember(directory, feed);
    }
    checked_at_ = steady_clock::now();
  }
  greeted_.insert(strangers.begin(), strangers.end());
  return {};
}

Result<> Audience::checkpoint(Feed& feed, const HostsDir& directory) {
  if (steady_clock::now() - checked_at_ < kCheckpointPeriod) return {};
  // As in greet().
  if (auto read = feed.confirm()) {
    all_know(feed, *read);
    remember(directory, feed);
  }
  checked_at_ = steady_clock::now();
  return {};
}

void Audience::all_know(const Feed& feed, FileTime until) {
  for (const Reader& reader : feed.readers().readers) {
    if (greeted_.contains(reader.id())) states_[reader.id()].until = until;
  }
}

Result<> Audience::convince(Feed& feed, const HostsDir& directory) {
  constexpr int kRounds = 5;
  std::size_t confirmed = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (feed.changes() > confirmed) {
      auto read = feed.confirm();
      if (!read) return fail(read.error());
      all_know(feed, *read);
      confirmed = feed.changes();
    }
    feed.look();
    const bool all_greeted = std::ranges::all_of(
        feed.readers().readers, [this](const Reader& reader) {
          return greeted_.contains(reader.id());
        });
    if (all_greeted) {
      convinced_.clear();
      for (const Reader& reader : feed.readers().readers) {
        convinced_.insert(reader.id());
      }
      greeted_ = convinced_;
      return {};
    }
    auto found = directory.list();
    if (!found) return fail(found.error());
    if (auto done = greet(feed, directory, *found); !done) return done;
  }
  return fail("dnsmasq is restarted over and over", ErrorCode::kUnavailable);
}

std::uint64_t Audience::changes(const ReaderId& id) const {
  const auto it = states_.find(id);
  return it == states_.end() ? 0 : it->second.changes;
}

void Audience::count(const Feed& feed) {
  for (const Reader& reader : feed.readers().readers) {
    states_[reader.id()].changes += feed.changes();
  }
}

void Audience::remember(const HostsDir& directory, const Feed& feed) {
  ReaderStates present;
  for (const Reader& reader : feed.readers().readers) {
    const auto it = states_.find(reader.id());
    if (it != states_.end()) present.insert(*it);
  }
  std::string text = format_record(present, current_boot_id());
  if (text == recorded_) return;
  auto done = directory.write(kReadRecordName, text);
  if (!done) {
    log::warning("{}; the next controller tells dnsmasq everything again",
                 done.error().message());
    return;
  }
  recorded_ = std::move(text);
}

}  // namespace pxegate
