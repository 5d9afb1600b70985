// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_LISTING_H_
#define PXEGATE_CONTROLLER_IRONIC_LISTING_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "controller/base/result.h"
#include "controller/ironic/uuid.h"

namespace pxegate {

// Follows a listing over its pages and notices when it does not advance: a
// server that repeats itself, or that never comes to an end, must not keep us
// busy for ever nor fill the memory.
class Listing {
 public:
  explicit Listing(std::size_t max_items) : max_items_(max_items) {}

  // Before a page: a marker other than where the last page ended begins a
  // new listing; the same one repeats or continues.
  void begin_page(std::string_view marker);

  // One item of the page. kUnavailable where this listing had it before,
  // kCapacity where there are too many.
  Result<> add(std::string_view uuid);

  // The page is complete and becomes part of the listing.
  void end_page(bool last);

 private:
  struct Hash {
    std::size_t operator()(const UuidBits& bits) const {
      // Version 4 UUIDs are random already.
      return static_cast<std::size_t>(bits[0] ^ (bits[1] * 0x9e3779b97f4a7c15));
    }
  };
  using Uuids = std::unordered_set<UuidBits, Hash>;

  std::size_t max_items_;
  Uuids seen_;       // on complete pages
  Uuids page_;       // on the page under way
  std::string end_;  // last item of the last complete page
  std::string page_end_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_LISTING_H_
