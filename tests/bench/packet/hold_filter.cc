// SPDX-License-Identifier: Apache-2.0
//
// hold_filter: has an interface filtered until its standard input ends, for
// the benchmarks that send it frames. Answers each line that it reads:
//
//   sync   "ok", when the policy is confirmed, as a controller does it
//   heard  how many datagrams came to the --listen port since the last time
//
// and says "ready" first.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "controller/app/drivers.h"
#include "controller/base/log.h"
#include "controller/config/load_config.h"
#include "tests/bench/packet/programs.h"
#include "tests/support/machines.h"

namespace pxegate::bench {
namespace {

struct Options {
  std::string filter;
  std::string interface;
  std::string config;
  std::uint32_t denied = 1;
  std::uint32_t allowed = 0;
  std::uint16_t listen = 0;
};

// One of pxegate's drivers, as its configuration names it.
class Pxegate {
 public:
  static Result<Pxegate> start(const Options& options) {
    const auto loaded = load_config({.files = {options.config}, .dir = {}});
    if (!loaded) return fail(loaded.error());
    auto registry = available_drivers(loaded->config);
    if (!registry) return fail(registry.error());
    auto driver = registry->create(loaded->config.pxe_filter.driver);
    if (!driver) return fail(driver.error());
    auto rules = testing::many(0, options.denied, Verdict::kDeny);
    for (std::uint32_t i = 0; i < options.allowed; ++i) {
      rules.push_back({machine(kFirstAllowed + i), Verdict::kAllow});
    }
    Pxegate filter(*std::move(driver),
                   testing::snapshot(rules, Verdict::kAllow));
    if (auto done = filter.driver_->initialize(); !done) {
      return fail(done.error());
    }
    if (auto done = filter.sync(); !done) return fail(done.error());
    return filter;
  }
  Pxegate(Pxegate&&) = default;
  Pxegate& operator=(Pxegate&&) = delete;
  ~Pxegate() {
    if (!driver_) return;
    driver_->shut_down();
    if (auto gone = driver_->tear_down(); !gone) {
      std::cerr << "hold_filter: " << gone.error().message() << '\n';
    }
  }

  Result<> sync() {
    if (auto done = driver_->sync(policy_); !done) return fail(done.error());
    return {};
  }

 private:
  Pxegate(std::unique_ptr<FilterDriver> driver, Snapshot policy)
      : driver_(std::move(driver)), policy_(std::move(policy)) {}
  std::unique_ptr<FilterDriver> driver_;
  Snapshot policy_;
};

// A program of the benchmark's own, or xdp-filter's.
class Attached {
 public:
  static Result<Attached> start(const Options& options) {
    Attached attached;
    int program = -1;
    if (options.filter == "xdp-filter") {
      auto filter = XdpFilter::load(machines(options.denied));
      if (!filter) return fail(filter.error());
      attached.xdp_filter_.emplace(*std::move(filter));
      program = attached.xdp_filter_->program();
    } else {
      auto programs = BenchPrograms::load();
      if (!programs) return fail(programs.error());
      attached.programs_.emplace(*std::move(programs));
      program = attached.programs_->bare_drop();
    }
    auto link = attach(program, options.interface, true);
    if (!link) return fail(link.error());
    attached.link_ = *std::move(link);
    return attached;
  }

 private:
  Attached() = default;
  std::optional<XdpFilter> xdp_filter_;
  std::optional<BenchPrograms> programs_;
  UniqueFd link_;
};

// The place of a DHCP server or client that answers nothing.
class Listener {
 public:
  static Result<Listener> open(std::uint16_t port) {
    UniqueFd socket(
        ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno("making a socket", errno);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any),
               sizeof(any)) != 0) {
      return fail_errno(fmt::format("listening on UDP port {}", port), errno);
    }
    return Listener(std::move(socket));
  }

  std::uint64_t heard() const {
    std::uint64_t count = 0;
    std::array<char, 2048> datagram{};
    while (::recv(socket_.get(), datagram.data(), datagram.size(), 0) >= 0) {
      ++count;
    }
    return count;
  }

 private:
  explicit Listener(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

Result<> run(const Options& options) {
  std::optional<Pxegate> pxegate;
  std::optional<Attached> attached;
  std::optional<Listener> listener;
  if (options.filter == "pxegate") {
    auto started = Pxegate::start(options);
    if (!started) return fail(started.error());
    pxegate.emplace(*std::move(started));
  } else if (options.filter != "none") {
    auto started = Attached::start(options);
    if (!started) return fail(started.error());
    attached.emplace(*std::move(started));
  }
  if (options.listen != 0) {
    auto opened = Listener::open(options.listen);
    if (!opened) return fail(opened.error());
    listener.emplace(*std::move(opened));
  }
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "sync") {
      if (pxegate) {
        if (auto done = pxegate->sync(); !done) return done;
      }
      std::cout << "ok" << std::endl;
    } else if (line == "heard" && listener) {
      std::cout << listener->heard() << std::endl;
    } else {
      return fail("not understood: " + line);
    }
  }
  return {};
}

}  // namespace
}  // namespace pxegate::bench

int main(int argc, char** argv) {
  pxegate::bench::Options options;
  CLI::App app("Has an interface filtered until standard input ends.");
  app.add_option("filter", options.filter)
      ->required()
      ->check(CLI::IsMember({"none", "drop", "xdp-filter", "pxegate"}));
  app.add_option("interface", options.interface)->required();
  app.add_option("--config", options.config, "Of pxegate: names the driver");
  app.add_option("--denied", options.denied, "Machines, numbered from 0 on");
  app.add_option("--allowed", options.allowed,
                 "Machines, numbered from 900000");
  app.add_option("--listen", options.listen, "A UDP port to hear on");
  CLI11_PARSE(app, argc, argv);
  if (!pxegate::log::configure(pxegate::log::Level::kError, "")) return 1;
  if (const auto done = pxegate::bench::run(options); !done) {
    std::cerr << "hold_filter: " << done.error().message() << '\n';
    return 1;
  }
  return 0;
}
