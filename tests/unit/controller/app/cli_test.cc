// SPDX-License-Identifier: Apache-2.0
#include "controller/app/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "controller/app/control_api.h"
#include "controller/app/json.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A driver is never made by the commands tested here.
DriverEntry driver(std::string name, std::string summary) {
  return {std::move(name), std::move(summary), "built-in", [] {
            return Result<std::unique_ptr<FilterDriver>>(fail("made a driver"));
          }};
}

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    hooks_.load_config =
        [this](const ConfigSources& sources) -> Result<LoadedConfig> {
      sources_ = sources;
      if (config_error_) return fail(*config_error_);
      LoadedConfig loaded;
      loaded.config.pxe_filter.driver = driver_;
      loaded.config.api.socket = folder_ / "pxegate.sock";
      loaded.files = sources.files;
      loaded.warnings = warnings_;
      return loaded;
    };
    hooks_.load_config_leniently = [this](const ConfigSources& sources) {
      const auto error = std::exchange(config_error_, std::nullopt);
      auto loaded = *hooks_.load_config(sources);
      if (error) loaded.problems.push_back(error->message());
      return loaded;
    };
    hooks_.sample_config = [] { return std::string("[pxe_filter]\n"); };
    hooks_.default_config_file = folder_ / "pxegate.conf";
    hooks_.run = [this](const LoadedConfig&, const ConfigSources&) {
      ++runs_;
      return 0;
    };
    hooks_.drivers = [](const Config&) {
      return DriverRegistry::make({driver("noop", "Enforces nothing"),
                                   driver("xdp", "Filters in the kernel")});
    };
    hooks_.offline_backend =
        [this](const Config&) -> Result<std::unique_ptr<ControlBackend>> {
      if (offline_error_) return fail(*offline_error_);
      auto backend = std::make_unique<FakeBackend>();
      backend->forget_reasons();
      return backend;
    };
    hooks_.tear_down = [this](const Config& config) -> Result<> {
      ++tear_downs_;
      torn_down_ = config.pxe_filter.driver;
      if (tear_down_error_) return fail(*tear_down_error_);
      return {};
    };
    hooks_.pause = [this](std::chrono::milliseconds) {
      return --refreshes_ > 0;
    };
    hooks_.reader_left = [] { return false; };
    hooks_.stop_signals = [this] { return stop_.get_token(); };
    hooks_.terminal = [this] { return terminal_; };
    hooks_.clock = clock_;
  }

  void start_controller() {
    api_ = std::make_unique<ControlApi>(
        backend_, *clock_, ControlApiOptions{folder_ / "pxegate.sock", ""});
    ASSERT_TRUE(api_->start());
  }

  int run(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pxegate");
    std::ostringstream out;
    std::ostringstream err;
    const int status = run_cli(static_cast<int>(arguments.size()),
                               arguments.data(), out, err, hooks_);
    out_ = out.str();
    err_ = err.str();
    return status;
  }

  const testing::TempDir folder_;
  const std::shared_ptr<const Clock> clock_ = std::make_shared<FakeClock>();
  FakeBackend backend_;
  std::unique_ptr<ControlApi> api_;
  CliHooks hooks_;
  ConfigSources sources_;
  std::string driver_ = "xdp";
  std::vector<std::string> warnings_;
  std::optional<Error> config_error_;
  std::optional<Error> offline_error_;
  std::optional<Error> tear_down_error_;
  std::optional<TerminalSize> terminal_;
  int runs_ = 0;
  int tear_downs_ = 0;
  std::string torn_down_;  // the driver
  int refreshes_ = 1;
  std::stop_source stop_;
  std::string out_;
  std::string err_;
};

