// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/notification.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "controller/base/text.h"
#include "controller/ironic/uuid.h"

namespace pxegate {
namespace {

using nlohmann::json;

// A notification nests six levels, plus what an operator puts into
// properties and extra.
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxState = 64;

// Text at a place that is looked at; nullopt where it is not there or null.
using Text = std::optional<std::string>;

struct Message {
  // The envelope's.
  Text version;
  Text message;

  Text event_type;
  bool has_data = false;  // payload["ironic_object.data"]
  Text uuid;
  Text node_uuid;
  Text provision_state;
};

// nlohmann's parser calls these as it goes; returning false ends it. What is
// looked at lies in up to three objects, one in the other: the message, its
// payload, the payload's data. Everything else is read and dropped.
class MessageReader final : public json::json_sax_t {
 public:
  bool null() override {
    if (Text* text = place()) text->reset();
    return depth_ > 0 || reject("it is no JSON object");
  }
  bool boolean(bool) override { return not_text(); }
  bool number_integer(std::int64_t) override { return not_text(); }
  bool number_unsigned(std::uint64_t) override { return not_text(); }
  bool number_float(double, const std::string&) override { return not_text(); }
  bool binary(json::binary_t&) override { return reject("binary data"); }
  bool string(std::string& v) override {
    if (depth_ == 0) return reject("it is no JSON object");
    if (Text* text = place()) *text = std::move(v);
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == path_) key_ = std::move(name);
    return true;
  }
  bool start_object(std::size_t) override {
    if (place() != nullptr) return not_text();
    if (depth_ == path_ && leads_on()) {
      ++path_;
      // JSON's last one counts, as in Python.
      if (path_ == 2) message_.has_data = false;
      if (path_ >= 2) {
        message_.uuid.reset();
        message_.node_uuid.reset();
        message_.provision_state.reset();
      }
      if (path_ == 3) message_.has_data = true;
    }
    return enter();
  }
  bool start_array(std::size_t) override {
    if (depth_ == 0) return reject("it is no JSON object");
    if (place() != nullptr) return not_text();
    return enter();
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool parse_error(std::size_t position, const std::string&,
                   const json::exception&) override {
    return reject(fmt::format("it is not valid JSON at byte {}", position));
  }

  Result<Message> finish() {
    if (error_) return fail(*std::move(error_));
    return std::move(message_);
  }

 private:
  bool reject(std::string message) {
    error_.emplace(std::move(message), ErrorCode::kInvalid);
    return false;
  }

  bool not_text() {
    if (depth_ == 0) return reject("it is no JSON object");
    return place() == nullptr || reject(fmt::format("\"{}\" is no text", key_));
  }

  bool enter() {
    return ++depth_ <= kMaxDepth ||
           reject(fmt::format("it is nested deeper than {} levels", kMaxDepth));
  }
  bool leave() {
    path_ = std::min(path_, --depth_);
    return true;
  }

  // Whether the object that begins is one that is looked into.
  bool leads_on() const {
    return path_ == 0 || (path_ == 1 && key_ == "payload") ||
           (path_ == 2 && key_ == "ironic_object.data");
  }

  // Where the value that comes belongs; nullptr if it is of no interest.
  Text* place() {
    if (depth_ != path_) return nullptr;
    if (path_ == 1) {
      if (key_ == "oslo.version") return &message_.version;
      if (key_ == "oslo.message") return &message_.message;
      if (key_ == "event_type") return &message_.event_type;
    }
    if (path_ == 3) {
      if (key_ == "uuid") return &message_.uuid;
      if (key_ == "node_uuid") return &message_.node_uuid;
      if (key_ == "provision_state") return &message_.provision_state;
    }
    return nullptr;
  }

  Message message_;
  std::optional<Error> error_;
  std::size_t depth_ = 0;
  // Of the containers that are open, how many from the outermost on are
  // looked into.
  std::size_t path_ = 0;
  std::string key_;  // of the innermost object that is looked into
};

Result<Message> read_message(std::string_view text) {
  MessageReader reader;
  json::sax_parse(text, &reader);
  return reader.finish();
}

// The message without its envelope, if it has one.
Result<Message> open_envelope(std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return fail("it is empty", ErrorCode::kInvalid);
  }
  if (body[first] != '{') {
    return fail(
        "it is no JSON object (compressed messages cannot be read: where "
        "Ironic's kombu_compression is set, unset it): " +
            pxegate::quoted(body, 16),
        ErrorCode::kInvalid);
  }
  auto outer = read_message(body);
  if (!outer || (!outer->version && !outer->message)) return outer;
  if (!outer->version || !outer->message) {
    return fail("its envelope has no \"oslo.version\" or no \"oslo.message\"",
                ErrorCode::kInvalid);
  }
  if (*outer->version != "2" && !outer->version->starts_with("2.")) {
    return fail(fmt::format("its envelope is of version {}, 2.0 is known",
                            pxegate::quoted(*outer->version, 20)),
                ErrorCode::kInvalid);
  }
  return read_message(*outer->message);
}

// "baremetal.node.provision_set.start".
struct EventType {
  std::string_view object;
  std::string_view action;
  std::string_view status;
};

std::optional<EventType> parse_event_type(std::string_view text) {
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const std::size_t dot = text.find('.');
    if (last != (dot == std::string_view::npos)) return std::nullopt;
    parts[i] = text.substr(0, dot);
    if (parts[i].empty()) return std::nullopt;
    if (!last) text.remove_prefix(dot + 1);
  }
  if (parts[0] != "baremetal") return std::nullopt;
  return EventType{parts[1], parts[2], parts[3]};
}

