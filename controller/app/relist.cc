// SPDX-License-Identifier: Apache-2.0
#include "controller/app/relist.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace pxegate {
namespace {

constexpr int kMaxPageFailures = 4;  // of the same page, in a row
constexpr int kMaxRestarts = 5;      // of one list

}  // namespace

void Relist::begin(Monotonic now) {
  *this = Relist();
  phase_ = Phase::kNodes;
  began_ = now;
}

Result<> Relist::read_page(IronicApi& ironic) {
  if (phase_ == Phase::kNodes) {
    return read_page_of(ironic.nodes_page(marker_), list_.nodes, Phase::kPorts);
  }
  return read_page_of(ironic.ports_page(marker_), list_.ports,
                      Phase::kComplete);
}

template <typename T>
Result<> Relist::read_page_of(Result<Page<T>> page, std::vector<T>& items,
                              Phase next) {
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
    items.clear();
    marker_.clear();
    return {};
  }
  page_failures_ = 0;
  if (!page->items.empty()) marker_ = page->items.back().uuid;
  const bool last = page->last || page->items.empty();
  if (items.empty()) {
    items = std::move(page->items);
  } else {
    items.insert(items.end(), std::make_move_iterator(page->items.begin()),
                 std::make_move_iterator(page->items.end()));
  }
  if (!last) return {};
  phase_ = next;
  if (next == Phase::kComplete) last_port_ = marker_;
  marker_.clear();
  return {};
}

Relist::List Relist::take() {
  phase_ = Phase::kIdle;
  return std::exchange(list_, {});
}

}  // namespace pxegate
