// SPDX-License-Identifier: Apache-2.0
//
// A generator of systemd (systemd.generator(7)): gives pxegate.service the
// privileges of the driver that is configured, and no others. It must not keep
// a machine from booting: whatever fails, the unit is taken as it is installed,
// and its exit status is 0.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "controller/app/driver_needs.h"
#include "controller/app/text_table.h"
#include "controller/app/unit_drop_in.h"
#include "controller/base/fd.h"
#include "controller/config/load_config.h"

namespace {

// There is no journal yet when the machine boots.
void warn(std::string_view message) {
  const std::string line =
      fmt::format("pxegate-generator: {}\n", pxegate::printable(message));
  const pxegate::UniqueFd kmsg(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  const std::string record = "<4>" + line;
  if (!kmsg || ::write(kmsg.get(), record.data(), record.size()) < 0) {
    std::cerr << line;
  }
}

void generate(const std::filesystem::path& directory,
              const std::string& config_file) {
  if (!std::filesystem::exists(config_file)) return;
  const auto loaded = pxegate::load_config_leniently({.files = {config_file}});
  for (const std::string& problem : loaded.problems) warn(problem);
  if (!pxegate::driver_needs(loaded.config)) {
    warn(fmt::format(
        "driver {} is not one of pxegate's own: pxegate.service is started "
        "without privileges. Give it what that driver needs by `systemctl "
        "edit pxegate`",
        loaded.config.pxe_filter.driver));
  }
  const auto folder = directory / "pxegate.service.d";
  std::filesystem::create_directories(folder);
  std::ofstream file(folder / "50-driver.conf");
  file << pxegate::unit_drop_in(loaded.config) << std::flush;
  if (!file) warn("cannot write " + (folder / "50-driver.conf").string());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2 && argc != 4) {
    std::cerr << "usage: pxegate-generator NORMAL-DIR [EARLY-DIR LATE-DIR]\n"
                 "Run by systemd. PXEGATE_CONFIG_FILE names another "
                 "configuration.\n";
    return 0;
  }
  const char* config = ::secure_getenv("PXEGATE_CONFIG_FILE");
  generate(argv[1], config != nullptr
                        ? std::string(config)
                        : std::string(pxegate::kDefaultConfigFile));
  return 0;
} catch (const std::exception& error) {
  warn(error.what());
  return 0;
}
