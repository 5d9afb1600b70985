// SPDX-License-Identifier: Apache-2.0
#include "controller/app/reference.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "controller/app/builtin_drivers.h"
#include "controller/config/options.h"

namespace pxegate {
namespace {

ReferenceOption described(const CLI::Option& option) {
  ReferenceOption made;
  made.positional = option.get_positional();
  if (made.positional) {
    made.names.push_back(option.get_name(true));
  } else {
    for (const std::string& name : option.get_snames()) {
      made.names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
      made.names.push_back("--" + name);
    }
    if (option.get_items_expected_max() > 0) {
      made.value = option.get_type_name();
      // A type and its range: "INT:INT in [1 - 3600]".
      made.value = made.value.substr(0, made.value.find(':'));
    }
  }
  made.default_text = option.get_default_str();
  made.help = option.get_description();
  return made;
}

void add(const CLI::App& app, const std::string& path,
         std::vector<ReferenceCommand>& all) {
  ReferenceCommand command{.path = path,
                           .summary = app.get_description(),
                           .help = app.get_footer(),
                           .options = {},
                           .commands = {}};
  for (const CLI::Option* option : app.get_options()) {
    command.options.push_back(described(*option));
  }
  const auto subcommands =
      app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* each : subcommands) {
    command.commands.push_back(each->get_name());
  }
  all.push_back(std::move(command));
  for (const CLI::App* each : subcommands) {
    add(*each, path.empty() ? each->get_name() : path + " " + each->get_name(),
        all);
  }
}

}  // namespace

std::vector<ReferenceCommand> reference_commands(Grammar& grammar) {
  std::vector<ReferenceCommand> all;
  add(grammar.app(), "", all);
  return all;
}

ValueWords value_words(std::string_view value) {
  ValueWords words;
  words.files = value == "FILE";
  words.directories = value == "DIR";
  if (value == "NAME") {
    for (const DriverEntry& driver : builtin_drivers(default_config())) {
      words.words.push_back(driver.name);
    }
  }
  return words;
}

}  // namespace pxegate
