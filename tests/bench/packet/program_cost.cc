// SPDX-License-Identifier: Apache-2.0
//
// program_cost: what a packet costs each program, by BPF_PROG_TEST_RUN, and
// whether pxegate meets its targets. All cells are measured in each round, in
// another order each time. Needs root; docs/benchmarks.md holds a run.
#include <net/if.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <linux/bpf.h>

#include "controller/base/log.h"
#include "drivers/xdp/xdp_driver.h"
#include "tests/bench/packet/figures.h"
#include "tests/bench/packet/frames.h"
#include "tests/bench/packet/programs.h"
#include "tests/support/machines.h"
#include "tests/support/netns.h"

namespace pxegate::bench {
namespace {

using testing::Bytes;
using testing::Mac;

// Machines numbered from here on are in no policy.
constexpr std::uint32_t kFirstUnknown = 1'000'000;

// Frames that a filter let through and dropped, by its own counters.
struct Counts {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
};

// pxegate's program on an interface of its own, put there and filled by its
// driver. Removed with this object.
class Filter {
 public:
  static Result<Filter> start(std::uint32_t rules) {
    Filter filter;
    filter.interface_ = fmt::format("eth{}", rules);
    if (auto done = testing::add_veth(filter.interface_); !done) {
      return fail(done.error());
    }
    XdpOptions options;
    options.interfaces = {filter.interface_};
    options.pin_path =
        fmt::format("/sys/fs/bpf/pxegate-bench{}-{}", ::getpid(), rules);
    filter.pin_path_ = options.pin_path;
    filter.driver_ = make_xdp_driver(options);
    // One of the rules allows; the machine asked about is the last denied.
    auto policy = testing::many(0, rules - 1, Verdict::kDeny);
    policy.push_back({machine(kFirstAllowed), Verdict::kAllow});
    filter.policy_ = testing::snapshot(policy, Verdict::kAllow);
    if (auto done = filter.driver_->initialize(); !done) {
      return fail(done.error());
    }
    if (auto done = filter.refresh(); !done) return fail(done.error());
    auto program = program_of(filter.interface_);
    if (!program) return fail(program.error());
    filter.program_ = *std::move(program);
    return filter;
  }

  Filter(Filter&&) = default;
  Filter& operator=(Filter&&) = delete;
  ~Filter() {
    if (!driver_) return;
    program_.reset();
    if (auto gone = driver_->tear_down(); !gone) {
      std::cerr << gone.error().message() << '\n';
    }
    driver_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(pin_path_, ignored);
  }

  int program() const { return program_.get(); }

  // As a controller does it: a policy that nobody confirms gets stale.
  Result<> refresh() {
    if (auto done = driver_->sync(policy_); !done) return fail(done.error());
    return {};
  }

  Result<Counts> counts() const {
    const auto seen = driver_->observe();
    if (!seen) return fail(seen.error());
    Counts counts;
    for (const CounterRecord& counter : seen->counters) {
      (counter.verdict == Verdict::kAllow ? counts.allowed : counts.denied) +=
          counter.packets;
    }
    return counts;
  }

 private:
  Filter() = default;
  std::string interface_;
  std::string pin_path_;
  std::unique_ptr<FilterDriver> driver_;
  Snapshot policy_;
  UniqueFd program_;
};

// How a filter's counters go on with each frame.
enum class Counted { kNothing, kAllowed, kDenied };

// One program on one kind of frame.
struct Cell {
  std::string program;
  std::string frame_name;
  std::uint32_t rules = 0;
  bool cold = false;
  Bytes frame;
  std::uint32_t verdict = 0;
  std::uint32_t repeat = 0;
  // Readies what the cells share, and tells what to run.
  std::function<int()> prepare;
  // Where the program counts: what it must have counted.
  std::function<Result<Counts>()> counts;
  Counted counted = Counted::kNothing;

  std::vector<double> ns{};  // per frame, one value a round
  std::uint64_t frames = 0;
  std::uint64_t wrong = 0;

