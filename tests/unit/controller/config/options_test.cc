// SPDX-License-Identifier: Apache-2.0
#include "controller/config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Reads one option into a default configuration.
Result<Config> with(std::string_view section, std::string_view name,
                    std::string_view text) {
  const Option* option = find_option(section, name);
  if (option == nullptr) return fail("no such option");
  Config config = default_config();
  if (auto done = set_option(*option, text, config); !done) {
    return fail(done.error());
  }
  return config;
}

std::string refusal(std::string_view section, std::string_view name,
                    std::string_view text) {
  const auto config = with(section, name, text);
  return config ? "accepted" : config.error().message();
}

std::string title(const Option& option) {
  return "[" + std::string(option.section) + "] " + std::string(option.name);
}

TEST(OptionTable, NamesAreUniqueAndSectionsStayTogether) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  std::vector<std::string_view> sections;
  for (const Option& option : options()) {
    EXPECT_TRUE(names.emplace(option.section, option.name).second)
        << title(option);
    for (const OptionAlias& alias : option.aliases) {
      const auto section =
          alias.section.empty() ? option.section : alias.section;
      EXPECT_TRUE(names.emplace(section, alias.name).second) << alias.name;
    }
    if (sections.empty() || sections.back() != option.section) {
      sections.push_back(option.section);
    }
  }
  EXPECT_EQ(sections.size(), std::set(sections.begin(), sections.end()).size());
}

TEST(OptionTable, EveryOptionIsFullyDescribed) {
  for (const Option& option : options()) {
    SCOPED_TRACE(title(option));
    EXPECT_THAT(option.help, testing::EndsWith("."));
    EXPECT_FALSE(expected_text(option).empty());
    EXPECT_NE(to_string(option.type), "unknown");
    EXPECT_EQ(option.check == nullptr, option.expected.empty());
    const bool number = option.type == OptionType::kInteger ||
                        option.type == OptionType::kSeconds ||
                        option.type == OptionType::kDelay;
    EXPECT_EQ(number, option.max > option.min);
    EXPECT_EQ(option.type == OptionType::kChoice, !option.choices.empty());
    EXPECT_EQ(find_option(option.section, option.name), &option);
  }
}

TEST(OptionTable, DefaultsAndExamplesAreValid) {
  for (const Option& option : options()) {
    SCOPED_TRACE(title(option));
    Config config;
    const auto normal = set_option(option, option.default_text, config);
    EXPECT_TRUE(normal) << normal.error().message();
    if (option.example.empty()) continue;
    const auto example = set_option(option, option.example, config);
    EXPECT_TRUE(example) << example.error().message();
  }
}

TEST(OptionTable, EveryOptionReachesTheConfiguration) {
  for (const Option& option : options()) {
    SCOPED_TRACE(title(option));
    std::string text = "/elsewhere";
    if (option.type == OptionType::kBoolean) {
      text = option.default_text == "true" ? "false" : "true";
    }
    if (option.type == OptionType::kInteger) text = "7";
    if (option.type == OptionType::kSeconds) text = "7";
    if (option.type == OptionType::kDelay) text = "7.5";
    if (option.type == OptionType::kUrl) text = "http://elsewhere";
    if (option.type == OptionType::kList) text = "enroll";
    if (option.type == OptionType::kChoice) text = option.choices.back();
    if (option.name == "valid_interfaces") text = "admin";
    if (option.name == "system_scope") text = "all";
    if (option.name == "retriable_status_codes") text = "500";
    if (option.name == "listen") text = "elsewhere:1";
    if (option.name == "discovery_relays") text = "10.1.0.0/16";
    if (option.name == "dnsmasq_interface") text = "elsewhere";
    if (option.name == "firewall_chain") text = "elsewhere";
    if (option.name == "table") text = "elsewhere";
    Config config = default_config();
    const auto done = set_option(option, text, config);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_FALSE(config == default_config());
  }
}

