// SPDX-License-Identifier: Apache-2.0
#include "controller/config/load_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

#include "controller/config/options.h"
#include "controller/config/policy_options.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What every configuration needs, with a driver that needs nothing else.
constexpr std::string_view kMinimum =
    "[pxe_filter]\ndriver = noop\n"
    "[ironic]\nendpoint_override = http://192.0.2.1:6385\n";

class LoadConfig : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(
        std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    ::chmod(path(name).c_str(), 0600);
    return path(name);
  }

  Result<LoadedConfig> load(std::string_view text) const {
    return load_config({.files = {write("a.conf", text)}, .dir = {}});
  }
  // The minimum, then `text`, which may repeat its sections.
  Result<LoadedConfig> load_more(std::string_view text) const {
    return load(std::string(kMinimum) + std::string(text));
  }
  Config config_of(std::string_view text) const {
    const auto loaded = load_more(text);
    EXPECT_TRUE(loaded) << loaded.error().message();
    return loaded ? loaded->config : Config();
  }
  // Messages without the directory.
  std::string short_of(std::string text) const {
    for (auto at = text.find(dir_ + "/"); at != std::string::npos;
         at = text.find(dir_ + "/")) {
      text.erase(at, dir_.size() + 1);
    }
    return text;
  }
  std::string problems_of(std::string_view text) const {
    const auto loaded = load_more(text);
    if (loaded) return "loaded";
    EXPECT_EQ(loaded.error().code(), ErrorCode::kInvalid);
    return short_of(loaded.error().message());
  }
  std::vector<std::string> warnings_of(std::string_view text) const {
    const auto loaded = load_more(text);
    EXPECT_TRUE(loaded) << loaded.error().message();
    if (!loaded) return {};
    std::vector<std::string> warnings;
    for (const auto& warning : loaded->warnings) {
      warnings.push_back(short_of(warning));
    }
    return warnings;
  }

  const testing::TempDir temp_;
  const std::string dir_ = temp_.path();
};

TEST_F(LoadConfig, TheTablesDefaultsHoldWhereNothingIsSet) {
  Config expected = default_config();
  expected.pxe_filter.driver = "noop";
  expected.ironic.endpoint_override = "http://192.0.2.1:6385";
  EXPECT_EQ(config_of(""), expected);
  EXPECT_THAT(warnings_of(""), IsEmpty());
}

TEST_F(LoadConfig, ALaterFileWins) {
  const auto a = write("a.conf", kMinimum);
  const auto b = write("b.conf", "[pxe_filter]\ndriver = dummy\n");
  const auto loaded = load_config({.files = {a, b}, .dir = {}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->config.pxe_filter.driver, "dummy");
  EXPECT_EQ(loaded->config.ironic.endpoint_override, "http://192.0.2.1:6385");
  EXPECT_THAT(loaded->files, ElementsAre(a, b));
}

TEST_F(LoadConfig, TheDirectoryComesAfterTheFilesInTheOrderOfItsNames) {
  const auto a = write("a.conf", kMinimum);
  const auto second = write("d/20.conf", "[pxe_filter]\npoll_interval = 20\n");
  const auto first = write(
      "d/10.conf", "[pxe_filter]\npoll_interval = 10\nsync_period = 10\n");
  write("d/30.conf.bak", "not a configuration");
  write("d/.40.conf", "not a configuration");
  const auto loaded = load_config({.files = {a}, .dir = path("d")});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->files, ElementsAre(a, first, second));
  EXPECT_EQ(loaded->config.pxe_filter.poll_interval, seconds(20));
  EXPECT_EQ(loaded->config.pxe_filter.sync_period, seconds(10));
}

TEST_F(LoadConfig, TheLastOfRepeatedLinesWins) {
  EXPECT_EQ(config_of("[xdp]\nmax_clients = 1\nmax_clients = 2\n"
                      "[api]\n[xdp]\nmax_clients = 3\n")
                .xdp.max_clients,
            3u);
}

TEST_F(LoadConfig, LeniencyKeepsWhatIsRightAndTellsTheRest) {
  const auto loaded = load_config_leniently(
      {.files = {write("a.conf",
                       "[xdp]\npin_path = /sys/fs/bpf/mine\n"
                       "max_clients = many\n[api]\nsocket = /run/a.sock\n")},
       .dir = {}});
  EXPECT_EQ(loaded.config.xdp.pin_path, "/sys/fs/bpf/mine");
  EXPECT_EQ(loaded.config.xdp.max_clients, 262144U);
  EXPECT_EQ(loaded.config.api.socket, "/run/a.sock");
  EXPECT_THAT(loaded.problems, ElementsAre(HasSubstr("max_clients")));
}

