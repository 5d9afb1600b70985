// SPDX-License-Identifier: Apache-2.0
//
// What IronicClient makes of a login that may not see everything, and of
// options that narrow it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/ironic/ironic_client.h"
#include "controller/ironic/keystone.h"
#include "fake_keystone.h"

namespace pxegate {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string uuid(int number) {
  return fmt::format("00000000-0000-4000-8000-{:012x}", number);
}

// Ironic's habits as its check_list_policy() and check_port_list_policy() have
// them, for one login.
class SharedIronic final : public HttpTransport {
 public:
  struct Machine {
    std::string group{};
    std::string owner{};
    std::string shard{};
    std::string state = "available";
    std::string lessee{};
    bool ports = true;
  };

  Result<HttpResponse> send(const HttpRequest& request) override {
    requests.push_back(request);
    if (before_answer) before_answer(request);
    const std::size_t mark = request.url.find('?');
    const std::size_t path_at = request.url.find("/v1/");
    const std::string path = request.url.substr(path_at, mark - path_at);
    std::map<std::string, std::string> query;
    if (mark != std::string::npos) {
      std::string rest = request.url.substr(mark + 1);
      for (std::size_t at = 0; at < rest.size();) {
        const std::size_t end = std::min(rest.find('&', at), rest.size());
        const std::string item = rest.substr(at, end - at);
        query[item.substr(0, item.find('='))] = item.substr(item.find('=') + 1);
        at = end + 1;
      }
    }
    const auto asked = *ApiVersion::parse(
        request.headers.at("x-openstack-ironic-api-version"));
    if (newest < asked) return answer(406, json::object());
    for (const auto& [name, least] :
         std::map<std::string, unsigned>{{"conductor_group", 46},
                                         {"owner", 50},
                                         {"shard", 82},
                                         {"conductor_groups", 99}}) {
      if (query.contains(name) && asked.minor < least) {
        return answer(406, json::object());
      }
    }
    if (query["fields"].find("lessee") != std::string::npos &&
        asked.minor < 65) {
      return answer(406, json::object());
    }
    if (path == "/v1/nodes") return nodes(query);
    if (path == "/v1/ports") return ports(query);
    for (std::size_t i = 0; i < machines.size(); ++i) {
      if (path == "/v1/nodes/" + uuid(static_cast<int>(i))) {
        return answer(200, node_json(i));
      }
    }
    return answer(404, json::object());
  }

  bool sees(const Machine& machine) const { return list_all || is_of(machine); }
  bool sees_ports(const Machine& machine) const {
    return (list_all && list_all_ports) || is_of(machine);
  }
  bool is_of(const Machine& machine) const {
    return machine.owner == project || machine.lessee == project;
  }

  std::vector<Machine> machines;
  // Each machine has two ports: 1000 + 2 * machine, and the next.
  ApiVersion newest{1, 109};
  // Its policies baremetal:node:list_all and baremetal:port:list_all.
  bool list_all = true;
  bool list_all_ports = true;
  std::string project;  // of the login
  bool ignores_filters = false;
  bool knows_no_project = false;
  std::function<void(const HttpRequest&)> before_answer;
  std::vector<HttpRequest> requests;

 private:
  using Parameters = std::map<std::string, std::string>;

  Result<HttpResponse> answer(int status, const json& body) const {
    return HttpResponse{
        status,
        {{"x-openstack-ironic-api-minimum-version", "1.1"},
         {"x-openstack-ironic-api-maximum-version", newest.to_string()}},
        body.dump()};
  }

  json node_json(std::size_t i) const {
    const Machine& machine = machines[i];
    const auto or_null = [](const std::string& text) {
      return text.empty() ? json() : json(text);
    };
    return {{"uuid", uuid(static_cast<int>(i))},
            {"name", nullptr},
            {"provision_state", machine.state},
            {"inspect_interface", "agent"},
            {"driver_internal_info", json::object()},
            {"conductor_group", machine.group},
            {"owner", or_null(machine.owner)},
            {"lessee", or_null(machine.lessee)},
            {"shard", or_null(machine.shard)}};
  }

