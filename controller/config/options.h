// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_OPTIONS_H_
#define PXEGATE_CONTROLLER_CONFIG_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/base/result.h"
#include "controller/config/config.h"

namespace pxegate {

// How a value is written and read.
enum class OptionType {
  kBoolean,  // 1/0, yes/no, true/false, on/off in any case
  kInteger,  // within [min, max]; empty stands for the default
  kSeconds,  // an integer
  kDelay,    // seconds, with decimals; empty stands for the default
  kString,
  kSecret,  // a string that no message may show
  kPath,    // a string
  kUrl,     // a string
  kList,    // of strings, comma separated; blanks around items are dropped
  kChoice,  // one of `choices`, exactly as written
};
// As the documentation calls it: "boolean", "integer", ….
std::string_view to_string(OptionType type);

// Another name under which files may hold the option.
struct OptionAlias {
  std::string_view section;  // empty: the option's own
  std::string_view name;
  bool deprecated = true;  // its use is worth a warning
};

// Puts the checked value into a Config. The type of the value follows the
// option's type: kInteger std::uint32_t, kChoice the index into `choices`.
using OptionSetter =
    std::variant<void (*)(Config&, bool), void (*)(Config&, std::uint32_t),
                 void (*)(Config&, std::chrono::seconds),
                 void (*)(Config&, std::chrono::milliseconds),
                 void (*)(Config&, std::string), void (*)(Config&, Secret),
                 void (*)(Config&, std::vector<std::string>),
                 void (*)(Config&, std::size_t)>;

// One line of the option table. Everything that depends on which options
// exist is made from these: loading, the sample, the reference.
struct Option {
  std::string_view section;
  std::string_view name;
  OptionType type = OptionType::kString;
  std::string_view default_text;  // as it would stand in a file
  std::string_view help;          // sentences for an operator
  OptionSetter set;
  // The rest has a use for some types only.
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::span<const std::string_view> choices = {};
  // What else a string, or each item of a list, must satisfy; the message
  // says what is wrong and quotes nothing secret.
  Result<> (*check)(std::string_view value) = nullptr;
  std::string_view expected = {};  // by `check`, in words
  std::span<const OptionAlias> aliases = {};
  std::string_view example = {};  // for the sample, where the default is empty
  // Belongs to the login: [ironic] or [inspector] auth_section says where it
  // stands.
  bool login = false;
};

// The option table, grouped by section, in the order of the sample. Lives as
// long as the program.
std::span<const Option> options();

// An option of earlier services that is read past with a warning.
struct IgnoredOption {
  std::string_view section;
  std::string_view name;
  std::string_view instead;  // what does its work now, a clause
};
std::span<const IgnoredOption> ignored_options();

// The option of that name (aliases not considered); nullptr where none is.
const Option* find_option(std::string_view section, std::string_view name);

// What the option takes, in words: "an integer from 1 to 3600".
std::string expected_text(const Option& option);

// Reads `text` as a value of `option` into `config`. On failure (kInvalid) the
// message quotes the value, unless it is a secret, and says what was expected;
// `config` is unchanged.
Result<> set_option(const Option& option, std::string_view text,
                    Config& config);

// What the table holds for a file that sets nothing.
Config default_config();

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_OPTIONS_H_