TEST_F(LoadConfig, AMissingFileIsAnError) {
  const auto loaded = load_config({.files = {path("no.conf")}, .dir = {}});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(short_of(loaded.error().message()),
              StartsWith("no.conf: No such file or directory; expected"));
}

TEST_F(LoadConfig, AMissingDirectoryIsAnError) {
  const auto loaded =
      load_config({.files = {write("a.conf", kMinimum)}, .dir = path("no.d")});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(short_of(loaded.error().message()), HasSubstr("no.d: "));
}

TEST_F(LoadConfig, AnUnreadableFileIsAnError) {
  const auto a = write("a.conf", kMinimum);
  ::chmod(a.c_str(), 0);
  // Root may read every file, so be somebody else for a moment.
  constexpr uid_t kNobody = 65534;
  const uid_t self = ::geteuid();
  if (self == 0) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const auto loaded = load_config({.files = {a}, .dir = {}});
  if (self == 0) {
    ASSERT_EQ(::seteuid(self), 0);
  }
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::kPermission);
}

TEST_F(LoadConfig, ADirectoryIsNoConfigurationFile) {
  EXPECT_FALSE(load_config({.files = {dir_}, .dir = {}}));
}

TEST_F(LoadConfig, AFileBeyondFourMegabytesIsAnError) {
  EXPECT_THAT(problems_of("# " + std::string(5 << 20, 'x') + "\n"),
              HasSubstr("larger than"));
}

TEST_F(LoadConfig, AllProblemsAreToldAtOnceWithPlaceAndExpectation) {
  EXPECT_EQ(problems_of("[xdp]\n"
                        "mode = fast\n"
                        "max_clients = 0\n"
                        "[DEFAULT]\n"
                        "debug = maybe\n"),
            "a.conf:9: [DEFAULT] debug: \"maybe\" is no boolean; expected true "
            "or false\n"
            "a.conf:6: [xdp] mode: \"fast\" is not one of them; expected auto "
            "or native or skb\n"
            "a.conf:7: [xdp] max_clients: \"0\" is out of range; expected an "
            "integer from 1 to 16777216");
}

TEST_F(LoadConfig, ABadLineIsToldBesideBadValuesButNotWhatMayFollowFromIt) {
  const auto loaded = load("[DEFAULT]\ndebug = maybe\nhello\n");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(short_of(loaded.error().message()),
              AllOf(HasSubstr("a.conf:3: is neither"),
                    HasSubstr("a.conf:2: [DEFAULT] debug"),
                    Not(HasSubstr("endpoint_override"))));
}

TEST_F(LoadConfig, SectionNamesIgnoreCaseButForDefault) {
  EXPECT_EQ(config_of("[XDP]\nmax_clients = 5\n").xdp.max_clients, 5u);
  EXPECT_THAT(warnings_of("[default]\ndebug = true\n"),
              ElementsAre("a.conf:5: section \"default\" is unknown, and "
                          "ignored; did you mean [DEFAULT]?"));
}

// ---- references ----

TEST_F(LoadConfig, AReferenceStandsForAnOptionOfItsSectionOrOfDefault) {
  const Config config = config_of(
      "[DEFAULT]\nlog_dir = /var/log\nport = 6385\n"
      "[ironic]\nport = 1\nendpoint_override = http://[::1]:$port/\n"
      "[xdp]\npin_path = ${log_dir}/bpf\n");
  EXPECT_EQ(config.ironic.endpoint_override, "http://[::1]:1/");
  EXPECT_EQ(config.xdp.pin_path, "/var/log/bpf");
}

TEST_F(LoadConfig, AReferenceMayNameASection) {
  const Config config = config_of(
      "[api]\nhost_ip = 192.0.2.7\n"
      "[inspector]\nendpoint_override = http://${api.host_ip}:5050\n"
      "[xdp]\npin_path = $Api.socket\n");
  EXPECT_EQ(config.inspector.endpoint_override, "http://192.0.2.7:5050");
  EXPECT_EQ(config.xdp.pin_path, "/run/pxegate/pxegate.sock")
      << "a default of the table";
}

TEST_F(LoadConfig, ReferencesMayBeNested) {
  EXPECT_EQ(config_of("[DEFAULT]\na = $b$b\nb = ${c}\nc = x$$\n"
                      "[DEFAULT]\nlog_file = /$a\n")
                .log_file,
            "/x$x$");
}

TEST_F(LoadConfig, AReferenceFollowsDeprecatedNamesToo) {
  EXPECT_EQ(
      config_of("[DEFAULT]\nlogdir = /d\nlog_file = $log_dir/f\n").log_file,
      "/d/f");
}