  // Those after the marker, cut to the limit.
  template <typename Fits, typename Make>
  Result<HttpResponse> list(const char* name, const Parameters& query,
                            int first, int count, Fits fits, Make make) {
    json items = json::array();
    bool more = false;
    bool begun = !query.contains("marker");
    for (int i = 0; i < count; ++i) {
      const std::string id = uuid(first + i);
      if (begun && fits(i)) {
        if (items.size() == std::stoul(query.at("limit"))) {
          more = true;
          break;
        }
        items.push_back(make(i));
      }
      if (!begun && query.at("marker") == id) begun = true;
    }
    json body = {{name, items}};
    if (more) body["next"] = "http://x/";
    return answer(200, body);
  }

  bool passes(const Parameters& query, const char* name,
              const std::string& value) const {
    const auto found = query.find(name);
    return ignores_filters || found == query.end() || found->second == value;
  }

  Result<HttpResponse> nodes(const Parameters& query) {
    const auto asked = query.find("project");
    if (asked != query.end() && knows_no_project) {
      return answer(400, json::object());
    }
    if (!list_all && asked != query.end() && asked->second != project) {
      return answer(403, json::object());
    }
    return list(
        "nodes", query, 0, static_cast<int>(machines.size()),
        [&](int i) {
          const Machine& machine = machines[static_cast<std::size_t>(i)];
          return sees(machine) &&
                 passes(query, "conductor_group", machine.group) &&
                 passes(query, "owner", machine.owner) &&
                 passes(query, "project", machine.owner) &&
                 passes(query, "shard", machine.shard) &&
                 passes(query, "provision_state", machine.state);
        },
        [&](int i) { return node_json(static_cast<std::size_t>(i)); });
  }

  Result<HttpResponse> ports(const Parameters& query) {
    return list(
        "ports", query, 1000, static_cast<int>(2 * machines.size()),
        [&](int i) {
          const Machine& machine = machines[static_cast<std::size_t>(i / 2)];
          return machine.ports && sees_ports(machine) &&
                 passes(query, "shard", machine.shard) &&
                 passes(query, "conductor_groups", machine.group) &&
                 passes(query, "node", uuid(i / 2));
        },
        [&](int i) {
          return json{{"uuid", uuid(1000 + i)},
                      {"node_uuid", uuid(i / 2)},
                      {"address", fmt::format("52:54:00:00:{:02x}:{:02x}",
                                              i / 256, i % 256)},
                      {"extra", json::object()},
                      {"local_link_connection", json::object()},
                      {"physical_network", nullptr}};
        });
  }
};

class NarrowingTest : public testing::Test {
 protected:
  NarrowingTest() {
    // Sites a and b, each with a machine of projects p and q.
    for (const char* site : {"a", "b"}) {
      for (const char* owner : {"p", "q"}) {
        ironic_.machines.push_back(
            {.group = site, .owner = owner, .shard = std::string("s") + site});
      }
    }
    KeystoneOptions options;
    options.section = "ironic";
    options.auth_url = "http://k";
    options.user_id = "u";
    options.password = Secret("x");
    options.system_scope = "all";
    keystone_login_ =
        *KeystoneAuthenticator::make(std::move(options), keystone_, clock_);
  }

  void connect(IronicOptions options) {
    options.endpoint = "http://ironic";
    client_ = *IronicClient::make(std::move(options), ironic_, none_, clock_);
  }
  void log_in(IronicOptions options = {}) {
    client_ = *IronicClient::make(std::move(options), ironic_, *keystone_login_,
                                  clock_);
  }
  // A login for project p.
  void as_project() {
    keystone_.project = "p";
    ironic_.project = "p";
    ironic_.list_all = false;
  }

