// SPDX-License-Identifier: Apache-2.0
//
// How the text of an option becomes a value: the second half of options.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "controller/base/text.h"
#include "controller/config/nearest.h"
#include "controller/config/options.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<std::string_view, 4> kTrue = {"true", "1", "on", "yes"};
constexpr std::array<std::string_view, 4> kFalse = {"false", "0", "off", "no"};

// keystoneauth's other plug-ins.
constexpr auto kForeignLogins = std::to_array<std::string_view>(
    {"admin_token", "v2password", "v2token", "v3adfspassword", "v3kerberos",
     "v3multifactor", "v3oauth1", "v3oauth2clientcredential",
     "v3oidcaccesstoken", "v3oidcauthcode", "v3oidcclientcredentials",
     "v3oidcdeviceauthz", "v3oidcpassword", "v3samlpassword", "v3tokenlessauth",
     "v3totp"});

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// As Python's int() takes it: a sign, digits, single '_' between digits.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && text[i - 1] != '_' &&
                         text[i - 1] != '-';
    if (text[i] == '_' && between) continue;
    digits += text[i];
  }
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ptr != end || digits.empty()) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) {
    return digits.front() == '-' ? std::numeric_limits<std::int64_t>::min()
                                 : std::numeric_limits<std::int64_t>::max();
  }
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

Result<std::int64_t> number_of(const Option& option, std::string_view text) {
  if (trim(text).empty()) text = option.default_text;
  const std::optional<std::int64_t> value = parse_integer(text);
  if (!value) return invalid(quoted(text) + " is no integer");
  if (*value < option.min || *value > option.max) {
    return invalid(quoted(text) + " is out of range");
  }
  return *value;
}

// Seconds, whole or with a fraction, as the plain forms of Python's float().
Result<milliseconds> delay_of(const Option& option, std::string_view text) {
  const std::string_view given =
      trim(text).empty() ? option.default_text : text;
  const std::string_view number = trim(given);
  double value = 0;
  const char* end = number.data() + number.size();
  const auto parsed =
      std::from_chars(number.data(), end, value, std::chars_format::fixed);
  if (parsed.ptr != end || parsed.ec != std::errc() || !std::isfinite(value)) {
    return invalid(quoted(given) + " is no number");
  }
  if (value < static_cast<double>(option.min) ||
      value > static_cast<double>(option.max)) {
    return invalid(quoted(given) + " is out of range");
  }
  return milliseconds(std::llround(value * 1000));
}

// The parts of `text` as oslo.config's ListOpt has them: commas at the end
// count for nothing, others separate.
std::vector<std::string> list_of(std::string_view text) {
  text = trim(text);
  while (text.ends_with(',')) text.remove_suffix(1);
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    items.emplace_back(trim(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

Result<> check_text(const Option& option, std::string_view text) {
  const bool secret = option.type == OptionType::kSecret;
  if (text.find_first_of("\r\n") != std::string_view::npos) {
    return invalid((secret ? std::string("the value") : quoted(text)) +
                   " spans several lines (a line that starts with a blank "
                   "continues the one above)");
  }
  if (has_control_characters(text)) {
    return invalid((secret ? std::string("the value") : quoted(text)) +
                   " holds control characters");
  }
  return option.check != nullptr ? option.check(text) : Result<>();
}

Result<std::size_t> choice_of(const Option& option, std::string_view text) {
  const auto found = std::ranges::find(option.choices, text);
  if (found != option.choices.end()) {
    return static_cast<std::size_t>(found - option.choices.begin());
  }
  std::string message = quoted(text) + " is not one of them";
  if (option.name == "auth_type" &&
      std::ranges::find(kForeignLogins, text) != kForeignLogins.end()) {
    message = quoted(text) + " is a login that pxegate does not do";
  } else if (const auto near = nearest(text, option.choices, 2)) {
    message += fmt::format("; did you mean {}?", quoted(*near));
  }
  return invalid(std::move(message));
}

// One reader for each kind of value; std::visit picks by what the option sets.
struct Read {
  const Option& option;
  std::string_view text;
  Config& config;

  template <typename Value, typename Setter>
  Result<> store(Result<Value> value, Setter set) const {
    if (!value) return fail(value.error());
    set(config, *std::move(value));
    return {};
  }

  Result<> operator()(void (*set)(Config&, bool)) const {
    const std::string word = lower(text);
    const bool yes = std::ranges::find(kTrue, word) != kTrue.end();
    const bool no = std::ranges::find(kFalse, word) != kFalse.end();
    if (!yes && !no) return invalid(quoted(text) + " is no boolean");
    set(config, yes);
    return {};
  }
  Result<> operator()(void (*set)(Config&, std::uint32_t)) const {
    return store(number_of(option, text).map([](std::int64_t number) {
      return static_cast<std::uint32_t>(number);
    }),
                 set);
  }
  Result<> operator()(void (*set)(Config&, seconds)) const {
    return store(number_of(option, text).map([](std::int64_t number) {
      return seconds(number);
    }),
                 set);
  }
  Result<> operator()(void (*set)(Config&, milliseconds)) const {
    return store(delay_of(option, text), set);
  }
  Result<> operator()(void (*set)(Config&, Secret)) const {
    return store(check_text(option, text).map([this] { return Secret(text); }),
                 set);
  }
  Result<> operator()(void (*set)(Config&, std::string)) const {
    return store(
        check_text(option, text).map([this] { return std::string(text); }),
        set);
  }
  Result<> operator()(void (*set)(Config&, std::vector<std::string>)) const {
    std::vector<std::string> items = list_of(text);
    for (const std::string& item : items) {
      if (auto checked = check_text(option, item); !checked) return checked;
    }
    set(config, std::move(items));
    return {};
  }
  Result<> operator()(void (*set)(Config&, std::size_t)) const {
    return store(choice_of(option, text), set);
  }
};

}  // namespace

std::string_view to_string(OptionType type) {
  switch (type) {
    case OptionType::kBoolean:
      return "boolean";
    case OptionType::kInteger:
      return "integer";
    case OptionType::kSeconds:
      return "seconds";
    case OptionType::kDelay:
      return "seconds";
    case OptionType::kString:
      return "string";
    case OptionType::kSecret:
      return "secret";
    case OptionType::kPath:
      return "path";
    case OptionType::kUrl:
      return "URL";
    case OptionType::kList:
      return "list";
    case OptionType::kChoice:
      return "choice";
  }
  return "unknown";
}

std::string expected_text(const Option& option) {
  switch (option.type) {
    case OptionType::kBoolean:
      return "true or false";
    case OptionType::kInteger:
      return fmt::format("an integer from {} to {}", option.min, option.max);
    case OptionType::kSeconds:
      return fmt::format("seconds, an integer from {} to {}", option.min,
                         option.max);
    case OptionType::kDelay:
      return fmt::format("seconds, a number from {} to {}", option.min,
                         option.max);
    case OptionType::kChoice:
      return fmt::format("{}", fmt::join(option.choices, " or "));
    case OptionType::kList:
      return fmt::format("{}, separated by commas", option.expected);
    case OptionType::kString:
    case OptionType::kSecret:
    case OptionType::kPath:
    case OptionType::kUrl:
      break;
  }
  if (!option.expected.empty()) return std::string(option.expected);
  return "text on one line";
}

Result<> set_option(const Option& option, std::string_view text,
                    Config& config) {
  const Result<> done = std::visit(Read{option, text, config}, option.set);
  if (done) return {};
  return invalid(fmt::format("{}; expected {}", done.error().message(),
                             expected_text(option)));
}

}  // namespace pxegate