TEST_F(CliTest, HelpAndVersionSucceed) {
  EXPECT_EQ(run({"--help"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("teardown"));
  EXPECT_EQ(run({"--version"}), kExitSuccess);
  EXPECT_THAT(out_,
              ::testing::MatchesRegex("pxegate [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_EQ(err_, "");
}

TEST_F(CliTest, EveryCommandTeachesByExample) {
  for (const std::vector<const char*>& command :
       std::vector<std::vector<const char*>>{{"run"},
                                             {"status"},
                                             {"policy"},
                                             {"clients"},
                                             {"events"},
                                             {"sync"},
                                             {"teardown"},
                                             {"drivers"},
                                             {"config"},
                                             {"config", "check"},
                                             {"config", "sample"}}) {
    std::vector<const char*> arguments = command;
    arguments.push_back("--help");
    EXPECT_EQ(run(arguments), kExitSuccess);
    EXPECT_THAT(out_, HasSubstr("Example"));
    EXPECT_THAT(out_, HasSubstr("pxegate"));
  }
}

TEST_F(CliTest, WrongUsageIsStatusTwo) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{},
                                             {"frobnicate"},
                                             {"status", "--frob"},
                                             {"status", "extra"},
                                             {"config"},
                                             {"config", "frob"},
                                             {"sync", "--timeout", "0"},
                                             {"sync", "--timeout", "x"},
                                             {"run", "--json"},
                                             {"--config-file"},
                                             {"policy", "not-a-mac"},
                                             {"policy", "a", "b"}}) {
    EXPECT_EQ(run(arguments), kExitUsage);
    EXPECT_EQ(out_, "");
    EXPECT_NE(err_, "");
  }
}

TEST_F(CliTest, GlobalOptionsStandBeforeOrBehindTheCommand) {
  EXPECT_EQ(run({"--config-file", "a", "config", "check", "--config-file", "b",
                 "--config-dir", "d"}),
            kExitSuccess);
  EXPECT_THAT(sources_.files, ElementsAre("a", "b"));
  EXPECT_EQ(sources_.dir, "d");
}

TEST_F(CliTest, TheDefaultFileIsReadIfItExists) {
  EXPECT_EQ(run({"run"}), kExitSuccess);
  EXPECT_THAT(sources_.files, IsEmpty());
  EXPECT_THAT(err_, HasSubstr("pxegate config sample"));
  folder_.write("pxegate.conf", "");
  EXPECT_EQ(run({"run"}), kExitSuccess);
  EXPECT_THAT(sources_.files, ElementsAre(folder_ / "pxegate.conf"));
  EXPECT_EQ(err_, "");
  EXPECT_EQ(runs_, 2);
}

TEST_F(CliTest, AWrongConfigurationIsStatusTwoAndEveryProblemIsTold) {
  config_error_ = Error("a.conf:3: x\nb.conf:4: \x1b[2J", ErrorCode::kInvalid);
  EXPECT_EQ(run({"run", "--config-file", "a.conf"}), kExitUsage);
  EXPECT_EQ(err_, "pxegate: a.conf:3: x\npxegate: b.conf:4: \\x1b[2J\n");
  EXPECT_EQ(runs_, 0);
}

TEST_F(CliTest, RunWithoutAConfigurationFileSaysWhereItLooked) {
  config_error_ = Error("[ironic] endpoint_override: not set");
  EXPECT_EQ(run({"run"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("there is no configuration file " +
                              std::string(folder_ / "pxegate.conf")));
}

TEST_F(CliTest, AWrongConfigurationKeepsNobodyFromLookingOrTearingDown) {
  start_controller();
  for (const char* command :
       {"status", "policy", "clients", "sync", "drivers"}) {
    config_error_ = Error("a.conf:3: x", ErrorCode::kInvalid);
    EXPECT_EQ(run({command}), kExitSuccess) << command;
    EXPECT_EQ(err_, "pxegate: warning: a.conf:3: x\n");
  }
  api_->stop();
  config_error_ = Error("a.conf:3: x", ErrorCode::kInvalid);
  EXPECT_EQ(run({"teardown"}), kExitSuccess);
  EXPECT_EQ(tear_downs_, 1);
}

TEST_F(CliTest, StatusOfAHealthyController) {
  start_controller();
  EXPECT_EQ(run({"status"}), kExitSuccess);
  EXPECT_THAT(out_, StartsWith("healthy: "));
  EXPECT_EQ(run({"status", "--json"}), kExitSuccess);
  EXPECT_EQ(out_, dump(status_json(backend_.status(), Origin::kController,
                                   now(*clock_))) +
                      "\n");
  EXPECT_EQ(err_, "");
}

TEST_F(CliTest, StatusOfAnUnhealthyControllerFails) {
  backend_.status_.stale = true;
  start_controller();
  EXPECT_EQ(run({"status"}), kExitFailure);
  EXPECT_THAT(out_, StartsWith("NOT HEALTHY: "));
  EXPECT_EQ(run({"status", "--json"}), kExitFailure);
}

TEST_F(CliTest, StatusWithoutAControllerSaysSoFirstAndFails) {
  EXPECT_EQ(run({"status"}), kExitFailure);
  EXPECT_THAT(out_, StartsWith("NO CONTROLLER RUNS: the policy in the kernel "
                               "is frozen"));
  EXPECT_THAT(out_, HasSubstr("eth1"));
  EXPECT_EQ(run({"status", "--json"}), kExitFailure);
  EXPECT_THAT(out_, StartsWith("{\"controller_running\":false,"));
}

TEST_F(CliTest, StatusTellsWhyTheFilterCannotBeRead) {
  offline_error_ = Error("needs CAP_BPF", ErrorCode::kPermission);
  EXPECT_EQ(run({"status"}), kExitFailure);
  EXPECT_THAT(out_, StartsWith("NO CONTROLLER RUNS"));
  EXPECT_EQ(err_, "pxegate: cannot read the filter: needs CAP_BPF\n");
  EXPECT_EQ(run({"status", "--json"}), kExitFailure);
  EXPECT_EQ(out_,
            "{\"controller_running\":false,\"healthy\":false,\"problems\":["
            "\"no controller runs, so the filter stays as it is\","
            "\"cannot read the filter: needs CAP_BPF\"]}\n");
}

TEST_F(CliTest, StatusSaysThatNothingIsFilteredWhereNoFilterIsInForce) {
  offline_error_ = Error("no filter is in force", ErrorCode::kNotFound);
  EXPECT_EQ(run({"status"}), kExitFailure);
  EXPECT_THAT(out_, StartsWith("NO CONTROLLER RUNS AND NO FILTER IS IN FORCE: "
                               "every machine may network-boot"));
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run({"status", "--json"}), kExitFailure);
  EXPECT_THAT(out_, HasSubstr("\"filter_in_force\":false"));
}

TEST_F(CliTest, PolicyOfOneAddressSucceedsWhateverTheVerdict) {
  start_controller();
  EXPECT_EQ(run({"policy", "52-54-00-00-00-0B"}), kExitSuccess);
  EXPECT_THAT(out_, StartsWith("52:54:00:00:00:0b is denied: its node is in "
                               "Ironic and is not being inspected.\n"));
  EXPECT_EQ(run({"policy", "52:54:00:00:00:0a"}), kExitSuccess);
  EXPECT_THAT(out_, StartsWith("52:54:00:00:00:0a is allowed: "));
  EXPECT_EQ(run({"policy", "52:54:00:00:00:0a", "--json"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("\"rule\":\"being_inspected\""));
}

TEST_F(CliTest, PolicyIsATableOrJson) {
  start_controller();
  EXPECT_EQ(run({"policy"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("ADDRESS            VERDICT  RULE"));
  EXPECT_EQ(run({"policy", "--json"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["entries"].size(), 3U);
}

TEST_F(CliTest, PolicyWithoutAControllerComesFromTheFilter) {
  EXPECT_EQ(run({"policy"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("NO CONTROLLER RUNS"));
  EXPECT_THAT(out_, HasSubstr("52:54:00:00:00:0b  deny"));
  EXPECT_EQ(run({"policy", "52:54:00:00:00:0b"}), kExitSuccess);
  EXPECT_THAT(out_, StartsWith("52:54:00:00:00:0b is denied: the filter has a "
                               "rule for it. Why is not known while no "
                               "controller runs"));
  EXPECT_EQ(run({"policy", "--json"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["controller_running"], false);
}

TEST_F(CliTest, NeitherControllerNorFilterIsAFailure) {
  offline_error_ = Error("nothing is pinned at /sys/fs/bpf/pxegate");
  for (const char* command : {"policy", "clients"}) {
    EXPECT_EQ(run({command}), kExitFailure);
    EXPECT_EQ(out_, "");
    EXPECT_EQ(err_, "pxegate: no controller runs at " +
                        (folder_ / "pxegate.sock") +
                        ": start it with `pxegate run`; nor can the filter "
                        "itself be read: nothing is pinned at "
                        "/sys/fs/bpf/pxegate\n");
  }
}

TEST_F(CliTest, ClientsIsATableOrJson) {
  start_controller();
  EXPECT_EQ(run({"clients"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("52:54:00:00:00:0b  rack1-n2"));
  EXPECT_EQ(run({"clients", "--json"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["clients"].size(), 2U);
  api_.reset();
  EXPECT_EQ(run({"clients"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("NO CONTROLLER RUNS"));
}

TEST_F(CliTest, WatchingPrintsOneTableAfterAnotherWhereThereIsNoTerminal) {
  start_controller();
  refreshes_ = 3;
  EXPECT_EQ(run({"clients", "--watch"}), kExitSuccess);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  std::size_t tables = 0;
  for (std::size_t at = 0; (at = out_.find("MAC  ", at)) != std::string::npos;
       ++at) {
    ++tables;
  }
  EXPECT_EQ(tables, 3U);
}

TEST_F(CliTest, WatchingPaintsOverTheTerminalAndLeavesNoModeBehind) {
  start_controller();
  terminal_ = TerminalSize{5, 60};
  refreshes_ = 2;
  EXPECT_EQ(run({"clients", "--watch"}), kExitSuccess);
  EXPECT_THAT(out_, StartsWith("\x1b[2J\x1b[H"));
  EXPECT_THAT(out_, EndsWith("\x1b[J"));
  EXPECT_THAT(out_, HasSubstr("\x1b[K\n"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b[?")));
  EXPECT_THAT(out_, HasSubstr("... and 1 more"));
}

TEST_F(CliTest, WatchingGoesOnWhileTheControllerRestarts) {
  start_controller();
  refreshes_ = 3;
  offline_error_ = Error("nothing is pinned");
  hooks_.pause = [this](std::chrono::milliseconds) {
    if (refreshes_ == 3) api_.reset();
    if (refreshes_ == 2) start_controller();
    return --refreshes_ > 0;
  };
  EXPECT_EQ(run({"clients", "--watch"}), kExitSuccess);
  EXPECT_THAT(out_, HasSubstr("no controller runs at "));
  EXPECT_THAT(out_, EndsWith("Ironic has a port with this address\n"));
}

TEST_F(CliTest, EventsAreThoseTheControllerRemembers) {
  EventRecord denied;
  static_cast<RequestRecord&>(denied) = backend_.observations_.clients[0];
  EventRecord allowed = denied;
  allowed.address = "52:54:00:00:00:0a";
  allowed.verdict = Verdict::kAllow;
  allowed.relay = "fd00::1";
  backend_.events_.add({denied, allowed}, clock_->now(), clock_->wall());
  start_controller();
  EXPECT_EQ(run({"events"}), kExitSuccess);
  EXPECT_THAT(out_, AllOf(HasSubstr("52:54:00:00:00:0b"), HasSubstr("rack1-n2"),
                          HasSubstr("52:54:00:00:00:0a")));
  for (const std::vector<const char*>& other :
       std::vector<std::vector<const char*>>{
           {"events", "--denied"},
           {"events", "--mac", "52-54-00-00-00-0B"},
           {"events", "--relay", "198.51.100.1"}}) {
    EXPECT_EQ(run(other), kExitSuccess);
    EXPECT_THAT(out_, AllOf(HasSubstr("00:0b"), Not(HasSubstr("00:0a"))));
  }
  EXPECT_EQ(run({"events", "--relay", "fd00:0:0::1", "--json"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["address"], "52:54:00:00:00:0a");
}

TEST_F(CliTest, EventsOfNoAddressAreWrongUsage) {
  start_controller();
  EXPECT_EQ(run({"events", "--mac", "eth0"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("--mac: \"eth0\""));
  for (const char* relay : {"rack1", "10.1.0.0/16", "10.1.0.1/32"}) {
    EXPECT_EQ(run({"events", "--relay", relay}), kExitUsage);
    EXPECT_THAT(err_, HasSubstr("is no IP address"));
  }
}

TEST_F(CliTest, EventsWithoutAControllerComeFromTheFilter) {
  EXPECT_EQ(run({"events"}), kExitSuccess);
  EXPECT_THAT(err_, HasSubstr("reading the filter itself"));
}

TEST_F(CliTest, SyncTellsWhatItChanged) {
  start_controller();
  EXPECT_EQ(run({"sync"}), kExitSuccess);
  EXPECT_EQ(out_, "Synced in 0.4 s: 2 rules added or changed, 1 removed.\n");
  EXPECT_EQ(run({"sync", "--json", "--timeout", "5"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["upserts"], 2);
}

TEST_F(CliTest, SyncCanBeForced) {
  bool forced = false;
  backend_.on_sync_ = [&](const SyncRequest& request) {
    forced = request.force;
    SyncOutcome outcome;
    outcome.forced = request.force;
    return outcome;
  };
  start_controller();
  EXPECT_EQ(run({"sync"}), kExitSuccess);
  EXPECT_FALSE(forced);
  EXPECT_EQ(run({"sync", "--force"}), kExitSuccess);
  EXPECT_TRUE(forced);
}

TEST_F(CliTest, AControllerThatDoesNotKnowForceIsToldOf) {
  // An older version's answer says nothing of it.
  backend_.on_sync_ = [](auto) { return SyncOutcome{}; };
  start_controller();
  EXPECT_EQ(run({"sync", "--force"}), kExitFailure);
  EXPECT_THAT(err_, HasSubstr("older version and does not know --force"));
}

TEST_F(CliTest, SyncFailsWithItsReason) {
  EXPECT_EQ(run({"sync"}), kExitFailure);
  EXPECT_THAT(err_, StartsWith("pxegate: sync: no controller runs at "));
  backend_.on_sync_ = [](auto) {
    return Result<SyncOutcome>(
        fail("ironic: GET /v1/ports: 503", ErrorCode::kUnavailable));
  };
  start_controller();
  EXPECT_EQ(run({"sync"}), kExitFailure);
  EXPECT_EQ(err_, "pxegate: sync: ironic: GET /v1/ports: 503\n");
}

TEST_F(CliTest, TeardownAsksTheControllerWhereOneRuns) {
  int asked = 0;
  backend_.on_tear_down_ = [&] {
    ++asked;
    return Result<>();
  };
  start_controller();
  EXPECT_EQ(run({"teardown"}), kExitSuccess);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(tear_downs_, 0);
  EXPECT_THAT(out_, HasSubstr("the controller is exiting"));
}

TEST_F(CliTest, TeardownWorksWithoutAController) {
  EXPECT_EQ(run({"teardown"}), kExitSuccess);
  EXPECT_EQ(tear_downs_, 1);
  EXPECT_THAT(out_, HasSubstr("no controller was running"));
  tear_down_error_ = Error("eth1: the link stays");
  EXPECT_EQ(run({"teardown"}), kExitFailure);
  EXPECT_EQ(err_, "pxegate: teardown: eth1: the link stays\n");
}

TEST_F(CliTest, TeardownOfAnotherDriverNeedsNoController) {
  EXPECT_EQ(run({"teardown", "--driver", "noop"}), kExitSuccess);
  EXPECT_EQ(torn_down_, "noop");
  EXPECT_EQ(out_, "The filter of driver noop is removed.\n");
  tear_down_error_ = Error("nft: no such tool");
  EXPECT_EQ(run({"teardown", "--driver", "noop"}), kExitFailure);
  EXPECT_EQ(err_, "pxegate: teardown: nft: no such tool\n");
}

TEST_F(CliTest, TeardownOfAnotherDriverLetsTheControllerGoOn) {
  int asked = 0;
  backend_.on_tear_down_ = [&] {
    ++asked;
    return Result<>();
  };
  start_controller();
  EXPECT_EQ(run({"teardown", "--driver", "noop"}), kExitSuccess);
  EXPECT_EQ(torn_down_, "noop");
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(out_, HasSubstr("That of the running controller stays."));
}

TEST_F(CliTest, TeardownOfADriverInUseIsRefused) {
  start_controller();
  EXPECT_EQ(run({"teardown", "--driver", "xdp"}), kExitFailure);
  EXPECT_THAT(err_, AllOf(HasSubstr("the running controller uses driver xdp"),
                          HasSubstr("without --driver")));
  // Also where it only waits to take over, or is being removed.
  backend_.status_.drivers = {"xdp", "noop"};
  EXPECT_EQ(run({"teardown", "--driver", "noop"}), kExitFailure);
  EXPECT_EQ(tear_downs_, 0);
}

TEST_F(CliTest, TeardownOfAnUnknownDriverIsWrongUsage) {
  EXPECT_EQ(run({"teardown", "--driver", "ndp"}), kExitUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("\"ndp\""), HasSubstr("noop, xdp")));
  EXPECT_EQ(tear_downs_, 0);
}

TEST_F(CliTest, TeardownThatTheControllerFailsAtIsNotTriedBehindItsBack) {
  backend_.on_tear_down_ = [] { return Result<>(fail("eth1: busy")); };
  start_controller();
  EXPECT_EQ(run({"teardown"}), kExitFailure);
  EXPECT_EQ(tear_downs_, 0);
  EXPECT_EQ(err_, "pxegate: teardown: eth1: busy\n");
}

TEST_F(CliTest, DriversAreListed) {
  EXPECT_EQ(run({"drivers"}), kExitSuccess);
  EXPECT_EQ(out_,
            "NAME  CONFIGURED  ORIGIN    SUMMARY\n"
            "noop  -           built-in  Enforces nothing\n"
            "xdp   yes         built-in  Filters in the kernel\n");
  EXPECT_EQ(run({"drivers", "--json"}), kExitSuccess);
  EXPECT_EQ(parse_json(out_).value()["drivers"][1].dump(),
            R"({"name":"xdp","configured":true,"origin":"built-in",)"
            R"("summary":"Filters in the kernel"})");
}

TEST_F(CliTest, ConfigCheckAcceptsAGoodFileAndShowsWarnings) {
  warnings_ = {"a:3: [pxe_filter] drvier: did you mean driver?"};
  EXPECT_EQ(run({"config", "check", "--config-file", "a"}), kExitSuccess);
  EXPECT_EQ(out_, "a: usable, with 1 warning (see above)\n");
  EXPECT_EQ(err_, "pxegate: warning: " + warnings_[0] + "\n");
  EXPECT_EQ(run({"config", "check", "--json", "--config-file", "a"}),
            kExitSuccess);
  EXPECT_EQ(out_, "{\"valid\":true,\"files\":[\"a\"],\"warnings\":[\"" +
                      warnings_[0] + "\"],\"errors\":[]}\n");
}

TEST_F(CliTest, DoctorTellsWhatWasSeenAndWhatToDo) {
  std::vector<Finding> findings{
      good("kernel", "Linux 6.18"),
      warning("clock", "nothing keeps it right", "apt install chrony"),
      not_known("other \x1b[2J", "not seen", "")};
  DoctorOptions options;
  hooks_.examine = [&](const LoadedConfig&, const DoctorOptions& given,
                       const TellFinding& tell) {
    options = given;
    for (const Finding& finding : findings) tell(finding);
  };
  EXPECT_EQ(run({"doctor"}), kExitSuccess) << "warnings are no problem";
  EXPECT_TRUE(options.probe);
  EXPECT_EQ(out_,
            "ok       kernel                 Linux 6.18\n"
            "warning  clock                  nothing keeps it right\n"
            "                                do: apt install chrony\n"
            "unknown  other \\x1b[2J          not seen\n"
            "\n0 problems, 1 warning, 1 good, 1 could not be looked at.\n");

  findings.push_back(problem("bpffs", "is none", "mount it"));
  EXPECT_EQ(run({"doctor", "--json", "--no-probe"}), kExitFailure);
  EXPECT_FALSE(options.probe);
  const Json json = parse_json(out_).value();
  EXPECT_EQ(json["good"], false);
  EXPECT_EQ(json["findings"][3], Json({{"check", "bpffs"},
                                       {"outcome", "problem"},
                                       {"seen", "is none"},
                                       {"do", "mount it"}}));
}

TEST_F(CliTest, ConfigCheckConnectsWhereItIsAskedTo) {
  hooks_.environment.emplace("OS_CLOUD", Secret("x"));
  ConnectReport report;
  report.services.push_back({.service = "ironic",
                             .login_from = "[ironic]",
                             .endpoint_from = {},
                             .login = {},
                             .nodes = {},
                             .problem = {}});
  int asked = 0;
  hooks_.connect = [&](const LoadedConfig&) {
    ++asked;
    return report;
  };
  EXPECT_EQ(run({"config", "check", "--config-file", "a"}), kExitSuccess);
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(sources_.environment.empty()) << "`run` does not read it either";

  EXPECT_EQ(run({"config", "check", "--connect", "--config-file", "a"}),
            kExitSuccess);
  EXPECT_EQ(sources_.environment.size(), 1u);
  EXPECT_EQ(out_, "a: good\n\nIronic\n  login from    [ironic]\n");

  report.services[0].problem = "401: give it a role";
  report.warnings = {"w"};
  EXPECT_EQ(run({"config", "check", "--connect", "--config-file", "a"}),
            kExitFailure);
  EXPECT_THAT(out_, HasSubstr("  PROBLEM       401: give it a role\n"));
  EXPECT_EQ(err_, "pxegate: warning: w\n");
  EXPECT_EQ(run({"config", "check", "--connect", "--json"}), kExitFailure);
  EXPECT_EQ(parse_json(out_).value()["connect"]["services"][0]["problem"],
            "401: give it a role");

  config_error_ = Error("a:1: x", ErrorCode::kInvalid);
  asked = 0;
  EXPECT_EQ(run({"config", "check", "--connect"}), kExitUsage);
  EXPECT_EQ(asked, 0);
}

TEST_F(CliTest, ConfigCheckRefusesABadFile) {
  config_error_ = Error("a:1: x\na:2: y", ErrorCode::kInvalid);
  EXPECT_EQ(run({"config", "check", "--config-file", "a"}), kExitUsage);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "pxegate: a:1: x\npxegate: a:2: y\n");
  EXPECT_EQ(run({"config", "check", "--json", "--config-file", "a"}),
            kExitUsage);
  EXPECT_EQ(out_,
            "{\"valid\":false,\"files\":[],\"warnings\":[],"
            "\"errors\":[\"a:1: x\",\"a:2: y\"]}\n");
}

TEST_F(CliTest, ConfigCheckRefusesADriverThatIsNotThere) {
  driver_ = "iptables";
  EXPECT_EQ(run({"config", "check"}), kExitUsage);
  EXPECT_EQ(err_,
            "pxegate: [pxe_filter] driver = \"iptables\": no such filter "
            "driver; set it to one of: noop, xdp\n");
}

TEST_F(CliTest, ConfigSampleNeedsNoConfiguration) {
  config_error_ = Error("broken");
  EXPECT_EQ(run({"config", "sample"}), kExitSuccess);
  EXPECT_EQ(out_, "[pxe_filter]\n");
}

// Takes a number of bytes, then fails with an errno value.
class FailingBuffer final : public std::streambuf {
 public:
  explicit FailingBuffer(int errnum) : errnum_(errnum) {}

 protected:
  int overflow(int) override {
    errno = errnum_;
    return traits_type::eof();
  }
  std::streamsize xsputn(const char*, std::streamsize) override {
    errno = errnum_;
    return 0;
  }

 private:
  int errnum_;
};

TEST_F(CliTest, AReaderThatHasGoneIsNoErrorButAFullDiskIs) {
  const char* const arguments[] = {"pxegate", "config", "sample"};
  FailingBuffer gone(EPIPE);
  std::ostream pipe(&gone);
  std::ostringstream err;
  EXPECT_EQ(run_cli(3, arguments, pipe, err, hooks_), kExitSuccess);
  EXPECT_EQ(err.str(), "");
  FailingBuffer full(ENOSPC);
  std::ostream disk(&full);
  EXPECT_EQ(run_cli(3, arguments, disk, err, hooks_), kExitFailure);
  EXPECT_EQ(err.str(),
            "pxegate: cannot write the output: No space left on device\n");
}

}  // namespace
}  // namespace pxegate
