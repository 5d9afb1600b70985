// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <sstream>

#include "controller/app/cli.h"
#include "controller/app/reference.h"
#include "controller/config/options.h"

namespace pxegate {
namespace {

// `text` in lines of at most kWidth columns.
std::string wrapped(std::string_view text) {
  constexpr std::size_t kWidth = 72;
  std::string out;
  std::string line;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line;
}

// Text for roff: nothing of it is taken for a request or a special character.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '\'':
        out += "\\(aq";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Help as --help prints it: paragraphs, and examples that begin with two
// blanks.
std::string roff_help(std::string_view help) {
  std::string out;
  bool example = false;
  bool gap = false;
  std::istringstream lines{std::string(help)};
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (example && !indented) {
      out += ".EE\n.RE\n";
      example = false;
      gap = true;
    }
    if (line.empty()) {
      gap = true;
      continue;
    }
    if (indented && !example) {
      out += ".PP\n.RS 4\n.EX\n";
      example = true;
    } else if (gap && !indented) {
      out += ".PP\n";
    }
    gap = false;
    out += roff(indented ? line.substr(2) : line) + "\n";
  }
  if (example) out += ".EE\n.RE\n";
  return out;
}

std::string header(std::string_view name, int section, std::string_view date,
                   std::string_view manual) {
  return fmt::format(
      ".\\\" SPDX-License-Identifier: Apache-2.0\n"
      ".\\\" Made by pxegate's build from its command line and option table.\n"
      ".TH {} {} {} \"pxegate {}\" \"{}\"\n",
      name, section, date, PXEGATE_VERSION, manual);
}

std::string usage(const ReferenceCommand& command) {
  std::string line = ".B pxegate";
  if (!command.path.empty()) line += " " + roff(command.path);
  line += "\n";
  for (const ReferenceOption& option : command.options) {
    if (option.positional) {
      line += fmt::format(".RI [ {} ]\n", roff(option.names.front()));
    } else if (option.names.back() != "--help") {
      line += fmt::format(".RB [ {}{} ]\n", roff(option.names.back()),
                          option.value.empty()
                              ? ""
                              : fmt::format(" \\fI{}\\fP", roff(option.value)));
    }
  }
  if (!command.commands.empty()) line += ".I COMMAND\n";
  return line;
}

std::string option_list(const ReferenceCommand& command) {
  std::string out;
  for (const ReferenceOption& option : command.options) {
    // Said once, of all.
    if (option.names.back() == "--help" && !command.path.empty()) continue;
    out += ".TP\n";
    if (option.positional) {
      out += fmt::format(".I {}\n", roff(option.names.front()));
    } else {
      std::string names;
      for (const std::string& name : option.names) {
        names += (names.empty() ? "" : ", ") + roff(name);
      }
      if (option.value.empty()) {
        out += fmt::format(".B \"{}\"\n", names);
      } else {
        out += fmt::format(".BI \"{} \" {}\n", names, roff(option.value));
      }
    }
    out += roff(option.help) + ".";
    if (!option.default_text.empty()) {
      out += fmt::format(" Default: {}.", roff(option.default_text));
    }
    out += "\n";
  }
  return out;
}

// The parts of pxegate(8) that are in no table.
constexpr std::string_view kSignals = R"(.SH SIGNALS
Those of
.BR "pxegate run" :
.TP
.BR SIGTERM ", " SIGINT
End; the filter stays in force with its last policy, unless the driver's
.I on_exit
or
.I dnsmasq_stop_command
says otherwise.
.TP
.B SIGHUP
Read the configuration again. Where that fails, what is in force stays. Another
driver takes over with its first complete sync.
)";

constexpr std::string_view kEnvironment = R"(.SH ENVIRONMENT
.TP
.BR OS_CLIENT_CONFIG_FILE ", " XDG_CONFIG_HOME ", " HOME
Where the clouds.yaml is that
.I cloud
in the configuration names a cloud of.
.TP
.B OS_*
A login, for
.B "pxegate config check \-\-connect"
alone and where the configuration has none.
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC
Set by
.BR systemd (1),
which is told of readiness and of life.
)";

constexpr std::string_view kFilesOfProgram = R"(.SH FILES
.TP
.I /etc/pxegate/pxegate.conf
The configuration, read unless
.B \-\-config\-file
names others.
.TP
.I /run/pxegate/pxegate.sock
The socket through which the commands reach the controller. Members of the group
.I pxegate
may use it.
.TP
.I /sys/fs/bpf/pxegate
What the driver xdp keeps in force without a controller.
.TP
.I /usr/lib/pxegate/drivers
Drivers of other vendors.
)";

// "integer from 1 to 3600", and so on; no secret has an example.
std::string value_of(const Option& option) {
  std::string text(to_string(option.type));
  if (option.type == OptionType::kChoice || !option.expected.empty()) {
    text = option.type == OptionType::kList ? "list of " : "";
    text += option.type == OptionType::kChoice ? expected_text(option)
                                               : std::string(option.expected);
  } else if (option.max != 0) {
    text += fmt::format(" from {} to {}", option.min, option.max);
  }
  return text;
}

std::vector<std::string> deprecated_names(const Option& option) {
  std::vector<std::string> names;
  for (const OptionAlias& alias : option.aliases) {
    if (!alias.deprecated) continue;
    names.push_back(alias.section.empty() || alias.section == option.section
                        ? std::string(alias.name)
                        : fmt::format("[{}] {}", alias.section, alias.name));
  }
  return names;
}

std::string joined(const std::vector<std::string>& parts,
                   std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += between;
    out += part;
  }
  return out;
}

}  // namespace

