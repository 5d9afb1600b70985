// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/collection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "controller/base/text.h"
#include "controller/ironic/uuid.h"

namespace pxegate {
namespace {

using nlohmann::json;

// Ironic's answers nest no deeper than a dozen levels.
constexpr std::size_t kMaxDepth = 64;
// Of the fields that are kept; a port's come to about fifteen.
constexpr std::size_t kMaxValuesPerItem = 1000;
constexpr std::size_t kMaxText = 1024;

// nlohmann's parser calls these as it goes; returning false ends it. Depth 1
// is inside the outer object, 2 inside the list, 3 inside an item.
class CollectionReader final : public json::json_sax_t {
 public:
  CollectionReader(const CollectionFormat& format,
                   const std::function<Result<>(const json&)>& on_item)
      : format_(format), on_item_(on_item) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(std::int64_t v) override { return value(v); }
  bool number_unsigned(std::uint64_t v) override { return value(v); }
  bool number_float(double v, const std::string&) override { return value(v); }
  bool string(std::string& v) override { return value(std::move(v)); }
  bool binary(json::binary_t&) override { return reject("binary data"); }
  bool start_object(std::size_t) override { return start(json::object()); }
  bool start_array(std::size_t) override { return start(json::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool key(std::string& name) override {
    if (skipping_ > 0) return true;
    if (depth_ == 1) {
      section_ = name == format_.name ? Section::kItems
                 : name == "next"     ? Section::kNext
                                      : Section::kOther;
      return true;
    }
    skip_next_ = !wanted(name);
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const json::exception&) override {
    syntax_error_at_ = position;
    return false;
  }

  Result<CollectionEnd> finish(std::string_view body) {
    if (error_) return fail(*std::move(error_));
    if (syntax_error_at_) return fail(syntax_error(body));
    if (!items_seen_) {
      return fail(
          fmt::format("the answer has no list {}: {}",
                      pxegate::quoted(format_.name), pxegate::quoted(body)),
          ErrorCode::kInvalid);
    }
    return end_;
  }

 private:
  enum class Section { kOther, kItems, kNext };

  bool reject(std::string message) {
    error_.emplace(std::move(message), ErrorCode::kInvalid);
    return false;
  }

  bool wanted(const std::string& name) {
    const auto is_wanted = [this](std::string_view path, bool parent_too) {
      return std::ranges::any_of(format_.fields, [&](const std::string& field) {
        return field == path ||
               (parent_too && field.size() > path.size() &&
                field.starts_with(path) && field[path.size()] == '.');
      });
    };
    if (depth_ == 3) {
      whole_field_ = is_wanted(name, false);
      field_ = name;
      return is_wanted(name, true);
    }
    return depth_ > 4 || whole_field_ || is_wanted(field_ + "." + name, false);
  }

  // A scalar.
  bool value(json v) {
    if (skipping_ > 0 || std::exchange(skip_next_, false)) return true;
    if (depth_ == 0) return reject("the answer is no JSON object");
    if (depth_ == 1) return outer_value(v);
    if (depth_ == 2) return section_ != Section::kItems || reject_item();
    return keep(std::move(v)) != nullptr;
  }

  bool outer_value(const json& v) {
    if (section_ == Section::kItems) return reject_items();
    if (section_ == Section::kNext && !v.is_null()) {
      if (!v.is_string()) return reject("\"next\" is not text");
      end_.next = true;
    }
    return true;
  }

  bool reject_items() {
    return reject(pxegate::quoted(format_.name) + " is no list");
  }
  bool reject_item() {
    return reject(fmt::format("item {} of {} is no object", items_ + 1,
                              pxegate::quoted(format_.name)));
  }

  bool start(json container) {
    if (++depth_ > kMaxDepth) {
      return reject(fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    if (skipping_ > 0 || std::exchange(skip_next_, false)) {
      ++skipping_;
      return true;
    }
    switch (depth_) {
      case 1:
        return container.is_object() || reject("the answer is no JSON object");
      case 2:
        return start_outer(container);
      case 3:
        if (!container.is_object()) return reject_item();
        item_ = std::move(container);
        values_ = 0;
        open_.assign(1, &item_);
        return true;
      default:
        json* kept = keep(std::move(container));
        if (kept != nullptr) open_.push_back(kept);
        return kept != nullptr;
    }
  }

  bool start_outer(const json& container) {
    if (section_ == Section::kNext) return reject("\"next\" is not text");
    if (section_ == Section::kOther) {
      skipping_ = 1;
      return true;
    }
    if (!container.is_array()) return reject_items();
    if (std::exchange(items_seen_, true)) {
      return reject("there are two lists " + pxegate::quoted(format_.name));
    }
    return true;
  }

  bool end() {
    --depth_;
    if (skipping_ > 0) {
      --skipping_;
      return true;
    }
    if (depth_ < 2) return true;
    open_.pop_back();
    if (depth_ > 2) return true;
    ++items_;
    Result<> taken = on_item_(item_);
    if (!taken) error_ = std::move(taken).error();
    return !error_;
  }

  // Puts `v` where it belongs in the item; nullptr when there is too much.
  json* keep(json v) {
    if (++values_ > kMaxValuesPerItem) {
      reject(fmt::format("item {} of {} holds more than {} values", items_ + 1,
                         pxegate::quoted(format_.name), kMaxValuesPerItem));
      return nullptr;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return &parent.back();
    }
    return &(parent[key_] = std::move(v));
  }

  Error syntax_error(std::string_view body) const {
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
      return Error("the answer is empty, JSON was expected",
                   ErrorCode::kInvalid);
    }
    if (body[first] == '<') {
      return Error("the answer is HTML instead of JSON: " +
                       pxegate::quoted(body.substr(first)),
                   ErrorCode::kInvalid);
    }
    if (*syntax_error_at_ > body.size()) {
      return Error(
          fmt::format("the JSON is cut off after {} bytes", body.size()),
          ErrorCode::kInvalid);
    }
    // Positions count from 1, after the byte that did not fit.
    const std::size_t at = *syntax_error_at_ > 0 ? *syntax_error_at_ - 1 : 0;
    return Error(
        fmt::format("the answer is not valid JSON at byte {}: {}", at,
                    pxegate::quoted(body.substr(at > 20 ? at - 20 : 0))),
        ErrorCode::kInvalid);
  }

  const CollectionFormat& format_;
  const std::function<Result<>(const json&)>& on_item_;
  CollectionEnd end_;
  std::optional<Error> error_;
  std::optional<std::size_t> syntax_error_at_;

  std::size_t depth_ = 0;
  Section section_ = Section::kOther;
  bool items_seen_ = false;
  std::size_t items_ = 0;
  bool skip_next_ = false;    // the value of an unwanted key comes next
  std::size_t skipping_ = 0;  // open containers of an unwanted value

  json item_;
  std::size_t values_ = 0;
  std::vector<json*> open_;  // from item_ to the innermost open container
  std::string key_;
  std::string field_;  // the item's own field we are in
  bool whole_field_ = false;
};

}  // namespace

Result<CollectionEnd> read_collection(
    std::string_view body, const CollectionFormat& format,
    const std::function<Result<>(const json&)>& on_item) {
  CollectionReader reader(format, on_item);
  json::sax_parse(body, &reader);
  return reader.finish(body);
}

ItemFields::ItemFields(std::string_view kind, const json& item)
    : label_(kind), item_(item) {
  const auto uuid = item.find("uuid");
  if (uuid != item.end() && uuid->is_string()) {
    const auto& text = uuid->get_ref<const std::string&>();
    label_ += ' ';
    label_ += parse_uuid(text) ? text : pxegate::quoted(text);
  }
}

Error ItemFields::error(std::string_view field,
                        std::string_view problem) const {
  return Error(fmt::format("{}: field \"{}\": {}", label_, field, problem),
               ErrorCode::kInvalid);
}

Result<const json*> ItemFields::find(std::string_view field) const {
  const auto found = item_.find(field);
  if (found == item_.end()) return fail(error(field, "missing"));
  return &*found;
}

Result<std::string> ItemFields::text(std::string_view field) const {
  const auto found = find(field);
  if (!found) return fail(found.error());
  if (!(*found)->is_string()) {
    return fail(error(
        field, fmt::format("expected text, got {}", (*found)->type_name())));
  }
  const auto& text = (*found)->get_ref<const std::string&>();
  if (text.size() > kMaxText) {
    return fail(error(field, fmt::format("longer than {} bytes", kMaxText)));
  }
  if (has_control_characters(text)) {
    return fail(error(field, "control characters in " + pxegate::quoted(text)));
  }
  return text;
}

Result<std::string> ItemFields::text_or_null(std::string_view field) const {
  const auto found = find(field);
  if (!found) return fail(found.error());
  if ((*found)->is_null()) return std::string();
  return text(field);
}

Result<std::string> ItemFields::uuid(std::string_view field) const {
  auto value = text(field);
  if (value && !parse_uuid(*value)) {
    return fail(error(field, pxegate::quoted(*value) + " is not a UUID"));
  }
  return value;
}

Result<bool> ItemFields::boolean(std::string_view field) const {
  const auto found = find(field);
  if (!found) return fail(found.error());
  if (!(*found)->is_boolean()) {
    return fail(error(field, fmt::format("expected true or false, got {}",
                                         (*found)->type_name())));
  }
  return (*found)->get<bool>();
}

Result<const json*> ItemFields::object_or_null(std::string_view field) const {
  const auto found = find(field);
  if (!found) return fail(found.error());
  if ((*found)->is_object()) return (*found)->empty() ? nullptr : *found;
  if ((*found)->is_null()) return nullptr;
  return fail(error(
      field, fmt::format("expected an object, got {}", (*found)->type_name())));
}

}  // namespace pxegate
