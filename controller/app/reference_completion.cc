// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "controller/app/reference.h"

namespace pxegate {
namespace {

constexpr std::string_view kMadeBy =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Made by pxegate's build from the grammar of its command line.\n";

// For single quotes of a shell.
std::string quoted_for(std::string_view text, std::string_view quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote;
    } else if (c == '\n') {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out + "'";
}
std::string sh(std::string_view text) { return quoted_for(text, R"('\'')"); }
std::string fish(std::string_view text) { return quoted_for(text, R"(\')"); }

std::vector<std::string> names_of(const ReferenceCommand& command) {
  std::vector<std::string> names;
  for (const ReferenceOption& option : command.options) {
    if (option.positional) continue;
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

// The names of those that take a value.
std::vector<std::string> taking_a_value(
    const std::vector<ReferenceCommand>& commands) {
  std::vector<std::string> names;
  for (const ReferenceCommand& command : commands) {
    for (const ReferenceOption& option : command.options) {
      if (option.positional || option.value.empty()) continue;
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
  }
  return names;
}

std::vector<std::string> paths_of(
    const std::vector<ReferenceCommand>& commands) {
  std::vector<std::string> paths;
  for (const ReferenceCommand& command : commands) {
    if (!command.path.empty()) paths.push_back(sh(command.path));
  }
  return paths;
}

}  // namespace

// Without bash-completion's helpers, which are not everywhere.
std::string bash_completion() {
  Grammar grammar;
  const auto commands = reference_commands(grammar);
  std::string out(kMadeBy);
  out += fmt::format(
      R"(# shellcheck shell=bash

_pxegate() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local command='' word words='' i
  # --option=value comes as three words.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $before == '=' ]] && ((COMP_CWORD > 1)); then
    before=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    case $word in
      {0})
        ((i++))
        [[ ${{COMP_WORDS[i]}} == '=' ]] && ((i++))
        ;;
      -*) ;;
      *)
        case "${{command:+$command }}$word" in
          {1}) command="${{command:+$command }}$word" ;;
        esac
        ;;
    esac
  done
  COMPREPLY=()
  case $before in
)",
      fmt::join(taking_a_value(commands), " | "),
      fmt::join(paths_of(commands), " | "));
  for (const ReferenceCommand& command : commands) {
    for (const ReferenceOption& option : command.options) {
      if (option.positional || option.value.empty()) continue;
      const ValueWords values = value_words(option.value);
      out += fmt::format("    {})\n", fmt::join(option.names, " | "));
      if (values.files || values.directories) {
        out += fmt::format(
            "      compopt -o filenames 2> /dev/null\n"
            "      mapfile -t COMPREPLY < <(compgen {} -- \"$current\")\n",
            values.files ? "-f" : "-d");
      } else if (!values.words.empty()) {
        out += fmt::format(
            "      mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\")\n",
            fmt::join(values.words, " "));
      }
      out += "      return\n      ;;\n";
    }
  }
  out += "  esac\n  case $command in\n";
  for (const ReferenceCommand& command : commands) {
    std::vector<std::string> words = command.commands;
    std::ranges::copy(names_of(command), std::back_inserter(words));
    if (!command.path.empty()) {
      // Those of the program may stand behind a command too.
      std::ranges::copy(taking_a_value({commands.front()}),
                        std::back_inserter(words));
    }
    out += fmt::format("    {}) words='{}' ;;\n", sh(command.path),
                       fmt::join(words, " "));
  }
  out +=
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}\n\n"
      "complete -F _pxegate pxegate\n";
  return out;
}

namespace {

// An argument of zsh's _arguments.
std::string zsh_option(const ReferenceOption& option, bool repeatable) {
  std::string help;
  for (const char c : option.help) {
    if (c == '[' || c == ']' || c == '\\' || c == ':') help += '\\';
    help += c;
  }
  std::string action;
  if (!option.value.empty()) {
    const ValueWords values = value_words(option.value);
    action = fmt::format(":{}:", option.value);
    if (values.files) {
      action += "_files";
    } else if (values.directories) {
      action += "_files -/";
    } else if (!values.words.empty()) {
      action += fmt::format("({})", fmt::join(values.words, " "));
    } else {
      action += " ";
    }
  }
  std::string out;
  for (const std::string& name : option.names) {
    const std::string equals =
        !option.value.empty() && name.starts_with("--") ? "=" : "";
    out += " \\\n    " + sh(fmt::format("{}{}{}[{}]{}", repeatable ? "*" : "",
                                        name, equals, help, action));
  }
  return out;
}

std::string zsh_function(const std::string& path) {
  std::string name = "_pxegate";
  for (const char c : path.empty() ? path : " " + path) {
    name += c == ' ' ? '_' : c;
  }
  return name;
}

}  // namespace