TEST(OptionTable, DefaultsAreThoseOfTheDocumentation) {
  const Config config = default_config();
  EXPECT_FALSE(config.debug);
  EXPECT_EQ(config.pxe_filter.driver, "iptables");
  EXPECT_EQ(config.pxe_filter.sync_period, seconds(15));
  EXPECT_EQ(config.pxe_filter.poll_interval, seconds(2));
  EXPECT_THAT(config.pxe_filter.supported_inspect_interfaces,
              ElementsAre("agent", "inspector"));
  EXPECT_THAT(config.pxe_filter.open_provision_states,
              ElementsAre("inspecting", "inspect wait"));
  EXPECT_EQ(config.ironic.auth_type, AuthType::kNone);
  EXPECT_EQ(config.ironic.timeout, seconds(30));
  EXPECT_EQ(config.inspector.timeout, seconds(5));
  EXPECT_EQ(config.ironic.service_type, "baremetal");
  EXPECT_EQ(config.inspector.service_type, "baremetal-introspection");
  EXPECT_THAT(config.ironic.valid_interfaces,
              ElementsAre("internal", "public"));
  EXPECT_EQ(config.ironic.connect_retries, 0u);
  EXPECT_EQ(config.ironic.status_code_retries, 0u);
  EXPECT_THAT(config.ironic.retriable_status_codes, ElementsAre(503));
  EXPECT_EQ(config.pxe_filter.min_list_percent, 50u);
  EXPECT_FALSE(config.inspector_asked());
  EXPECT_TRUE(config.notifications.transport_url.empty());
  EXPECT_FALSE(config.notifications.ssl);
  EXPECT_EQ(config.notifications.exchange, "ironic");
  EXPECT_THAT(config.notifications.topics,
              ElementsAre("ironic_versioned_notifications"));
  EXPECT_EQ(config.xdp.mode, XdpMode::kAuto);
  EXPECT_EQ(config.xdp.on_exit, OnExit::kKeep);
  EXPECT_EQ(config.xdp.pin_path, "/sys/fs/bpf/pxegate");
  EXPECT_EQ(config.xdp.max_clients, 262144u);
  EXPECT_EQ(config.xdp.attach, NicSharing::kExclusive);
  EXPECT_EQ(config.xdp.scope, GateScope::kDhcp);
  EXPECT_EQ(config.xdp.stale_after, seconds(300));
  EXPECT_EQ(config.xdp.stale_action, StaleAction::kDeny);
  EXPECT_THAT(config.xdp.discovery_relays, IsEmpty());
  EXPECT_EQ(config.xdp.unknown_rate, 0u);
  EXPECT_EQ(config.xdp.relay_rate, 0u);
  EXPECT_EQ(config.iptables.dnsmasq_interface, "br-ctlplane");
  EXPECT_EQ(config.iptables.firewall_chain, "ironic-inspector");
  EXPECT_THAT(config.iptables.ethoib_interfaces, IsEmpty());
  EXPECT_EQ(config.iptables.ip_version, IpVersion::k4);
  EXPECT_EQ(config.dnsmasq.dhcp_hostsdir,
            "/var/lib/ironic-inspector/dhcp-hostsdir");
  EXPECT_TRUE(config.dnsmasq.purge_dhcp_hostsdir);
  EXPECT_EQ(config.dnsmasq.start_command, "");
  EXPECT_EQ(config.dnsmasq.stop_command, "");
  EXPECT_THAT(config.nftables.interfaces, IsEmpty());
  EXPECT_EQ(config.nftables.table, "pxegate");
  EXPECT_EQ(config.api.socket, "/run/pxegate/pxegate.sock");
  EXPECT_EQ(config.api.listen, "");
  EXPECT_FALSE(config.discovery);
}

TEST(BooleanOption, TakesTheWordsOfOsloInAnyCase) {
  for (const auto* text : {"true", "1", "on", "yes", "True", "YES", "oN"}) {
    EXPECT_TRUE(with("DEFAULT", "debug", text)->debug) << text;
  }
  for (const auto* text : {"false", "0", "off", "no", "FALSE", "Off"}) {
    EXPECT_FALSE(with("DEFAULT", "debug", text)->debug) << text;
  }
  for (const auto* text : {"", "t", "2", "enabled", "true "}) {
    EXPECT_THAT(refusal("DEFAULT", "debug", text),
                HasSubstr("is no boolean; expected true or false"));
  }
}