  Result<std::set<std::string>> nodes() {
    std::set<std::string> found;
    std::string marker;
    for (;;) {
      const auto page = client_->nodes_page(marker);
      if (!page) return fail(page.error());
      for (const Node& node : page->items) found.insert(marker = node.uuid);
      if (page->last) return found;
    }
  }
  Result<std::set<std::string>> owners_of_ports() {
    std::set<std::string> found;
    std::string marker;
    for (;;) {
      const auto page = client_->ports_page(marker);
      if (!page) return fail(page.error());
      for (const Port& port : page->items) {
        found.insert(port.node_uuid);
        marker = port.uuid;
      }
      if (page->last) return found;
    }
  }

  static std::set<std::string> machines(std::initializer_list<int> numbers) {
    std::set<std::string> all;
    for (const int number : numbers) all.insert(uuid(number));
    return all;
  }
  std::string last_version() const {
    return ironic_.requests.back().headers.at("x-openstack-ironic-api-version");
  }

  ManualClock clock_;
  FakeKeystone keystone_{clock_};
  std::unique_ptr<KeystoneAuthenticator> keystone_login_;
  SharedIronic ironic_;
  NoAuthenticator none_;
  std::unique_ptr<IronicClient> client_;
};

// --- Narrowing ---------------------------------------------------------------

TEST_F(NarrowingTest, WithoutItEverythingIsListed) {
  connect({});
  EXPECT_EQ(nodes().value(), machines({0, 1, 2, 3}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
  EXPECT_EQ(last_version(), "1.53");
}

TEST_F(NarrowingTest, PortsOfOthersAreListedUnlessTheUnknownAreDenied) {
  for (const IronicOptions& options :
       {IronicOptions{.conductor_group = "a"}, IronicOptions{.shard = "sa"}}) {
    IronicOptions denying = options;
    denying.unknown_denied = true;
    connect(options);
    EXPECT_EQ(nodes().value(), machines({0, 1}));
    EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
    connect(denying);
    EXPECT_EQ(nodes().value(), machines({0, 1}));
    EXPECT_EQ(owners_of_ports().value(), machines({0, 1}));
  }
}

TEST_F(NarrowingTest, AShardIsFilteredByIronicForNodesAndPorts) {
  connect({.shard = "sa", .unknown_denied = true});
  EXPECT_EQ(nodes().value(), machines({0, 1}));
  EXPECT_EQ(last_version(), "1.82");
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1}));
  EXPECT_EQ(last_version(), "1.82");
}