std::string zsh_completion() {
  Grammar grammar;
  const auto commands = reference_commands(grammar);
  std::string out = "#compdef pxegate\n" + std::string(kMadeBy);
  for (const ReferenceCommand& command : commands) {
    out += fmt::format(
        "\n{}() {{\n  local curcontext=$curcontext state\n"
        "  _arguments -C",
        zsh_function(command.path));
    for (const ReferenceOption& option : command.options) {
      if (option.positional) {
        out += " \\\n    " + sh(fmt::format(":{}: ", option.names.front()));
      } else {
        out += zsh_option(option, option.value == "FILE");
      }
    }
    if (!command.path.empty()) {
      for (const ReferenceOption& option : commands.front().options) {
        if (!option.value.empty()) {
          out += zsh_option(option, option.value == "FILE");
        }
      }
    }
    if (command.commands.empty()) {
      out += "\n}\n";
      continue;
    }
    out += " \\\n    '1: :->command' \\\n    '*:: :->arguments'\n";
    out += "  case $state in\n    command)\n      local -a commands=(";
    for (const ReferenceCommand& each : commands) {
      const std::string prefix = command.path.empty() ? "" : command.path + " ";
      for (const std::string& name : command.commands) {
        if (each.path == prefix + name) {
          out += "\n        " + sh(name + ":" + each.summary);
        }
      }
    }
    out +=
        "\n      )\n      _describe command commands\n      ;;\n"
        "    arguments)\n      case $words[1] in\n";
    for (const std::string& name : command.commands) {
      out += fmt::format(
          "        {}) {} ;;\n", name,
          zsh_function(command.path.empty() ? name
                                            : command.path + " " + name));
    }
    out += "      esac\n      ;;\n  esac\n}\n";
  }
  return out + "\n_pxegate \"$@\"\n";
}

std::string fish_completion() {
  Grammar grammar;
  const auto commands = reference_commands(grammar);
  std::string out(kMadeBy);
  out += fmt::format(
      R"(
# The command so far, without options: "config check".
function __pxegate_command
    set -l words (commandline -opc)
    set -l command
    set -l skip no
    for word in $words[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case {0}
                set skip yes
            case '-*'
            case '*'
                switch (string trim -- "$command $word")
                    case {1}
                        set command (string trim -- "$command $word")
                end
        end
    end
    echo "$command"
end

function __pxegate_at
    set -l command (__pxegate_command)
    test "$command" = "$argv[1]"
end

complete -c pxegate -f
)",
      fmt::join(taking_a_value(commands), " "),
      fmt::join(paths_of(commands), " "));
  for (const ReferenceCommand& command : commands) {
    const std::string here =
        command.path.empty()
            ? ""
            : fmt::format(" -n \"__pxegate_at '{}'\"", command.path);
    for (const std::string& name : command.commands) {
      const std::string path =
          command.path.empty() ? name : command.path + " " + name;
      for (const ReferenceCommand& each : commands) {
        if (each.path != path) continue;
        out += fmt::format(
            "complete -c pxegate -n \"__pxegate_at '{}'\" -a {} -d {}\n",
            command.path, name, fish(each.summary));
      }
    }
    for (const ReferenceOption& option : command.options) {
      if (option.positional) continue;
      const bool help =
          std::ranges::find(option.names, "--help") != option.names.end();
      // Each command has its own.
      if (help && !command.path.empty()) continue;
      out += "complete -c pxegate" + here;
      for (const std::string& name : option.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2)
                                      : " -s " + name.substr(1);
      }
      if (!option.value.empty()) {
        const ValueWords values = value_words(option.value);
        out += values.files || values.directories ? " -r -F" : " -x";
        if (!values.words.empty()) {
          out += fmt::format(" -a '{}'", fmt::join(values.words, " "));
        }
      }
      out += " -d " + fish(option.help) + "\n";
    }
  }
  return out;
}

}  // namespace pxegate