std::string manual_of_program(std::string_view date) {
  Grammar grammar;
  const auto commands = reference_commands(grammar);
  std::string out = header("PXEGATE", 8, date, "System administration");
  out +=
      ".SH NAME\n"
      "pxegate \\- decide in the kernel which machines may network-boot\n"
      ".SH SYNOPSIS\n.nh\n.ad l\n";
  bool first = true;
  for (const ReferenceCommand& command : commands) {
    if (!command.commands.empty() && !command.path.empty()) continue;
    if (!first) out += ".br\n";
    first = false;
    out += usage(command);
  }
  out += ".ad\n.hy\n.SH DESCRIPTION\n" + roff_help(commands.front().summary) +
         ".PP\n" + roff_help(commands.front().help) +
         ".SH OPTIONS\nThey may stand behind the command too.\n" +
         option_list(commands.front()) + ".SH COMMANDS\n";
  for (const ReferenceCommand& command : commands) {
    if (command.path.empty()) continue;
    out += fmt::format(".SS {}\n{}.\n.PP\n", roff(command.path),
                       roff(command.summary)) +
           roff_help(command.help) + option_list(command);
  }
  out += fmt::format(
      ".SH EXIT STATUS\n.TP\n.B {}\nSuccess.\n.TP\n.B {}\n"
      "Failure; with\n.BR \"pxegate status\" ,\nnot all is well.\n.TP\n"
      ".B {}\nThe command line or the configuration is wrong.\n",
      kExitSuccess, kExitFailure, kExitUsage);
  out += kSignals;
  out += kEnvironment;
  out += kFilesOfProgram;
  out +=
      ".SH SEE ALSO\n.BR pxegate.conf (5),\n.BR bpftool (8),\n"
      ".BR dnsmasq (8),\n.BR nft (8),\n.BR iptables (8)\n";
  return out;
}

std::string manual_of_config(std::string_view date) {
  std::string out = header("PXEGATE.CONF", 5, date, "File formats");
  out +=
      ".SH NAME\npxegate.conf \\- configuration of pxegate\n"
      ".SH SYNOPSIS\n.I /etc/pxegate/pxegate.conf\n.SH DESCRIPTION\n"
      "The file has sections,\n.RI [ NAME ],\nand in them options, one a "
      "line,\n"
      ".IR NAME \" = \" VALUE .\n"
      "A line that begins with # is a comment; # anywhere else belongs to the\n"
      "value. A line that begins with a blank continues the one before. $name\n"
      "and ${section.name} stand for the value of another option, $$ for a\n"
      "dollar sign. Sections and options that are not listed here are passed\n"
      "over, so that a file of Ironic or of ironic\\-inspector can be used as\n"
      "it stands.\n.PP\n"
      ".B \"pxegate config check\"\nreports every problem with file and line,\n"
      ".B \"pxegate config sample\"\nprints a file with every option.\n";
  std::string_view section;
  for (const Option& option : options()) {
    if (option.section != section) {
      section = option.section;
      out += fmt::format(".SH [{}]\n", roff(section));
    }
    out += fmt::format(".TP\n.B {}\n", roff(option.name));
    std::string facts = value_of(option);
    facts += option.default_text.empty()
                 ? "; unset by default."
                 : fmt::format("; default: {}.", option.default_text);
    const auto deprecated = deprecated_names(option);
    if (!deprecated.empty()) {
      facts += fmt::format(" Deprecated: {}.", joined(deprecated, ", "));
    }
    out += fmt::format("{}\n.br\n{}\n", roff(wrapped("(" + facts + ")")),
                       roff(wrapped(option.help)));
  }
  out +=
      ".SH IGNORED\nOptions of earlier services, read past with a "
      "warning:\n";
  for (const IgnoredOption& ignored : ignored_options()) {
    out += fmt::format(".TP\n.B [{}] {}\n{}.\n", roff(ignored.section),
                       roff(ignored.name), roff(ignored.instead));
  }
  out +=
      ".SH FILES\n.I /etc/pxegate/pxegate.conf\n"
      ".SH SEE ALSO\n.BR pxegate (8)\n";
  return out;
}

std::string configuration_page() {
  std::string out =
      "# Configuration reference\n\n"
      "Made from the option table by `cmake --build BUILD --target "
      "write_docs`;\na test fails where the two differ. The same is in "
      "`man pxegate.conf`, and\n`pxegate config sample` prints it as a "
      "file.\n\n"
      "A line that begins with `#` is a comment; `#` anywhere else belongs to "
      "the\nvalue. A line that begins with a blank continues the one before. "
      "`$name` and\n`${section.name}` stand for the value of another option. "
      "A deprecated name works,\nwith a warning.\n";
  std::string_view section;
  for (const Option& option : options()) {
    if (option.section != section) {
      section = option.section;
      out += fmt::format(
          "\n## [{}]\n\n| option | takes | default | deprecated names |\n"
          "| --- | --- | --- | --- |\n",
          section);
      for (const Option& each : options()) {
        if (each.section != section) continue;
        std::vector<std::string> deprecated = deprecated_names(each);
        for (std::string& name : deprecated) name = "`" + name + "`";
        out += fmt::format(
            "| `{}` | {} | {} | {} |\n", each.name, value_of(each),
            each.default_text.empty() ? std::string()
                                      : fmt::format("`{}`", each.default_text),
            joined(deprecated, ", "));
      }
    }
    out += fmt::format(
        "\n{}\n",
        wrapped(fmt::format("**`{}`**: {}", option.name, option.help)));
  }
  out +=
      "\n## Ignored\n\nOptions of earlier services, read past with a "
      "warning:\n\n| option | instead |\n| --- | --- |\n";
  for (const IgnoredOption& ignored : ignored_options()) {
    out += fmt::format("| `[{}] {}` | {} |\n", ignored.section, ignored.name,
                       ignored.instead);
  }
  return out;
}

}  // namespace pxegate