TEST(IntegerOption, TakesWhatPythonTakes) {
  const auto read = [](std::string_view text) {
    return with("xdp", "max_clients", text)->xdp.max_clients;
  };
  EXPECT_EQ(read("100"), 100u);
  EXPECT_EQ(read(" +100 "), 100u);
  EXPECT_EQ(read("007"), 7u);
  EXPECT_EQ(read("1_000"), 1000u);
  EXPECT_EQ(read(""), 262144u) << "empty stands for the default";
}

TEST(IntegerOption, RefusesWhatIsNone) {
  for (const auto* text : {"x", "1.5", "0x10", "1 2", "--1", "+-1", "1__0",
                           "_1", "1_", "-_1", "12k", "\xc2\xb2"}) {
    EXPECT_THAT(refusal("xdp", "max_clients", text),
                HasSubstr("is no integer; expected an integer from 1 to "
                          "16777216"));
  }
}

TEST(IntegerOption, RefusesWhatIsOutOfRange) {
  for (const auto* text : {"0", "-1", "16777217", "99999999999999999999999",
                           "-99999999999999999999999"}) {
    EXPECT_THAT(refusal("xdp", "max_clients", text),
                HasSubstr("out of range; expected an integer from 1 to"));
  }
  EXPECT_THAT(refusal("pxe_filter", "poll_interval", "0"),
              HasSubstr("from 1 to 3600"));
}