TEST_F(NarrowingTest, PortsOfAConductorGroupAreFilteredWhereIronicCan) {
  connect({.conductor_group = "B", .unknown_denied = true});
  EXPECT_EQ(nodes().value(), machines({2, 3}));
  EXPECT_EQ(last_version(), "1.53");
  EXPECT_EQ(owners_of_ports().value(), machines({2, 3}));
  EXPECT_EQ(last_version(), "1.99");

  // An older one lists all, so that others are known, and denied.
  ironic_.newest = {1, 98};
  connect({.conductor_group = "b", .unknown_denied = true});
  EXPECT_EQ(nodes().value(), machines({2, 3}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
}

TEST_F(NarrowingTest, AnOwnerHasHisNodesAndEverybodysPorts) {
  connect({.owner = "p"});
  EXPECT_EQ(nodes().value(), machines({0, 2}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
}

TEST_F(NarrowingTest, PollsAndSingleNodesAreNarrowedToo) {
  for (auto& machine : ironic_.machines) machine.state = "inspecting";
  connect({.conductor_group = "a", .owner = "q"});
  const auto open = client_->nodes_in_state("inspecting");
  ASSERT_TRUE(open) << open.error().message();
  ASSERT_THAT(*open, SizeIs(1));
  EXPECT_EQ(open->front().uuid, uuid(1));
  EXPECT_TRUE(client_->node(uuid(1)).value());
  EXPECT_FALSE(client_->node(uuid(0)).value());
  EXPECT_FALSE(client_->node(uuid(3)).value());
}

TEST_F(NarrowingTest, AServerThatIgnoresTheFilterWidensNothing) {
  ironic_.ignores_filters = true;
  for (const IronicOptions& options :
       {IronicOptions{.conductor_group = "a"}, IronicOptions{.shard = "sa"},
        IronicOptions{.owner = "p"}}) {
    connect(options);
    EXPECT_EQ(nodes().error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(nodes().error().message(), HasSubstr("as was asked for"));
  }
}

TEST_F(NarrowingTest, AnIronicThatLacksAFilterIsToldWithTheOption) {
  struct Row {
    IronicOptions options;
    ApiVersion newest;
    const char* option;
  };
  for (const Row& row :
       {Row{{.conductor_group = "a"}, {1, 45}, "[pxe_filter] conductor_group"},
        Row{{.owner = "p"}, {1, 49}, "[pxe_filter] owner"},
        Row{{.shard = "sa"}, {1, 81}, "[pxe_filter] shard"}}) {
    ironic_.newest = row.newest;
    connect(row.options);
    EXPECT_THAT(nodes().error().message(),
                AllOf(HasSubstr(row.option), HasSubstr("1.1 to")));
    // Once it is upgraded, it is asked.
    ironic_.newest = {1, row.newest.minor + 1};
    EXPECT_TRUE(nodes());
  }
}

TEST_F(NarrowingTest, AShardHasNoComma) {
  const auto made = IronicClient::make({.endpoint = "http://i", .shard = "a,b"},
                                       ironic_, none_, clock_);
  EXPECT_THAT(made.error().message(), HasSubstr("[pxe_filter] shard"));
}

TEST_F(NarrowingTest, ADowngradeWhilePortsAreListedRestartsTheList) {
  connect({.conductor_group = "a", .unknown_denied = true, .page_size = 2});
  ASSERT_TRUE(nodes());
  int pages = 0;
  ironic_.before_answer = [&](const HttpRequest&) {
    if (++pages == 2) ironic_.newest = {1, 60};
  };
  EXPECT_EQ(owners_of_ports().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
  ironic_.newest = {1, 109};
  ASSERT_TRUE(nodes());
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1}));
}

TEST_F(NarrowingTest, ADowngradeBeforePortsAreListedListsAll) {
  connect({.conductor_group = "a", .unknown_denied = true});
  ASSERT_TRUE(nodes());
  ironic_.newest = {1, 60};
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
}

// Whatever there is, by whatever Ironic: the nodes are those that fit, and
// among the ports are all of theirs.
RC_GTEST_FIXTURE_PROP(NarrowingTest, ItListsItsPartAndNoNodeMore, ()) {
  const auto word = [](std::initializer_list<std::string> words) {
    return *rc::gen::elementOf(std::vector<std::string>(words));
  };
  ironic_.machines.clear();
  const int count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    ironic_.machines.push_back({.group = word({"", "a", "b"}),
                                .owner = word({"", "p", "q"}),
                                .shard = word({"", "sa", "sb"})});
  }
  ironic_.newest = {1, *rc::gen::element(53u, 81u, 82u, 98u, 99u, 109u)};
  ironic_.ignores_filters =
      *rc::gen::weightedElement<bool>({{3, false}, {1, true}});
  const IronicOptions options{
      .conductor_group = word({"", "a"}),
      .shard = word({"", "sa"}),
      .owner = word({"", "p"}),
      .unknown_denied = *rc::gen::arbitrary<bool>(),
      .page_size = *rc::gen::inRange<std::size_t>(1, 5)};
  connect(options);
  std::set<std::string> expected;
  for (int i = 0; i < count; ++i) {
    const auto& machine = ironic_.machines[static_cast<std::size_t>(i)];
    if ((options.conductor_group.empty() ||
         machine.group == options.conductor_group) &&
        (options.owner.empty() || machine.owner == options.owner) &&
        (options.shard.empty() || machine.shard == options.shard)) {
      expected.insert(uuid(i));
    }
  }
  const auto listed = nodes();
  const bool can = options.shard.empty() || ironic_.newest.minor >= 82;
  if (!can) RC_ASSERT(!listed);
  if (can && !ironic_.ignores_filters) RC_ASSERT(listed.has_value());
  if (!listed) return;
  RC_ASSERT(*listed == expected);
  const auto owners = owners_of_ports();
  RC_ASSERT(owners.has_value());
  RC_ASSERT(std::includes(owners->begin(), owners->end(), expected.begin(),
                          expected.end()));
  if (!options.unknown_denied) {
    RC_ASSERT(owners->size() == static_cast<std::size_t>(count));
  }
}

// --- Completeness
// -------------------------------------------------------------

TEST_F(NarrowingTest, TheSystemSeesAllWithoutAQuestion) {
  log_in();
  EXPECT_EQ(nodes().value(), machines({0, 1, 2, 3}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
  for (const HttpRequest& request : ironic_.requests) {
    EXPECT_THAT(request.url, Not(HasSubstr("project=")));
    EXPECT_THAT(request.url, HasSubstr("http://ironic-1:6385/v1/"));
  }
}

TEST_F(NarrowingTest, AProjectsLoginIsRefusedWhatItIsNotShown) {
  as_project();
  log_in();
  const auto check = [](const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kPermission);
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("its own project"), HasSubstr("project of p"),
                      HasSubstr("system_scope = all"),
                      HasSubstr("baremetal:node:list_all and "
                                "baremetal:port:list_all"),
                      HasSubstr("owner = p and deny_unknown_macs")));
  };
  check(nodes().error());
  check(owners_of_ports().error());
  check(client_->nodes_in_state("inspecting").error());
  check(client_->node(uuid(0)).error());
  check(client_->ports_of_node(uuid(0)).error());
}

TEST_F(NarrowingTest, AProjectsLoginThatListAllAdmitsIsComplete) {
  as_project();
  ironic_.list_all = true;
  log_in();
  EXPECT_EQ(nodes().value(), machines({0, 1, 2, 3}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
}

TEST_F(NarrowingTest, AProjectsLoginThatIsShownNoPortsOfOthersIsRefused) {
  as_project();
  ironic_.list_all = true;
  ironic_.list_all_ports = false;
  // What the project has on lease is its own as well.
  ironic_.machines.push_back({.group = "a", .owner = "r", .lessee = "p"});
  log_in({.page_size = 1});
  ASSERT_EQ(nodes().value(), machines({0, 1, 2, 3, 4}));
  EXPECT_THAT(ironic_.requests.back().url, HasSubstr("owner,lessee"));
  const auto listed = owners_of_ports();
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), ErrorCode::kPermission);
  EXPECT_THAT(
      listed.error().message(),
      AllOf(HasSubstr("of p"), HasSubstr("2 nodes"), HasSubstr("not one port"),
            HasSubstr("baremetal:port:list_all"),
            HasSubstr("baremetal:node:list_all"),
            HasSubstr("system_scope = all")));
  // Nor does asking for the last page once more help.
  EXPECT_EQ(client_->ports_page(uuid(1009)).error().code(),
            ErrorCode::kPermission);
  // One of theirs is enough.
  ironic_.list_all_ports = true;
  for (const int without : {0, 1, 2}) {
    ironic_.machines[static_cast<std::size_t>(without)].ports = false;
  }
  log_in({.page_size = 1});
  ASSERT_TRUE(nodes());
  EXPECT_EQ(owners_of_ports().value(), machines({3, 4}));
  // It is judged anew with each list.
  ironic_.list_all_ports = false;
  EXPECT_EQ(owners_of_ports().error().code(), ErrorCode::kPermission);
}

TEST_F(NarrowingTest, AnIronicWithoutLesseesIsAskedForOwnersOnly) {
  as_project();
  ironic_.list_all = true;
  ironic_.list_all_ports = false;
  ironic_.newest = {1, 64};
  log_in({.page_size = 1});
  ASSERT_TRUE(nodes());
  EXPECT_EQ(owners_of_ports().error().code(), ErrorCode::kPermission);
  ironic_.list_all_ports = true;
  EXPECT_EQ(owners_of_ports().value(), machines({0, 1, 2, 3}));
}

TEST_F(NarrowingTest, AProjectsLoginOfItsOwnPartCannotTellWithoutOthers) {
  as_project();
  ironic_.list_all = true;
  ironic_.list_all_ports = false;
  log_in({.owner = "p"});
  ASSERT_TRUE(nodes());
  EXPECT_THAT(owners_of_ports().error().message(),
              HasSubstr("deny_unknown_macs = true"));
  log_in({.owner = "p", .unknown_denied = true});
  ASSERT_TRUE(nodes());
  EXPECT_TRUE(owners_of_ports());
  // There are no others in all of Ironic.
  std::erase_if(ironic_.machines,
                [](const auto& machine) { return machine.owner != "p"; });
  log_in();
  ASSERT_TRUE(nodes());
  EXPECT_TRUE(owners_of_ports());
}

TEST_F(NarrowingTest, OnlyAProjectsLoginAsksWhoseANodeIs) {
  log_in();
  ASSERT_TRUE(nodes());
  for (const HttpRequest& request : ironic_.requests) {
    EXPECT_THAT(request.url, Not(HasSubstr("lessee")));
  }
}

TEST_F(NarrowingTest, AnOwnPartWillDoWhereTheUnknownAreDenied) {
  as_project();
  log_in({.owner = "p"});
  EXPECT_THAT(nodes().error().message(), HasSubstr("deny_unknown_macs = true"));
  log_in({.owner = "p", .unknown_denied = true});
  EXPECT_EQ(nodes().value(), machines({0, 2}));
  EXPECT_EQ(owners_of_ports().value(), machines({0, 2}));
  log_in({.conductor_group = "a", .unknown_denied = true});
  EXPECT_FALSE(nodes());
  log_in({.owner = "q", .unknown_denied = true});
  EXPECT_FALSE(nodes());
}

TEST_F(NarrowingTest, ARoleLostInTheMiddleOfAListSpoilsIt) {
  as_project();
  ironic_.list_all = true;
  log_in({.page_size = 1});
  ASSERT_TRUE(nodes());
  // The policy changes under the same token: found at the list's end.
  int pages = 0;
  ironic_.before_answer = [&](const HttpRequest&) {
    if (++pages == 4) ironic_.list_all = false;
  };
  EXPECT_EQ(owners_of_ports().error().code(), ErrorCode::kPermission);
  // The token is replaced: found at the next page.
  ironic_.list_all = true;
  const auto first = client_->nodes_page("");
  ASSERT_TRUE(first) << first.error().message();
  ironic_.list_all = false;
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(client_->nodes_page(uuid(0)).error().code(),
            ErrorCode::kPermission);
}

TEST_F(NarrowingTest, AnIronicThatCannotBeAskedIsNotBelieved) {
  as_project();
  ironic_.list_all = true;
  ironic_.knows_no_project = true;
  log_in();
  EXPECT_EQ(nodes().error().code(), ErrorCode::kPermission);
  EXPECT_THAT(nodes().error().message(),
              AllOf(HasSubstr("HTTP 400"),
                    HasSubstr("does not filter nodes by project"),
                    HasSubstr("system_scope = all"),
                    HasSubstr("owner = p and deny_unknown_macs = true")));
  // That part alone needs no question; what Ironic shows is enough for it.
  log_in({.owner = "p", .unknown_denied = true});
  EXPECT_EQ(nodes().value(), machines({0, 2}));
  log_in();
  ironic_.knows_no_project = false;
  ironic_.ignores_filters = true;
  EXPECT_THAT(nodes().error().message(), HasSubstr("filter by project"));
}

// The fake Keystone has another endpoint for each login.
TEST_F(NarrowingTest, AListIsOfOneEndpoint) {
  log_in({.page_size = 1});
  ASSERT_TRUE(client_->nodes_page(""));
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(client_->nodes_page(uuid(0)).error().code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(client_->nodes_page(uuid(0)).error().code(),
            ErrorCode::kUnavailable)
      << "asked once more";
  EXPECT_EQ(nodes().value(), machines({0, 1, 2, 3}));
  // Its ports are of the same.
  clock_.advance(std::chrono::hours{2});
  EXPECT_THAT(owners_of_ports().error().message(), HasSubstr("ironic-3"));
  EXPECT_EQ(owners_of_ports().error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(nodes());
  ASSERT_TRUE(owners_of_ports());
  // What came after it is asked of the same, too.
  ASSERT_TRUE(client_->ports_page(uuid(1007)));
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(client_->ports_page(uuid(1007)).error().code(),
            ErrorCode::kNotFound);
  for (auto& machine : ironic_.machines) machine.state = "inspecting";
  int pages = 0;
  ironic_.before_answer = [&](const HttpRequest&) {
    if (++pages == 1) clock_.advance(std::chrono::hours{2});
  };
  EXPECT_EQ(client_->nodes_in_state("inspecting").error().code(),
            ErrorCode::kUnavailable);
  EXPECT_THAT(client_->nodes_in_state("inspecting").value(), SizeIs(4));
}

TEST_F(NarrowingTest, TheLoginIsDescribed) {
  log_in();
  auto login = client_->login();
  ASSERT_TRUE(login) << login.error().message();
  EXPECT_TRUE(login->complete);
  EXPECT_EQ(login->user, "pxegate");
  EXPECT_EQ(login->scope, "system");
  EXPECT_EQ(login->endpoint, "http://ironic-1:6385");
  EXPECT_EQ(login->microversion, "1.53");
  EXPECT_EQ(login->newest_microversion, "1.109");
  EXPECT_THAT(login->auth, HasSubstr("auth_type = password"));
  EXPECT_THAT(login->why, IsEmpty());

  as_project();
  clock_.advance(std::chrono::hours{2});
  login = client_->login();
  ASSERT_TRUE(login) << login.error().message();
  EXPECT_FALSE(login->complete);
  EXPECT_EQ(login->scope, "project of p");
  EXPECT_THAT(login->why, HasSubstr("system_scope = all"));

  keystone_.down = true;
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(client_->login().error().code(), ErrorCode::kUnavailable);
}

TEST_F(NarrowingTest, TheStatusCanTellWhoAsks) {
  log_in();
  EXPECT_FALSE(client_->login_in_use());
  ASSERT_TRUE(nodes());
  EXPECT_EQ(client_->login_in_use(), (SourceLogin{"pxegate", "system"}));
  as_project();
  clock_.advance(std::chrono::hours{2});
  nodes().has_value();
  EXPECT_EQ(client_->login_in_use(), (SourceLogin{"pxegate", "project of p"}));
  connect({});
  ASSERT_FALSE(nodes().value().empty());
  EXPECT_FALSE(client_->login_in_use());
}

TEST_F(NarrowingTest, KeystoneMayBeDownAtFirst) {
  keystone_.down = true;
  log_in();
  EXPECT_EQ(nodes().error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(ironic_.requests, IsEmpty());
  keystone_.down = false;
  clock_.advance(std::chrono::minutes{2});
  EXPECT_EQ(nodes().value(), machines({0, 1, 2, 3}));
}

}  // namespace
}  // namespace pxegate