TEST_F(LoadConfig, AnUnknownReferenceIsAnError) {
  EXPECT_THAT(
      problems_of("[ironic]\nendpoint_override = http://$my_ip:6385\n"),
      AllOf(StartsWith("a.conf:6: [ironic] endpoint_override: refers to "
                       "$my_ip, that is set nowhere"),
            HasSubstr("$$ for a plain $")));
}

TEST_F(LoadConfig, ACycleIsAnError) {
  EXPECT_THAT(problems_of("[DEFAULT]\nlog_file = $log_dir\n"
                          "log_dir = $log_file\n"),
              AllOf(HasSubstr("[DEFAULT] log_file: refers to itself"),
                    HasSubstr("[DEFAULT] log_dir: refers to itself")));
  EXPECT_THAT(problems_of("[DEFAULT]\nlog_file = $x\nx = $x\n"),
              HasSubstr("refers to itself"));
}

TEST_F(LoadConfig, ReferencesThatMultiplyAreCutOff) {
  std::string text = "[DEFAULT]\nlog_file = $a0\n";
  for (int i = 0; i < 40; ++i) {
    const std::string next = "$a" + std::to_string(i + 1);
    text += "a" + std::to_string(i) + " = " + next + next + "\n";
  }
  EXPECT_THAT(problems_of(text + "a40 =\n"), HasSubstr("too many"));
}

TEST_F(LoadConfig, ForeignOptionsMayHoldAnything) {
  EXPECT_THAT(warnings_of("[DEFAULT]\nstate_path = $nowhere ${x\n"), IsEmpty());
}

// ---- secrets ----

TEST_F(LoadConfig, NoMessageShowsASecret) {
  const std::string text =
      "[ironic]\nauth_type = http_basic\nusername = me\n"
      "password = hunter2\n";
  for (const char* more :
       {"password = hunter2$hunter2\n", "password = hunter2\n  hunter2\n",
        "endpoint_override = $password\n", "cafile = $password\n keyfile\n",
        "timeout = $password\n", "auth_type = $password\n",
        "x = $password\ntimeout = $x\n", "x = $hunter2\npassword = $x\n",
        "hunter2\n"}) {
    const std::string problems = problems_of(text + more);
    EXPECT_THAT(problems,
                AllOf(Not(HasSubstr("loaded")), Not(HasSubstr("hunter2"))))
        << more;
  }
}

TEST_F(LoadConfig, AFileThatAllMayReadShouldHoldNoPassword) {
  const auto a = write("a.conf", std::string(kMinimum) +
                                     "auth_type = http_basic\nusername = me\n"
                                     "password = hunter2\n");
  const auto warnings = [&a](mode_t mode) {
    ::chmod(a.c_str(), mode);
    const auto loaded = load_config({.files = {a}, .dir = {}});
    EXPECT_TRUE(loaded) << loaded.error().message();
    return loaded->warnings;
  };
  EXPECT_THAT(warnings(0640), IsEmpty());
  EXPECT_THAT(warnings(0644),
              ElementsAre(AllOf(HasSubstr("a.conf:7: [ironic] password: every "
                                          "user can read this file"),
                                Not(HasSubstr("hunter2")))));
}

// ---- names ----

TEST_F(LoadConfig, AnUnknownOptionInASectionOfOursIsAWarning) {
  EXPECT_THAT(
      warnings_of("[xdp]\ninterface = a\n[pxe_filter]\nzzz = 1\n"),
      ElementsAre("a.conf:6: [xdp] interface: unknown, and ignored; did you "
                  "mean interfaces?",
                  AllOf(StartsWith("a.conf:8: [pxe_filter] zzz: unknown, and "
                                   "ignored; the section has driver, "),
                        HasSubstr("skip_managed"))));
}

TEST_F(LoadConfig, ANearMissInASharedSectionIsAWarning) {
  EXPECT_THAT(warnings_of("[ironic]\nend_point_override = http://x\n"
                          "[api]\nlisten_on = x\nlistne = y\n"),
              ElementsAre(HasSubstr("did you mean endpoint_override?"),
                          HasSubstr("a.conf:9: [api] listne: unknown, and "
                                    "ignored; did you mean listen?")));
}

TEST_F(LoadConfig, ANearMissOfASectionIsAWarning) {
  EXPECT_THAT(warnings_of("[pxe-filter]\n[IRONC]\n"),
              ElementsAre("a.conf:5: section \"pxe-filter\" is unknown, and "
                          "ignored; did you mean [pxe_filter]?",
                          HasSubstr("did you mean [ironic]?")));
}