// In the form that Ironic's API hands out.
std::optional<std::string> canonical_uuid(const std::string& text) {
  if (!parse_uuid(text)) return std::nullopt;
  std::string out;
  for (const char c : text) {
    if (c == '-') continue;
    if (out.size() == 8 || out.size() == 13 || out.size() == 18 ||
        out.size() == 23) {
      out += '-';
    }
    out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

Result<std::optional<Hint>> hint_of(const Message& message) {
  if (!message.event_type) {
    return fail("it has no \"event_type\"", ErrorCode::kInvalid);
  }
  const auto wrong = [&message](std::string_view what) {
    return fail(
        fmt::format("event {}: {}", pxegate::quoted(*message.event_type), what),
        ErrorCode::kInvalid);
  };
  const auto event = parse_event_type(*message.event_type);
  if (!event) return wrong("not of the form baremetal.OBJECT.ACTION.STATUS");
  const bool node = event->object == "node";
  if (!node && event->object != "port") return std::nullopt;
  // The API is about to change something, which may fail; a node that is
  // about to be created does not exist. What the conductor starts has begun.
  if (event->status == "start" &&
      (event->action == "create" || event->action == "update" ||
       event->action == "delete")) {
    return std::nullopt;
  }
  if (!message.has_data) {
    return wrong("no object payload[\"ironic_object.data\"]");
  }

  const Text& uuid = node ? message.uuid : message.node_uuid;
  const auto node_uuid = uuid ? canonical_uuid(*uuid) : std::nullopt;
  if (!node_uuid) return wrong("no UUID of a node in its data");
  Hint hint{.node_uuid = *node_uuid, .provision_state = {}, .ports = !node};
  if (!node) return hint;
  hint.provision_state = message.provision_state.value_or("");
  if (hint.provision_state.size() > kMaxState ||
      has_control_characters(hint.provision_state)) {
    return wrong("\"provision_state\" is none of Ironic's");
  }
  hint.gone = event->action == "delete" && event->status == "end";
  return hint;
}

}  // namespace

Result<std::optional<Hint>> decode_notification(std::string_view body) {
  if (body.size() > kMaxNotification) {
    return fail(
        fmt::format("it is longer than {} KiB", kMaxNotification / 1024),
        ErrorCode::kInvalid);
  }
  const auto message = open_envelope(body);
  if (!message) return fail(message.error());
  return hint_of(*message);
}

}  // namespace pxegate