  Figures figures() const { return figures_of(ns); }
};

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a < b ? b - a : a - b;
}

Result<> measure(Cell& cell, std::uint32_t warm_up) {
  Counts before;
  if (cell.counts) {
    auto counts = cell.counts();
    if (!counts) return fail(counts.error());
    before = *counts;
  }
  const int program = cell.prepare();
  if (auto warm = test_run(program, cell.frame, warm_up); !warm) {
    return fail(warm.error());
  }
  // The call itself costs more for a program that is attached nowhere: the
  // kernel writes a jump to it first.
  const auto call = test_run(program, cell.frame, 1);
  if (!call) return fail(call.error());
  const auto run = test_run(program, cell.frame, cell.repeat);
  if (!run) return fail(run.error());
  cell.ns.push_back((run->cpu_ns - call->cpu_ns) / (cell.repeat - 1));
  const std::uint64_t frames = std::uint64_t{warm_up} + 1 + cell.repeat;
  cell.frames += frames;
  std::uint64_t wrong = run->verdict == cell.verdict ? 0 : 1;
  if (cell.counts) {
    const auto after = cell.counts();
    if (!after) return fail(after.error());
    wrong = std::max({wrong,
                      distance(cell.counted == Counted::kAllowed ? frames : 0,
                               after->allowed - before.allowed),
                      distance(cell.counted == Counted::kDenied ? frames : 0,
                               after->denied - before.denied)});
  }
  cell.wrong += wrong;
  return {};
}

struct Options {
  std::uint32_t rounds = 21;
  std::uint32_t repeat = 1'000'000;
  std::vector<std::uint32_t> rules{10, 1'000, 100'000};
  std::uint32_t seed = 1;
  std::string json;
};

constexpr char kBarePass[] = "bare XDP_PASS";
constexpr char kBareDrop[] = "bare XDP_DROP";
constexpr char kXdpFilter[] = "xdp-filter, Ethernet";
constexpr char kHash[] = "one lookup in a hash, preallocated";
constexpr char kLazyHash[] = "one lookup in a hash, not preallocated";
constexpr char kPxegate[] = "pxegate";

// Everything that is measured, and what it needs.
class Bench {
 public:
  static Result<std::unique_ptr<Bench>> make(const Options& options) {
    auto programs = BenchPrograms::load();
    if (!programs) return fail(programs.error());
    auto bench =
        std::unique_ptr<Bench>(new Bench(options, *std::move(programs)));
    for (const std::uint32_t rules : options.rules) {
      auto filter = Filter::start(rules);
      if (!filter) return fail(filter.error());
      bench->filters_.emplace(rules, *std::move(filter));
    }
    if (auto done = bench->add_cells(); !done) return fail(done.error());
    return bench;
  }

