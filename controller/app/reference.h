// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_REFERENCE_H_
#define PXEGATE_CONTROLLER_APP_REFERENCE_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/app/cli_grammar.h"

namespace pxegate {

// What is installed beside the program and says what it can do: made from the
// grammar of the command line and from the option table when pxegate is built,
// so that none of it can be behind. All are pure and do not fail.

// One option, or positional argument, of a command.
struct ReferenceOption {
  std::vector<std::string> names;  // with their dashes; a positional's: one
  bool positional = false;
  std::string value;         // what it takes, as in --help; empty: nothing
  std::string default_text;  // empty: none
  std::string help;
};

struct ReferenceCommand {
  std::string path;  // "config check"; empty: the program itself
  std::string summary;
  std::string help;
  std::vector<ReferenceOption> options;
  std::vector<std::string> commands;  // the names of its sub-commands
};

// The program and every command, each before its sub-commands.
std::vector<ReferenceCommand> reference_commands(Grammar& grammar);

// What completes a value that --help calls so: words of a fixed list, files,
// directories, or nothing.
struct ValueWords {
  bool files = false;
  bool directories = false;
  std::vector<std::string> words;
};
ValueWords value_words(std::string_view value);

// `date` as in 2024-12-31.
std::string manual_of_program(std::string_view date);  // pxegate(8)
std::string manual_of_config(std::string_view date);   // pxegate.conf(5)
std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();
std::string configuration_page();  // docs/configuration.md

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_REFERENCE_H_