// Options and sections that the files of Ironic 21 and ironic-inspector 11
// have: their own names, those of oslo's libraries and keystoneauth.
TEST_F(LoadConfig, FilesOfIronicLoadWithoutNoise) {
  EXPECT_THAT(
      warnings_of(
          "[DEFAULT]\nauth_strategy = noauth\nmy_ip = 192.0.2.1\n"
          "use_stderr = false\nlog_config_append = /x\nlog_date_format = x\n"
          "transport_url = rabbit://u:p@h/\nhost = h\ndebug_tracebacks_in_api "
          "= no\nlog-dir = /var/log/ironic\npybasedir = /usr\n"
          "state_path = $pybasedir/x\nexecutor_thread_pool_size = 64\n"
          "[agent]\n[ami]\n[api]\nhost_ip = ::\nport = 6385\nunix_socket = /s\n"
          "unix_socket_mode = 600\nenable_ssl_api = false\nmax_limit = 1000\n"
          "[pxe]\n[ipmi]\n[ilo]\nca_file = /x\n[snmp]\n[ssl]\ncert_file = /x\n"
          "[inspector]\nauth-type = password\nauth-url = http://k:5000\n"
          "auth_section = keystone\nuser-domain-name = Default\n"
          "username = ironic\npassword = s\nextra_kernel_params = x=$x\n"
          "require_managed_boot = true\nhooks = ramdisk-error\n"
          "[inventory]\n[ironic_lib]\n[keystone_authtoken]\npassword = s\n"
          "auth_type = password\n[auto_discovery]\ndriver = ipmi\n"
          "inspection_scope = x\n[iptables]\ndnsmasq_interface = br\n"
          "[dnsmasq_pxe_filter]\ndhcp_hostsdir = /x\n[nftables]\n"),
      IsEmpty());
}

