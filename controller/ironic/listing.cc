// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/listing.h"

#include <fmt/format.h>

#include "controller/base/text.h"

namespace pxegate {

void Listing::begin_page(std::string_view marker) {
  page_.clear();
  if (marker.empty() || marker != end_) {
    seen_.clear();
    if (const auto bits = parse_uuid(marker)) seen_.insert(*bits);
    end_ = marker;
  }
  page_end_ = end_;
}

Result<> Listing::add(std::string_view uuid) {
  const auto bits = parse_uuid(uuid);
  if (!bits) return fail(quoted(uuid) + " is not a UUID", ErrorCode::kInvalid);
  if (seen_.contains(*bits) || !page_.insert(*bits).second) {
    return fail(fmt::format("the list does not advance: {} came before", uuid),
                ErrorCode::kUnavailable);
  }
  if (seen_.size() + page_.size() > max_items_) {
    return fail(
        fmt::format("the list does not end: more than {} items", max_items_),
        ErrorCode::kCapacity);
  }
  page_end_ = uuid;
  return {};
}

void Listing::end_page(bool last) {
  end_ = page_end_;
  if (last) {
    // Asking for more after the end, later, begins a new listing.
    seen_ = Uuids();
    if (const auto bits = parse_uuid(end_)) seen_.insert(*bits);
  } else {
    seen_.merge(page_);
  }
  page_ = Uuids();
}

}  // namespace pxegate