TEST(ListOption, SplitsAtCommasAndTrimsAsOslo) {
  const auto read = [](std::string_view text) {
    return with("xdp", "interfaces", text)->xdp.interfaces;
  };
  EXPECT_THAT(read("a"), ElementsAre("a"));
  EXPECT_THAT(read(" a , b,c "), ElementsAre("a", "b", "c"));
  EXPECT_THAT(read("a,\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(read("a,b,,"), ElementsAre("a", "b"));
  EXPECT_THAT(read(""), IsEmpty());
  EXPECT_THAT(read(" , "), IsEmpty());
}

TEST(ListOption, ChecksEveryItem) {
  for (const auto* text : {"a,,b", "a b", "a,sixteenletters16", "a/b", "..",
                           "a:1", "a\nb", "\"a\""}) {
    EXPECT_THAT(refusal("xdp", "interfaces", text),
                HasSubstr("expected names of network interfaces"))
        << text;
  }
}

TEST(ProvisionStates, AnUnknownOneIsRefusedWithTheNearest) {
  EXPECT_TRUE(with("pxe_filter", "open_provision_states",
                   "inspecting, inspect wait, clean wait, wait call-back, "
                   "rescue wait, service wait"));
  EXPECT_THAT(
      refusal("pxe_filter", "open_provision_states", "inspecting, inspectwait"),
      AllOf(HasSubstr("\"inspectwait\" is no provision state"),
            HasSubstr("did you mean \"inspect wait\"?")));
  EXPECT_THAT(refusal("pxe_filter", "open_provision_states", "zzz"),
              Not(HasSubstr("did you mean")));
}

TEST(ChoiceOption, TakesTheNamesExactly) {
  EXPECT_EQ(with("xdp", "mode", "auto")->xdp.mode, XdpMode::kAuto);
  EXPECT_EQ(with("xdp", "mode", "native")->xdp.mode, XdpMode::kNative);
  EXPECT_EQ(with("xdp", "mode", "skb")->xdp.mode, XdpMode::kSkb);
  EXPECT_EQ(with("xdp", "on_exit", "keep")->xdp.on_exit, OnExit::kKeep);
  EXPECT_EQ(with("xdp", "on_exit", "detach")->xdp.on_exit, OnExit::kDetach);
  EXPECT_THAT(refusal("xdp", "mode", "nativ"),
              AllOf(HasSubstr("did you mean \"native\"?"),
                    HasSubstr("expected auto or native or skb")));
  EXPECT_THAT(refusal("xdp", "mode", "AUTO"), HasSubstr("not one of them"));
  EXPECT_THAT(refusal("xdp", "mode", ""), HasSubstr("not one of them"));
}

TEST(AuthType, TakesTheNamesOfKeystoneauthsPlugins) {
  const auto read = [](std::string_view text) {
    return with("ironic", "auth_type", text)->ironic.auth_type;
  };
  EXPECT_EQ(read("none"), AuthType::kNone);
  EXPECT_EQ(read("http_basic"), AuthType::kHttpBasic);
  EXPECT_EQ(read("password"), AuthType::kPassword);
  EXPECT_EQ(read("v3password"), AuthType::kPassword);
  EXPECT_EQ(read("v3applicationcredential"), AuthType::kApplicationCredential);
  EXPECT_EQ(read("token"), AuthType::kToken);
  EXPECT_EQ(read("v3token"), AuthType::kToken);
}

TEST(AuthType, ALoginThatIsNotSupportedIsRefusedAsSuch) {
  for (const auto* text : {"v2password", "v3oidcpassword", "v3totp"}) {
    EXPECT_THAT(refusal("ironic", "auth_type", text),
                AllOf(HasSubstr("a login that pxegate does not do"),
                      HasSubstr("v3applicationcredential")));
  }
  EXPECT_THAT(refusal("ironic", "auth_type", "basic"),
              Not(HasSubstr("does not do")));
}

TEST(DelayOption, TakesSecondsWithDecimals) {
  using std::chrono::milliseconds;
  const auto read = [](std::string_view text) {
    return with("ironic", "connect_retry_delay", text)
        ->ironic.connect_retry_delay;
  };
  EXPECT_EQ(read("0"), milliseconds(0));
  EXPECT_EQ(read(""), milliseconds(0));
  EXPECT_EQ(read("2"), milliseconds(2000));
  EXPECT_EQ(read(" 0.5 "), milliseconds(500));
  EXPECT_EQ(read("60"), milliseconds(60000));
  for (const auto* text : {"x", "1s", "0x1p3", "nan", "inf", "1,5", "1e1"}) {
    EXPECT_THAT(
        refusal("ironic", "connect_retry_delay", text),
        HasSubstr("is no number; expected seconds, a number from 0 to 60"))
        << text;
  }
  for (const auto* text : {"-1", "60.001", "99999999999999999999"}) {
    EXPECT_THAT(refusal("ironic", "connect_retry_delay", text),
                HasSubstr("out of range"))
        << text;
  }
}

TEST(StatusCodes, AreThoseOfErrors) {
  EXPECT_THAT(with("ironic", "retriable_status_codes", "503, 409")
                  ->ironic.retriable_status_codes,
              ElementsAre(503, 409));
  for (const auto* text : {"200", "600", "50", "5000", "x", "-503", "5 3"}) {
    EXPECT_THAT(refusal("ironic", "retriable_status_codes", text),
                HasSubstr("expected HTTP status codes from 400 to 599"))
        << text;
  }
}

TEST(CatalogueInterfaces, AreThoseOfKeystone) {
  EXPECT_THAT(
      with("ironic", "valid_interfaces", "admin")->ironic.valid_interfaces,
      ElementsAre("admin"));
  EXPECT_THAT(refusal("ironic", "valid_interfaces", "publicURL"),
              HasSubstr("expected public, internal and admin"));
}

TEST(SystemScope, IsAllOrNothing) {
  EXPECT_EQ(with("ironic", "system_scope", "all")->ironic.system_scope, "all");
  EXPECT_THAT(refusal("ironic", "system_scope", "true"),
              HasSubstr("expected all, or nothing"));
}

TEST(Endpoint, TakesHttpUrls) {
  for (const auto* text :
       {"http://a", "https://a.b/", "http://192.0.2.1:6385",
        "https://[2001:db8::1]:6385/baremetal", "http://[::1]", ""}) {
    EXPECT_EQ(refusal("ironic", "endpoint_override", text), "accepted") << text;
  }
  for (const auto* text :
       {"a", "ftp://a", "http://", "http:///x", "http://a:0", "http://a:65536",
        "http://a:", "http://a:x", "http://[::1", "http://[zz]", "http://::1",
        "http://a b", "http://a/b c", "HTTP//a", "http://a\n"}) {
    EXPECT_THAT(refusal("ironic", "endpoint_override", text),
                HasSubstr("expected a URL such as"))
        << text;
  }
}

TEST(Endpoint, NeverShowsAPasswordThatStandsInIt) {
  for (const auto* text :
       {"http://me:hunter2@a", "me:hunter2@a", "http://a/?token=hunter2"}) {
    EXPECT_THAT(refusal("ironic", "endpoint_override", text),
                AllOf(HasSubstr("expected"), Not(HasSubstr("hunter2"))));
  }
}

TEST(SecretOption, IsNeverShown) {
  EXPECT_EQ(with("ironic", "password", "p:w \"x\"")->ironic.password.reveal(),
            "p:w \"x\"");
  for (const auto* text : {"hunter2\nx", "hunter2\x01"}) {
    EXPECT_THAT(refusal("ironic", "password", text),
                AllOf(HasSubstr("expected"), Not(HasSubstr("hunter2"))));
  }
}

TEST(TextOption, AnswersAValueOverSeveralLinesWithTheLikelyCause) {
  EXPECT_THAT(refusal("pxe_filter", "driver", "xdp\nsync_period = 5"),
              HasSubstr("a line that starts with a blank"));
  EXPECT_THAT(refusal("DEFAULT", "log_file", "/a\x1b"),
              HasSubstr("control characters"));
}

TEST(Listen, TakesAnAddressWithAPort) {
  for (const auto* text : {"", "127.0.0.1:9725", "localhost:1", "[::1]:9725"}) {
    EXPECT_EQ(refusal("api", "listen", text), "accepted") << text;
  }
  for (const auto* text : {"9725", ":9725", "::1:9725", "[::1]", "a:0",
                           "a:70000", "http://a:1", "a:1 "}) {
    EXPECT_THAT(refusal("api", "listen", text), HasSubstr("expected host:port"))
        << text;
  }
}

TEST(Paths, MustBeAbsoluteAndFitTheSocketAddress) {
  EXPECT_THAT(refusal("xdp", "pin_path", "bpf"), HasSubstr("absolute path"));
  EXPECT_THAT(refusal("xdp", "pin_path", ""), HasSubstr("absolute path"));
  EXPECT_THAT(refusal("api", "socket", "/" + std::string(107, 'x')),
              HasSubstr("at most 107"));
  EXPECT_EQ(refusal("api", "socket", "/" + std::string(106, 'x')), "accepted");
}

TEST(InterfacePattern, MayEndInAPlusAsIptablesHasIt) {
  for (const auto* text : {"eth0", "br-ctlplane", "eth+", "a.100"}) {
    EXPECT_EQ(refusal("iptables", "dnsmasq_interface", text), "accepted");
  }
  for (const auto* text : {"", "+", "++", "e+h", "eth++", "!eth0", "a b",
                           "sixteenletters16", "a/b", ".."}) {
    EXPECT_THAT(refusal("iptables", "dnsmasq_interface", text),
                HasSubstr("expected the name of a network interface"))
        << text;
  }
}

TEST(Chain, IsANameThatIptablesRestoreTakesAndIsNotItsOwn) {
  for (const auto* text :
       {"ironic-inspector", "a", "pxe_1.x", "twentythree-characters1"}) {
    EXPECT_EQ(refusal("iptables", "firewall_chain", text), "accepted") << text;
  }
  for (const auto* text : {"", "-a", "a b", "a\nb", "a;b", "INPUT", "RETURN",
                           "twentyfour-characters-12"}) {
    EXPECT_THAT(refusal("iptables", "firewall_chain", text),
                HasSubstr("expected a chain name"))
        << text;
  }
}

TEST(Table, IsANameThatNftablesTakes) {
  for (const auto* text : {"pxegate", "A-1_b"}) {
    EXPECT_EQ(refusal("nftables", "table", text), "accepted") << text;
  }
  for (const auto* text : {"", "1a", "_a", "a b", "a;", "a{", "a.b"}) {
    EXPECT_THAT(refusal("nftables", "table", text),
                HasSubstr("expected a name of at most 64"))
        << text;
  }
}

TEST(SetOption, LeavesTheConfigurationAloneOnFailure) {
  Config config = default_config();
  EXPECT_FALSE(set_option(*find_option("xdp", "interfaces"), "a,b c", config));
  EXPECT_EQ(config, default_config());
}

}  // namespace
}  // namespace pxegate
