// SPDX-License-Identifier: Apache-2.0
#include "controller/app/port_queue.h"

#include <algorithm>

namespace pxegate {
namespace {

// These ports are wanted soon: no Retry-After puts them off for longer.
constexpr BackoffOptions kBackoff{.first = std::chrono::seconds(1),
                                  .max = std::chrono::seconds(30),
                                  .patience = 1};

}  // namespace

void PortQueue::add(const std::string& uuid, Monotonic now) {
  const auto [at, fresh] =
      entries_.try_emplace(uuid, Entry{now, Backoff(kBackoff)});
  // One that failed before keeps its backoff.
  at->second.covered = false;
}

void PortQueue::add_first(const std::string& uuid, Monotonic now) {
  add(uuid, now);
  Entry& entry = entries_.find(uuid)->second;
  if (!entry.failed) entry.due = Monotonic::min();
}

void PortQueue::remove(std::string_view uuid) {
  const auto it = entries_.find(uuid);
  if (it != entries_.end()) entries_.erase(it);
}

void PortQueue::retry_later(const std::string& uuid, const Error& error,
                            Monotonic now, std::uint64_t random_bits) {
  Entry& entry =
      entries_.try_emplace(uuid, Entry{now, Backoff(kBackoff)}).first->second;
  entry.failed = true;
  entry.due = now + entry.backoff.next(random_bits, error.retry_after());
}

Monotonic PortQueue::due() const {
  Monotonic due = Monotonic::max();
  for (const auto& [uuid, entry] : entries_) due = std::min(due, entry.due);
  return due;
}

std::optional<std::string> PortQueue::front() const {
  const auto it = std::ranges::min_element(
      entries_, {}, [](const auto& item) { return item.second.due; });
  if (it == entries_.end()) return std::nullopt;
  return it->first;
}

void PortQueue::mark_covered() {
  for (auto& [uuid, entry] : entries_) entry.covered = true;
}

void PortQueue::remove_covered() {
  std::erase_if(entries_, [](const auto& item) { return item.second.covered; });
}

}  // namespace pxegate
