// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/http_answer.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr seconds kLongestRetryAfter{600};
// An error body longer than this is not worth parsing.
constexpr std::size_t kMaxFault = std::size_t{64} << 10;

// Parses JSON of an error page, where nesting is never deep: refuses what
// could be, before the parser sees it.
json parse_small(std::string_view text) {
  constexpr int kMaxBrackets = 100;
  if (text.size() > kMaxFault || std::ranges::count_if(text, [](char c) {
                                   return c == '[' || c == '{';
                                 }) > kMaxBrackets) {
    return json(json::value_t::discarded);
  }
  return json::parse(text, nullptr, false);
}

// The member of an object that is text, or nullptr.
const std::string* text_member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return nullptr;
  return found->get_ptr<const std::string*>();
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400:
      return " Bad Request";
    case 401:
      return " Unauthorized";
    case 403:
      return " Forbidden";
    case 404:
      return " Not Found";
    case 406:
      return " Not Acceptable";
    case 409:
      return " Conflict";
    case 429:
      return " Too Many Requests";
    case 500:
      return " Internal Server Error";
    case 502:
      return " Bad Gateway";
    case 503:
      return " Service Unavailable";
    case 504:
      return " Gateway Timeout";
    default:
      return "";
  }
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

}  // namespace

const std::string* find_header(const HttpResponse& response,
                               const std::string& name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? nullptr : &found->second;
}

std::string status_text(int status) {
  return fmt::format("HTTP {}{}", status, reason_phrase(status));
}

ErrorCode status_error_code(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalid;
    case 401:
    case 403:
    case 407:
      return ErrorCode::kPermission;
    case 409:
      return ErrorCode::kConflict;
    case 408:
    case 423:
    case 425:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kFailed;
  }
}

std::string fault_of(std::string_view body) {
  const json outer = parse_small(body);
  if (!outer.is_object()) return {};
  json fault;
  if (const std::string* text = text_member(outer, "error_message")) {
    fault = parse_small(*text);
    if (!fault.is_object()) return *text;
  } else if (const auto nested = outer.find("error_message");
             nested != outer.end()) {
    fault = *nested;
  } else if (const auto error = outer.find("error"); error != outer.end()) {
    fault = *error;
  }
  for (const char* name : {"faultstring", "description", "message", "title"}) {
    const std::string* text = text_member(fault, name);
    if (text != nullptr && !text->empty()) return *text;
  }
  return {};
}

std::optional<seconds> parse_retry_after(std::string_view value, WallTime now) {
  const auto bounded = [](seconds delay) {
    return std::clamp(delay, seconds{0}, kLongestRetryAfter);
  };
  if (!value.empty() &&
      value.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto number = parse_number(value);
    // More digits than a number holds: very long.
    return number ? bounded(seconds{*number}) : kLongestRetryAfter;
  }
  std::tm fields{};
  const std::string text(value);
  const char* end =
      strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  // In whole seconds: a far date does not fit in the clock's nanoseconds.
  return bounded(seconds{timegm(&fields)} -
                 std::chrono::floor<seconds>(now.time_since_epoch()));
}

std::optional<seconds> retry_after_of(const HttpResponse& response,
                                      WallTime now) {
  const std::string* text = find_header(response, "retry-after");
  return text != nullptr ? parse_retry_after(*text, now) : std::nullopt;
}

Result<std::string> service_url(std::string_view url) {
  const std::size_t scheme = url.starts_with("http://")    ? 7
                             : url.starts_with("https://") ? 8
                                                           : 0;
  const std::string_view rest = url.substr(scheme);
  const std::string_view host = rest.substr(0, rest.find('/'));
  // Checked first: what may hold a password is not repeated in a message.
  if (host.find('@') != std::string_view::npos) {
    return fail("holds a user name: give it as username and password",
                ErrorCode::kInvalid);
  }
  if (scheme == 0 || host.empty() || host.front() == ':') {
    return fail("is " + pxegate::quoted(url) +
                    ", expected a URL as in http://192.0.2.1",
                ErrorCode::kInvalid);
  }
  const auto is_unfit = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '?' ||
           c == '#';
  };
  if (std::ranges::any_of(url, is_unfit)) {
    return fail("is " + pxegate::quoted(url) +
                    ", expected a URL without spaces, query and fragment",
                ErrorCode::kInvalid);
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

}  // namespace pxegate