  Result<> run() {
    std::mt19937 random(options_.seed);
    std::vector<Cell*> order;
    for (Cell& cell : cells_) order.push_back(&cell);
    for (std::uint32_t round = 0; round < options_.rounds; ++round) {
      for (auto& [rules, filter] : filters_) {
        if (auto done = filter.refresh(); !done) return done;
      }
      std::ranges::shuffle(order, random);
      for (Cell* cell : order) {
        const std::uint32_t warm_up =
            cell->cold ? largest() : std::min(options_.repeat, 10'000U);
        if (auto done = measure(*cell, warm_up); !done) {
          return fail(done.error().within(cell->program));
        }
      }
      std::cerr << "round " << round + 1 << " of " << options_.rounds << '\n';
    }
    return {};
  }

  const std::vector<Cell>& cells() const { return cells_; }
  std::uint32_t smallest() const { return filters_.begin()->first; }
  std::uint32_t largest() const { return filters_.rbegin()->first; }

  const Cell* find(const std::string& program, const std::string& frame,
                   std::uint32_t rules, bool cold = false) const {
    for (const Cell& cell : cells_) {
      if (cell.program == program && cell.frame_name == frame &&
          cell.rules == rules && cell.cold == cold) {
        return &cell;
      }
    }
    return nullptr;
  }

 private:
  Bench(Options options, BenchPrograms programs)
      : options_(std::move(options)), programs_(std::move(programs)) {}

  Cell& add(std::string program, std::string frame_name, std::uint32_t rules,
            Bytes frame, std::uint32_t verdict, int fd) {
    Cell cell;
    cell.program = std::move(program);
    cell.frame_name = std::move(frame_name);
    cell.rules = rules;
    cell.frame = std::move(frame);
    cell.verdict = verdict;
    cell.repeat = options_.repeat;
    cell.prepare = [fd] { return fd; };
    return cells_.emplace_back(std::move(cell));
  }

  // A program that meets another machine in each frame.
  Result<> add_cold(std::string program, std::string frame_name,
                    std::uint32_t first, std::uint32_t verdict, int fd,
                    std::function<Result<Counts>()> counts, Counted counted) {
    const auto slot = next_slot_++;
    if (auto done = programs_.aim(slot, fd); !done) return done;
    // One rule allows.
    const std::uint32_t count = largest() - 1;
    Cell& cell = add(std::move(program), std::move(frame_name), largest(),
                     testing::discover(machine(0)), verdict, -1);
    cell.cold = true;
    cell.prepare = [this, slot, first, count] {
      return programs_.shuffle(slot, first, count);
    };
    cell.counts = std::move(counts);
    cell.counted = counted;
    return {};
  }

  Result<> add_cells() {
    const Bytes any = testing::discover(machine(0));
    add(kBarePass, "any", 0, any, XDP_PASS, programs_.bare_pass());
    add(kBareDrop, "any", 0, any, XDP_DROP, programs_.bare_drop());
    for (const auto& [rules, filter] : filters_) add_pxegate(rules, filter);

    std::vector<std::uint32_t> sizes = options_.rules;
    sizes.push_back(largest());
    for (std::uint32_t rules : sizes) {
      rules = std::min(rules, XdpFilter::kMostMachines);
      if (find(kXdpFilter, "DHCP, denied", rules) != nullptr) continue;
      auto filter = XdpFilter::load(machines(rules));
      if (!filter) return fail(filter.error());
      add(kXdpFilter, "DHCP, denied", rules,
          testing::discover(machine(rules - 1)), XDP_DROP, filter->program());
      add(kXdpFilter, "TCP", rules, tcp_frame(), XDP_PASS, filter->program());
      xdp_filters_.push_back(*std::move(filter));
    }

    if (auto done = programs_.deny(machines(largest() - 1)); !done) return done;
    const auto prototype_counts = [this]() -> Result<Counts> {
      const auto denied = programs_.denied();
      if (!denied) return fail(denied.error());
      return Counts{.denied = *denied};
    };
    const Filter& filter = filters_.at(largest());
    const auto filter_counts = [&filter] { return filter.counts(); };
    if (auto done = add_cold(kBareDrop, "DHCP, denied", 0, XDP_DROP,
                             programs_.bare_drop(), {}, Counted::kNothing);
        !done) {
      return done;
    }
    if (auto done = add_cold(kHash, "DHCP, denied", 0, XDP_DROP,
                             programs_.prototype_ready(), prototype_counts,
                             Counted::kDenied);
        !done) {
      return done;
    }
    if (auto done = add_cold(kLazyHash, "DHCP, denied", 0, XDP_DROP,
                             programs_.prototype_lazy(), prototype_counts,
                             Counted::kDenied);
        !done) {
      return done;
    }
    if (auto done = add_cold(kPxegate, "DHCP, denied", 0, XDP_DROP,
                             filter.program(), filter_counts, Counted::kDenied);
        !done) {
      return done;
    }
    return add_cold(kPxegate, "DHCP, unknown", kFirstUnknown, XDP_PASS,
                    filter.program(), filter_counts, Counted::kAllowed);
  }

  void add_pxegate(std::uint32_t rules, const Filter& filter) {
    const Mac denied = machine(rules - 2);
    const Mac allowed = machine(kFirstAllowed);
    const Mac unknown = machine(kFirstUnknown);
    struct Kind {
      const char* name;
      Bytes frame;
      Counted counted;
    };
    const std::vector<Kind> kinds{
        {"TCP", tcp_frame(), Counted::kNothing},
        {"ARP", arp_frame(), Counted::kNothing},
        {"IPv6 TCP", ipv6_tcp_frame(), Counted::kNothing},
        {"DHCP, denied", testing::discover(denied), Counted::kDenied},
        {"DHCP relayed, denied", relayed_discover(denied), Counted::kDenied},
        {"DHCPv6 relayed, denied", dhcpv6_relayed_solicit(denied),
         Counted::kDenied},
        {"DHCP, unknown", testing::discover(unknown), Counted::kAllowed},
        {"DHCP, allowed", testing::discover(allowed), Counted::kAllowed}};
    for (const Kind& kind : kinds) {
      Cell& cell = add(kPxegate, kind.name, rules, kind.frame,
                       kind.counted == Counted::kDenied ? XDP_DROP : XDP_PASS,
                       filter.program());
      cell.counts = [&filter] { return filter.counts(); };
      cell.counted = kind.counted;
    }
  }

  Options options_;
  BenchPrograms programs_;
  std::map<std::uint32_t, Filter> filters_;
  std::vector<XdpFilter> xdp_filters_;
  std::vector<Cell> cells_;
  std::uint32_t next_slot_ = 0;
};

struct Target {
  std::string text;
  std::string found;
  bool met = false;
};

// A price and the one that it may not exceed.
Target at_most(std::string text, double found, double limit,
               const std::string& unit) {
  return {std::move(text),
          fmt::format("{:.2f} {} of at most {:.2f}", found, unit, limit),
          found <= limit};
}

std::vector<Target> targets_of(const Bench& bench) {
  const auto price = [&](const char* program, const char* frame,
                         std::uint32_t rules, bool cold = false) {
    return bench.find(program, frame, rules, cold)->figures().median;
  };
  const std::uint32_t least = bench.smallest();
  const std::uint32_t most = bench.largest();
  std::vector<Target> targets;
  // What is decided wrongly has no price worth having.
  const auto add = [&](const char* frame, Target target) {
    const std::uint64_t wrong = bench.find(kPxegate, frame, most)->wrong +
                                bench.find(kPxegate, frame, least)->wrong;
    if (wrong > 0) {
      target.found += ", but verdicts are wrong";
      target.met = false;
    }
    targets.push_back(std::move(target));
  };
  const double pass = price(kBarePass, "any", 0);
  for (const char* frame : {"TCP", "ARP", "IPv6 TCP"}) {
    add(frame,
        at_most(fmt::format("{} costs at most 1.5 times the bare pass", frame),
                price(kPxegate, frame, most) / pass, 1.5, "times"));
  }
  const double rival = price(kXdpFilter, "DHCP, denied",
                             std::min(most, XdpFilter::kMostMachines));
  const char* const denied[] = {"DHCP, denied", "DHCP relayed, denied",
                                "DHCPv6 relayed, denied"};
  for (const char* frame : denied) {
    add(frame, at_most(fmt::format("{}: at most the price of xdp-filter's drop",
                                   frame),
                       price(kPxegate, frame, most), rival, "ns"));
  }
  for (const char* frame : denied) {
    add(frame,
        at_most(fmt::format("{}: flat from {} to {} rules (within a tenth)",
                            frame, least, most),
                price(kPxegate, frame, most) / price(kPxegate, frame, least),
                1.1, "times"));
  }
  const double floor = price(kBareDrop, "DHCP, denied", most, true);
  const double hash = std::min(price(kHash, "DHCP, denied", most, true),
                               price(kLazyHash, "DHCP, denied", most, true));
  add("DHCP, denied",
      at_most(fmt::format("another machine in each frame, {} rules: at most "
                          "half of what a hash costs above the floor",
                          most),
              price(kPxegate, "DHCP, denied", most, true) - floor,
              (hash - floor) / 2, "ns"));
  std::uint64_t wrong = 0;
  std::uint64_t frames = 0;
  for (const Cell& cell : bench.cells()) {
    wrong += cell.wrong;
    frames += cell.frames;
  }
  targets.push_back({"never a wrong verdict",
                     fmt::format("{} wrong of {}", wrong, frames), wrong == 0});
  return targets;
}

nlohmann::json json_of(const Bench& bench, const Options& options,
                       const std::vector<Target>& targets) {
  nlohmann::json cells = nlohmann::json::array();
  for (const Cell& cell : bench.cells()) {
    const Figures figures = cell.figures();
    cells.push_back({{"program", cell.program},
                     {"frame", cell.frame_name},
                     {"rules", cell.rules},
                     {"cold", cell.cold},
                     {"ns", figures.median},
                     {"lower", figures.lower},
                     {"upper", figures.upper},
                     {"frames", cell.frames},
                     {"wrong", cell.wrong}});
  }
  nlohmann::json list = nlohmann::json::array();
  for (const Target& target : targets) {
    list.push_back({{"target", target.text},
                    {"found", target.found},
                    {"met", target.met}});
  }
  return {{"bench", "program_cost"},
          {"rounds", options.rounds},
          {"repeat", options.repeat},
          {"cells", cells},
          {"targets", list}};
}

void print(const Bench& bench, const std::vector<Target>& targets) {
  fmt::print("{:40} {:24} {:>8} {:>9} {:>19} {:>6}\n", "program", "frame",
             "rules", "ns", "half of the rounds", "wrong");
  for (const Cell& cell : bench.cells()) {
    const Figures figures = cell.figures();
    fmt::print(
        "{:40} {:24} {:>8} {:>9.2f} {:>8.2f} - {:>8.2f} {:>6}\n", cell.program,
        cell.frame_name + (cell.cold ? " (each another)" : ""), cell.rules,
        figures.median, figures.lower, figures.upper, cell.wrong);
  }
  fmt::print("\n");
  for (const Target& target : targets) {
    fmt::print("{:8} {}: {}\n", target.met ? "met" : "NOT MET", target.text,
               target.found);
  }
}

// 1 where a verdict was wrong; the price decides nothing.
Result<int> run(const Options& options) {
  if (std::ranges::min(options.rules) < 3) {
    return fail("--rules: at least three");
  }
  if (options.repeat < 2) return fail("--repeat: at least two");
  pin_to_last_cpu();
  auto network = testing::NetNamespace::enter();
  if (!network) return fail(network.error());
  auto bench = Bench::make(options);
  if (!bench) return fail(bench.error());
  if (auto done = (*bench)->run(); !done) return fail(done.error());
  const auto targets = targets_of(**bench);
  print(**bench, targets);
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << json_of(**bench, options, targets).dump(2) << '\n';
    if (!file.flush()) return fail(options.json + ": cannot write");
  }
  return targets.back().met ? 0 : 1;
}

}  // namespace
}  // namespace pxegate::bench

int main(int argc, char** argv) {
  pxegate::bench::Options options;
  CLI::App app("Measures what a packet costs each XDP program.");
  app.add_option("--rounds", options.rounds)->capture_default_str();
  app.add_option("--repeat", options.repeat, "Runs of a program in each round")
      ->capture_default_str();
  app.add_option("--rules", options.rules, "Sizes of the policy")
      ->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--json", options.json, "Write the figures to this file too");
  CLI11_PARSE(app, argc, argv);
  if (!pxegate::log::configure(pxegate::log::Level::kWarning, "")) return 1;
  const auto status = pxegate::bench::run(options);
  if (!status) {
    std::cerr << "program_cost: " << status.error().message() << '\n';
    return 2;
  }
  return *status;
}
