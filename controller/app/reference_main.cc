// SPDX-License-Identifier: Apache-2.0
//
// Prints what is installed beside the program. Used by the build, not
// installed.
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/app/reference.h"
#include "controller/config/load_config.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string date = arguments.size() == 2 ? arguments[1] : "";
  const std::map<std::string_view, std::function<std::string()>> kinds = {
      {"pxegate.8", [&] { return pxegate::manual_of_program(date); }},
      {"pxegate.conf.5", [&] { return pxegate::manual_of_config(date); }},
      {"bash", pxegate::bash_completion},
      {"zsh", pxegate::zsh_completion},
      {"fish", pxegate::fish_completion},
      {"pxegate.conf", pxegate::sample_config},
      {"configuration.md", pxegate::configuration_page},
  };
  const auto kind = kinds.find(arguments.empty() ? "" : arguments.front());
  if (kind == kinds.end() || arguments.size() > 2) {
    std::cerr << "usage: pxegate_reference KIND [YYYY-MM-DD]\nKinds:";
    for (const auto& [name, make] : kinds) std::cerr << " " << name;
    std::cerr << "\n";
    return 2;
  }
  std::cout << kind->second() << std::flush;
  return std::cout ? 0 : 1;
}
