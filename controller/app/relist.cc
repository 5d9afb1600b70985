// SPDX-License-Identifier: Apache-2.0
#include "controller/app/relist.h"

#include <fmt/format.h>

#include <utility>

namespace pxegate {
namespace {

constexpr int kMaxPageFailures = 4;  // of the same page, in a row
constexpr int kMaxRestarts = 5;      // of one list

}  // namespace

void Relist::begin(Monotonic now, std::shared_ptr<const Inventory> base) {
  *this = Relist();
  list_ = Inventory::Builder(std::move(base));
  phase_ = Phase::kNodes;
  began_ = now;
}

Result<> Relist::read_page(IronicApi& ironic) {
  if (phase_ == Phase::kNodes) {
    return read_page_of(ironic.nodes_page(marker_), Phase::kPorts);
  }
  return read_page_of(ironic.ports_page(marker_), Phase::kComplete);
}

template <typename T>
Result<> Relist::read_page_of(Result<Page<T>> page, Phase next) {
  if (!page) {
    if (page.error().code() != ErrorCode::kNotFound || marker_.empty()) {
      if (++page_failures_ >= kMaxPageFailures) drop();
      return fail(page.error());
    }
    if (++restarts_ > kMaxRestarts) {
      drop();
      return fail(page.error().within(fmt::format(
          "the list changed {} times while it was read", kMaxRestarts + 1)));
    }
    if (phase_ == Phase::kNodes) {
      list_.clear_nodes();
    } else {
      list_.clear_ports();
    }
    marker_.clear();
    return {};
  }
  page_failures_ = 0;
  if (!page->items.empty()) marker_ = page->items.back().uuid;
  const bool last = page->last || page->items.empty();
  for (const T& item : page->items) list_.add(item);
  if (!last) return {};
  phase_ = next;
  if (next == Phase::kComplete) last_port_ = marker_;
  marker_.clear();
  return {};
}

Result<> Relist::make() {
  auto made = std::exchange(list_, Inventory::Builder()).finish();
  phase_ = made ? Phase::kMade : Phase::kIdle;
  if (!made) return fail(made.error());
  made_ = *std::move(made);
  return {};
}

Inventory Relist::take() {
  phase_ = Phase::kIdle;
  Inventory made = *std::move(made_);
  made_.reset();
  return made;
}

}  // namespace pxegate
