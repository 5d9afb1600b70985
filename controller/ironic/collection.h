// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_COLLECTION_H_
#define PXEGATE_CONTROLLER_IRONIC_COLLECTION_H_

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

// What to read of a page of a listing: {"<name>": [{…}, {…}], "next": "…"}.
struct CollectionFormat {
  std::string name;
  // Fields of an item to keep. "a.b" keeps member b of object a and drops the
  // rest of a; "a" keeps all of a.
  std::vector<std::string> fields;
};

struct CollectionEnd {
  bool next = false;  // the page names a next one
};

// Reads `body` item by item: no more than one item is held in memory, and of
// it only the wanted fields, however large the rest. Every item is handed to
// `on_item` as an object; an error from there ends the reading. kInvalid, and
// telling what is wrong where, for what is not JSON, is HTML, is cut off, is
// nested too deeply or has another form. Does not throw.
Result<CollectionEnd> read_collection(
    std::string_view body, const CollectionFormat& format,
    const std::function<Result<>(const nlohmann::json&)>& on_item);

// The fields of one item. Errors are kInvalid and name item and field.
class ItemFields {
 public:
  // `kind` says what the item is, as in "port".
  ItemFields(std::string_view kind, const nlohmann::json& item);

  // Text without control characters, at most 1 KiB.
  Result<std::string> text(std::string_view field) const;
  // The same; empty where the value is null.
  Result<std::string> text_or_null(std::string_view field) const;
  Result<std::string> uuid(std::string_view field) const;
  Result<bool> boolean(std::string_view field) const;
  // nullptr where the value is null or an empty object.
  Result<const nlohmann::json*> object_or_null(std::string_view field) const;

  // "port 1111…: field "address": <problem>"
  Error error(std::string_view field, std::string_view problem) const;

 private:
  Result<const nlohmann::json*> find(std::string_view field) const;

  std::string label_;
  const nlohmann::json& item_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_COLLECTION_H_
