// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "controller/config/load_config.h"
#include "controller/config/options.h"

namespace pxegate {
namespace {

constexpr std::size_t kWidth = 78;

// `text` as comment lines of at most kWidth columns.
std::string comment(std::string_view text) {
  std::string out;
  std::string line = "#";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (line.size() + 1 + word.size() > kWidth && line.size() > 1) {
      out += line + "\n";
      line.assign(1, '#');
    }
    line.append(" ").append(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + "\n";
}

// What there is to know about the value beside the help.
std::string facts(const Option& option) {
  std::string text = fmt::format("({}", to_string(option.type));
  if (option.type != OptionType::kBoolean &&
      option.type != OptionType::kSecret) {
    const std::string expected = expected_text(option);
    if (option.type == OptionType::kChoice || !option.expected.empty()) {
      text += ": " + expected;
    } else if (option.max != 0) {
      text += fmt::format(": {} to {}", option.min, option.max);
    }
  }
  text += option.default_text.empty()
              ? "; unset by default"
              : fmt::format("; default: {}", option.default_text);
  for (const OptionAlias& alias : option.aliases) {
    if (!alias.deprecated) continue;
    text += alias.section.empty()
                ? fmt::format("; deprecated name: {}", alias.name)
                : fmt::format("; deprecated name: [{}] {}", alias.section,
                              alias.name);
  }
  return text + ")";
}

std::string assignment(const Option& option) {
  if (option.section == "pxe_filter" && option.name == "driver") {
    return "driver = xdp\n";
  }
  const std::string_view value =
      option.default_text.empty() ? option.example : option.default_text;
  return fmt::format("#{} ={}{}\n", option.name, value.empty() ? "" : " ",
                     value);
}

}  // namespace

std::string sample_config() {
  std::string out =
      "# Configuration of pxegate. A line that starts with '#' is a comment;\n"
      "# '#' anywhere else belongs to the value. What is commented out below\n"
      "# shows the default or, where there is none, an example.\n"
      "#\n"
      "# Two options are to be set: [xdp] interfaces and [ironic]\n"
      "# endpoint_override, or a login at Keystone. Unset, they are assumed "
      "to\n"
      "# be [iptables] dnsmasq_interface and an Ironic on this host.\n";
  std::string_view section;
  for (const Option& option : options()) {
    if (option.section != section) {
      section = option.section;
      out += fmt::format("\n[{}]\n", section);
    }
    out += "\n" + comment(option.help) + comment(facts(option)) +
           assignment(option);
  }
  return out;
}

}  // namespace pxegate