TEST_F(LoadConfig, FilesOfIronicInspectorLoadWithoutNoise) {
  const auto loaded = load_more(
      "[DEFAULT]\nlisten_address = ::\nlisten_port = 5050\n"
      "standalone = true\nrpc_backend = x\ntimeout = 3600\n"
      "[capabilities]\n[coordination]\n[database]\nconnection = sqlite://\n"
      "[discovery]\nenroll_node_driver = ipmi\n[extra_hardware]\n"
      "[ironic]\nmax_retries = 30\nretry_interval = 2\nregion_name = r\n"
      "min-version = 1\nservice-type = baremetal\nconnect-retries = 3\n"
      "collect-timing = false\nsplit-loggers = false\nauth_url = http://k\n"
      "username = inspector\npassword = p\nproject_name = service\n"
      "user_domain_name = Default\nproject_domain_name = Default\n"
      "[processing]\nadd_ports = pxe\nkeep_ports = all\n"
      "processing_hooks = $default_processing_hooks\n"
      "node_not_found_hook = enroll\npower_off = true\n"
      "[pxe_filter]\nsync_period = 30\ndhcp_hostsdir = /x\n"
      "supported_inspect_interfaces = agent\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  EXPECT_TRUE(loaded->config.discovery);
  EXPECT_EQ(loaded->config.pxe_filter.sync_period, seconds(30));
}

TEST_F(LoadConfig, KeystoneauthsNamesMayHaveDashes) {
  const Config config = config_of(
      "[ironic]\nauth-type = http_basic\nendpoint-override = https://x\n"
      "username = me\npassword = p\n");
  EXPECT_EQ(config.ironic.auth_type, AuthType::kHttpBasic);
  EXPECT_EQ(config.ironic.endpoint_override, "https://x");
}

TEST_F(LoadConfig, TheEndpointOfTheLoginPluginServesToo) {
  const auto loaded =
      load("[pxe_filter]\ndriver = noop\n[ironic]\nendpoint = http://x\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  EXPECT_EQ(loaded->config.ironic.endpoint_override, "http://x");
}

// ---- deprecated names ----

TEST_F(LoadConfig, ADeprecatedNameIsHonouredWithAWarning) {
  for (const std::string section : {"DEFAULT", "pxe_filter"}) {
    const auto loaded = load("[" + section +
                             "]\npxe_filter_driver = noop\n"
                             "[ironic]\nendpoint_override = http://x\n");
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->config.pxe_filter.driver, "noop");
    ASSERT_EQ(loaded->warnings.size(), 1u);
    EXPECT_EQ(short_of(loaded->warnings[0]),
              "a.conf:2: [" + section +
                  "] pxe_filter_driver: a deprecated name; use [pxe_filter] "
                  "driver");
  }
}

TEST_F(LoadConfig, TheCurrentNameWinsOverADeprecatedOneInTheSameFile) {
  const auto loaded = load_more("[DEFAULT]\npxe_filter_driver = dnsmasq\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->config.pxe_filter.driver, "noop");
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_EQ(short_of(loaded->warnings[0]),
            "a.conf:6: [DEFAULT] pxe_filter_driver: ignored, because "
            "[pxe_filter] driver at a.conf:2 says otherwise");
}

TEST_F(LoadConfig, ALaterFileWinsEvenWithADeprecatedName) {
  const auto a = write("a.conf", kMinimum);
  const auto b = write("b.conf", "[DEFAULT]\npxe_filter_driver = dummy\n");
  const auto loaded = load_config({.files = {a, b}, .dir = {}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->config.pxe_filter.driver, "dummy");
  EXPECT_THAT(loaded->warnings,
              ElementsAre(HasSubstr("driver: ignored, because [DEFAULT] "
                                    "pxe_filter_driver"),
                          HasSubstr("a deprecated name")));
}

TEST_F(LoadConfig, TheFirewallSectionIsReadAsIptables) {
  const auto loaded = load_more(
      "[FireWall]\ndnsmasq_interface = br-x\nfirewall_chain = mine\n"
      "ethoib_interfaces = eth6, eth7\nip_version = 6\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  const Config::Iptables& iptables = loaded->config.iptables;
  EXPECT_EQ(iptables.dnsmasq_interface, "br-x");
  EXPECT_EQ(iptables.firewall_chain, "mine");
  EXPECT_THAT(iptables.ethoib_interfaces, ElementsAre("eth6", "eth7"));
  EXPECT_EQ(iptables.ip_version, IpVersion::k6);
  ASSERT_EQ(loaded->warnings.size(), 4u);
  EXPECT_EQ(short_of(loaded->warnings[0]),
            "a.conf:6: [firewall] dnsmasq_interface: a deprecated name; use "
            "[iptables] dnsmasq_interface");
}

TEST_F(LoadConfig, IptablesWinsOverFirewall) {
  const auto loaded = load_more(
      "[iptables]\nfirewall_chain = new\n[firewall]\nfirewall_chain = old\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->config.iptables.firewall_chain, "new");
  EXPECT_THAT(
      loaded->warnings,
      ElementsAre(HasSubstr("[firewall] firewall_chain: ignored, because "
                            "[iptables] firewall_chain at")));
}

TEST_F(LoadConfig, OptionsThatLostTheirMeaningAreWarnedAboutAndIgnored) {
  for (const std::string section : {"iptables", "firewall", "FIREWALL"}) {
    const auto warnings = warnings_of("[" + section +
                                      "]\nmanage_firewall = whatever\n"
                                      "firewall_update_period = $nowhere\n");
    ASSERT_EQ(warnings.size(), 2u) << section;
    EXPECT_THAT(warnings[0],
                AllOf(StartsWith("a.conf:6: ["),
                      HasSubstr("manage_firewall: deprecated, and ignored: "),
                      HasSubstr("[pxe_filter] driver")));
    EXPECT_THAT(warnings[1],
                HasSubstr("firewall_update_period: deprecated, and ignored: "
                          "[pxe_filter] sync_period"));
  }
}

TEST_F(LoadConfig, IronicsPlaceForTheHostsDirectoryServesWithoutAWarning) {
  const std::string text = "[pxe_filter]\ndhcp_hostsdir = /there\n";
  EXPECT_EQ(config_of(text).dnsmasq.dhcp_hostsdir, "/there");
  EXPECT_THAT(warnings_of(text), IsEmpty());
  EXPECT_EQ(config_of(text + "[dnsmasq_pxe_filter]\ndhcp_hostsdir = /here\n")
                .dnsmasq.dhcp_hostsdir,
            "/here");
}

TEST_F(LoadConfig, DashesAreForTheOptionsOfOsloLogAndKeystoneauthOnly) {
  // As in oslo.config, which knows [iptables] dnsmasq-interface by no name.
  EXPECT_EQ(config_of("[iptables]\ndnsmasq-interface = x\n"), config_of(""));
  EXPECT_THAT(warnings_of("[iptables]\ndnsmasq-interface = x\n"),
              ElementsAre(HasSubstr("did you mean dnsmasq_interface?")));
}

// ---- commands of the operator ----

// Each as oslo.config 9.0 reads it.
TEST_F(LoadConfig, CommandsForTheShellComeThroughAsOsloLeavesThem) {
  const struct {
    const char* written;
    const char* read;
  } rows[] = {
      {"kill $(cat /var/run/dnsmasq.pid)", "kill $(cat /var/run/dnsmasq.pid)"},
      {"kill `cat /x`; true # x", "kill `cat /x`; true # x"},
      {"kill $$PID $${PID:-1} \\$PID", "kill $PID ${PID:-1} $PID"},
      {"a $1 $? $@ ${1:-x} ${X:-y}", "a $1 $? $@ ${1:-x} ${X:-y}"},
      {"a $$(b)", "a $(b)"},
      {"'a b' c", "'a b' c"},
      {"'/bin/a b'", "/bin/a b"},
      {"dnsmasq -C $dhcp_hostsdir/x", "dnsmasq -C /d/x"},
  };
  for (const auto& row : rows) {
    const Config config = config_of(
        "[dnsmasq_pxe_filter]\ndhcp_hostsdir = /d\n"
        "dnsmasq_start_command = " +
        std::string(row.written) + "\ndnsmasq_stop_command = " + row.written +
        "\n");
    EXPECT_EQ(config.dnsmasq.start_command, row.read);
    EXPECT_EQ(config.dnsmasq.stop_command, row.read);
  }
  EXPECT_THAT(
      problems_of("[dnsmasq_pxe_filter]\ndnsmasq_stop_command = kill $PID\n"),
      AllOf(HasSubstr("refers to $PID"), HasSubstr("$$ for a plain $")));
}

// ---- drivers of other vendors ----

TEST_F(LoadConfig, ThePluginsSectionIsGivenToItAsText) {
  const Config config = config_of(
      "[DEFAULT]\nsite = north\n[pxe_filter]\ndriver = acme\n"
      "[Acme]\nswitch = ${site}.example\nPass-Word = a=b;c\nvlans = 1\n"
      "vlans = 1, 2\n[acme2]\nswitch = x\n");
  EXPECT_EQ(config.pxe_filter.driver, "acme");
  using Pair = std::pair<const std::string, std::string>;
  EXPECT_THAT(
      config.plugin_options,
      ElementsAre(Pair("Pass-Word", "a=b;c"), Pair("switch", "north.example"),
                  Pair("vlans", "1, 2")));
}

TEST_F(LoadConfig, OtherDriversGetNoPluginOptions) {
  EXPECT_TRUE(config_of("[acme]\nswitch = x\n").plugin_options.empty());
  EXPECT_TRUE(config_of("[pxe_filter]\ndriver = xdp\n[xdp]\ninterfaces = a\n")
                  .plugin_options.empty());
}

TEST_F(LoadConfig, ThePluginsSectionIsNoSlip) {
  EXPECT_THAT(warnings_of("[pxe_filter]\ndriver = ironik\n[ironik]\na = b\n"),
              IsEmpty());
  EXPECT_THAT(warnings_of("[ironik]\na = b\n"),
              ElementsAre(HasSubstr("did you mean [ironic]?")));
}

TEST_F(LoadConfig, NoMessageShowsAPluginsOptions) {
  for (const char* value :
       {"$hunter2", "${hunter2}", "x\ncommunity = $hunter2", "$a"}) {
    const std::string problems = problems_of(
        "[pxe_filter]\ndriver = acme\n[acme]\na = $hunter2\ncommunity = " +
        std::string(value) + "\n[xdp]\nmax_clients = $acme.a\n");
    EXPECT_THAT(problems,
                AllOf(HasSubstr("[acme] community: refers to an option that"),
                      Not(HasSubstr("hunter2"))))
        << value;
  }
  // Nor where another option has taken it in.
  EXPECT_THAT(problems_of("[pxe_filter]\ndriver = acme\n[acme]\na = hunter2\n"
                          "[xdp]\nmax_clients = $acme.a\n"),
              AllOf(HasSubstr("[xdp] max_clients"), Not(HasSubstr("hunter2"))));
}

// ---- what must fit together ----

TEST_F(LoadConfig, AnIronicOnThisHostIsAskedWhereNoneIsNamed) {
  for (const std::string unset : {"", "[ironic]\nendpoint_override =\n"}) {
    const auto loaded = load("[pxe_filter]\ndriver = noop\n" + unset);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->config.ironic.endpoint_override, "http://127.0.0.1:6385");
    EXPECT_THAT(loaded->warnings,
                ElementsAre(HasSubstr("[ironic] endpoint_override: not set; "
                                      "http://127.0.0.1:6385 is asked")));
  }
}

TEST_F(LoadConfig, AnEndpointThatIsWrongIsNotReplaced) {
  EXPECT_THAT(problems_of("[ironic]\nendpoint_override = ftp://x\n"),
              StartsWith("a.conf:6: [ironic] endpoint_override: \"ftp://x\""));
}

TEST_F(LoadConfig, WithoutInterfacesThatOfIptablesIsFiltered) {
  for (const std::string driver : {"xdp", "nftables"}) {
    const auto loaded = load_more("[pxe_filter]\ndriver = " + driver +
                                  "\n[iptables]\ndnsmasq_interface = br-x\n");
    ASSERT_TRUE(loaded) << loaded.error().message();
    const Config& config = loaded->config;
    EXPECT_THAT(
        driver == "xdp" ? config.xdp.interfaces : config.nftables.interfaces,
        ElementsAre("br-x"));
    EXPECT_TRUE(
        (driver == "xdp" ? config.nftables.interfaces : config.xdp.interfaces)
            .empty())
        << "the other driver's";
    ASSERT_EQ(loaded->warnings.size(), 1u);
    EXPECT_THAT(loaded->warnings[0],
                HasSubstr("[" + driver +
                          "] interfaces: not set; \"br-x\" is filtered, as "
                          "[iptables] dnsmasq_interface says"));
  }
}

TEST_F(LoadConfig, WithoutAnyInterfaceTheDefaultOfIptablesIsFiltered) {
  EXPECT_THAT(config_of("[pxe_filter]\ndriver = xdp\n").xdp.interfaces,
              ElementsAre("br-ctlplane"));
}

TEST_F(LoadConfig, InterfacesOfTheDriversOwnAreNotWarnedOf) {
  EXPECT_THAT(warnings_of("[pxe_filter]\ndriver = nftables\n"
                          "[iptables]\ndnsmasq_interface = br-x\n"
                          "[nftables]\ninterfaces = a\n"),
              IsEmpty());
}

TEST_F(LoadConfig, APatternOfIptablesNamesNoInterface) {
  const std::string pattern = "[iptables]\ndnsmasq_interface = eth+\n";
  for (const std::string driver : {"xdp", "nftables"}) {
    EXPECT_THAT(
        problems_of("[pxe_filter]\ndriver = " + driver + "\n" + pattern),
        AllOf(HasSubstr("[" + driver +
                        "] interfaces: not set, and [iptables] "
                        "dnsmasq_interface, \"eth+\", names no single"),
              Not(HasSubstr("\n"))));
  }
  EXPECT_EQ(problems_of("[pxe_filter]\ndriver = iptables\n" + pattern),
            "loaded");
}

TEST_F(LoadConfig, AnInterfaceIsListedOnce) {
  for (const std::string driver : {"xdp", "nftables"}) {
    const std::string text = "[pxe_filter]\ndriver = " + driver + "\n[" +
                             driver + "]\ninterfaces = ";
    EXPECT_THAT(problems_of(text + "a,b,a\n"),
                StartsWith("a.conf:8: [" + driver +
                           "] interfaces: \"a\" is listed twice"));
    EXPECT_EQ(problems_of(text + "a,b\n"), "loaded");
  }
}

TEST_F(LoadConfig, DiscoveryExcludesDenyingUnknownMachines) {
  EXPECT_TRUE(config_of("[auto_discovery]\nenabled = true\n").discovery);
  EXPECT_TRUE(config_of("[processing]\nnode_not_found_hook = x\n").discovery);
  EXPECT_FALSE(config_of("[auto_discovery]\nenabled = no\n"
                         "[processing]\nnode_not_found_hook =\n")
                   .discovery);
  for (const std::string discovery :
       {"[auto_discovery]\nenabled = true\n",
        "[processing]\nnode_not_found_hook = enroll\n"}) {
    EXPECT_THAT(
        problems_of(discovery + "[pxe_filter]\ndeny_unknown_macs = true\n"),
        AllOf(StartsWith("a.conf:8: [pxe_filter] deny_unknown_macs"),
              HasSubstr("[auto_discovery] enabled")));
  }
}

TEST_F(LoadConfig, HttpBasicNeedsUserAndPassword) {
  EXPECT_THAT(problems_of("[ironic]\nauth_type = http_basic\nusername = a:b\n"
                          "password = x\n"),
              AllOf(StartsWith("a.conf:7: [ironic] username: "),
                    HasSubstr("holds a ':'")));
  EXPECT_THAT(problems_of("[ironic]\nauth_type = http_basic\n"),
              AllOf(HasSubstr("[ironic] username: not set"),
                    HasSubstr("[ironic] password: not set")));
}

TEST_F(LoadConfig, AUserWithoutALoginIsAWarning) {
  EXPECT_THAT(warnings_of("[ironic]\nusername = me\npassword = p\n"),
              ElementsAre(HasSubstr("no effect with auth_type = none")));
}

TEST_F(LoadConfig, AKeyNeedsACertificateButNotTheOtherWayRound) {
  EXPECT_THAT(problems_of("[ironic]\nkeyfile = /k\n"),
              HasSubstr("[ironic] keyfile: is of no use without certfile"));
  EXPECT_EQ(problems_of("[ironic]\ncertfile = /c\n"), "loaded");
}

TEST_F(LoadConfig, InspectorIsReadOnlyWhereItIsAsked) {
  EXPECT_EQ(
      config_of("[inspector]\nauth_type = password\ntimeout = x\n").inspector,
      default_config().inspector);
  EXPECT_THAT(problems_of("[inspector]\nendpoint_override = http://x\n"
                          "auth_type = v2password\n"),
              AllOf(StartsWith("a.conf:7: [inspector] auth_type"),
                    HasSubstr("a login that pxegate does not do")));
}

TEST_F(LoadConfig, ASyncPeriodOfZeroIsTakenForTheDefault) {
  EXPECT_EQ(config_of("[pxe_filter]\nsync_period = 0\n").pxe_filter.sync_period,
            seconds(15));
  EXPECT_THAT(warnings_of("[pxe_filter]\nsync_period = 0\n"),
              ElementsAre(HasSubstr("does not stop the periodic sync")));
}

TEST_F(LoadConfig, ARelativeLogFileStartsAtTheLogDirectory) {
  EXPECT_EQ(config_of("[DEFAULT]\nlog_dir = /d\nlog_file = f\n").log_file,
            "/d/f");
  EXPECT_EQ(config_of("[DEFAULT]\nlog_dir = /d\nlog_file = /f\n").log_file,
            "/f");
  EXPECT_EQ(config_of("[DEFAULT]\nlog_dir = /d\n").log_file, "");
}

TEST_F(LoadConfig, PolicyOptionsCarryEverySettingOfThePolicy) {
  const PolicyOptions policy = policy_options(
      config_of("[pxe_filter]\nskip_managed = true\n"
                "deny_unknown_macs = true\nopen_provision_states = enroll\n"
                "supported_inspect_interfaces = x\n"));
  EXPECT_EQ(policy, (PolicyOptions{.open_provision_states = {"enroll"},
                                   .supported_inspect_interfaces = {"x"},
                                   .skip_managed = true,
                                   .deny_unknown_macs = true,
                                   .discovery = false,
                                   .narrowed = false,
                                   .physical_network = {}}));
  for (const auto* name : {"conductor_group", "shard", "owner"}) {
    EXPECT_TRUE(
        policy_options(config_of(fmt::format("[pxe_filter]\n{} = x\n", name)))
            .narrowed)
        << name;
  }
  EXPECT_EQ(
      policy_options(config_of("[pxe_filter]\nphysical_network = physnet1\n"))
          .physical_network,
      "physnet1");
  EXPECT_TRUE(
      policy_options(config_of("[auto_discovery]\nenabled = 1\n")).discovery);
}

// ---- the sample ----

TEST_F(LoadConfig, TheSampleWarnsOfTheTwoOptionsToSetAndOfNothingElse) {
  const auto sample = write("sample.conf", sample_config());
  const auto unedited = load_config({.files = {sample}, .dir = {}});
  ASSERT_TRUE(unedited) << unedited.error().message();
  EXPECT_THAT(unedited->warnings,
              ElementsAre(HasSubstr("[xdp] interfaces: not set"),
                          HasSubstr("[ironic] endpoint_override: not set")));

  const auto rest = write("rest.conf",
                          "[xdp]\ninterfaces = a\n"
                          "[ironic]\nendpoint_override = http://x\n");
  const auto loaded = load_config({.files = {sample, rest}, .dir = {}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  Config expected = default_config();
  expected.pxe_filter.driver = "xdp";
  expected.xdp.interfaces = {"a"};
  expected.ironic.endpoint_override = "http://x";
  EXPECT_EQ(loaded->config, expected);
}

TEST_F(LoadConfig, TheSamplesCommentedOptionsAreValid) {
  const std::string text =
      std::regex_replace(sample_config(), std::regex("(^|\n)#(?=[a-z])"), "$1");
  const auto loaded = load(text);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  for (const Option& option : options()) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(option.name) + " ="));
  }
}

TEST(SampleConfig, KeepsItsLinesShort) {
  std::istringstream lines(sample_config());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 78u) << line;
  }
}

}  // namespace
}  // namespace pxegate
