// SPDX-License-Identifier: Apache-2.0
#include "controller/app/metrics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  std::string page() const {
    return metrics_.page(backend_.status(), backend_.observe(), now(clock_));
  }
  // The value of one series, as the page has it; "none".
  std::string value(const std::string& series) const {
    const std::string text = "\n" + page();
    const std::string start = "\n" + series + " ";
    const auto at = text.find(start);
    if (at == std::string::npos) return "none";
    const auto begin = at + start.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  void ended(const std::string& url, Result<HttpResponse> response,
             bool keystone = false) {
    HttpRequest request;
    request.url = url;
    metrics_.request_ended({"ironic", keystone, request, response, 20ms});
  }

  const FakeClock clock_{};
  FakeBackend backend_;
  Metrics metrics_{clock_};
};

HttpResponse answer(int status) {
  HttpResponse response;
  response.status = status;
  return response;
}

TEST_F(MetricsTest, TellsWhatTheStatusSays) {
  backend_.status_.stale = true;
  backend_.status_.driver.lease = LeaseStatus{false, 250s, "deny"};
  EXPECT_EQ(value("pxegate_healthy"), "0");
  EXPECT_EQ(value("pxegate_policy_stale"), "1");
  EXPECT_EQ(value("pxegate_policy_entries{verdict=\"deny\"}"), "2");
  EXPECT_EQ(value("pxegate_rules_capacity"), "262144");
  EXPECT_EQ(value("pxegate_lease_remaining_seconds"), "250");
  EXPECT_EQ(value("pxegate_target_active{target=\"eth1\"}"), "1");
  EXPECT_EQ(value("pxegate_list_held_back"), "0");
  EXPECT_EQ(value("pxegate_driver_info{driver=\"xdp\"}"), "1");
  backend_.status_.stale = false;
  backend_.status_.driver.lease = LeaseStatus{true, 3s, "deny"};
  backend_.status_.held_back.emplace();
  EXPECT_EQ(value("pxegate_healthy"), "0") << "the lease ran out";
  EXPECT_EQ(value("pxegate_lease_remaining_seconds"), "-3");
  EXPECT_EQ(value("pxegate_list_held_back"), "1");
  backend_.status_.driver.lease.reset();
  EXPECT_EQ(value("pxegate_healthy"), "1");
}

TEST_F(MetricsTest, SaysNothingOfWhatThereIsNot) {
  backend_.status_.last_full_sync.reset();
  backend_.status_.driver.capacity = 0;
  EXPECT_THAT(page(), Not(HasSubstr("pxegate_lease")));
  EXPECT_THAT(page(), Not(HasSubstr("pxegate_broker_connected")));
  EXPECT_THAT(page(), Not(HasSubstr("last_full_sync")));
  EXPECT_THAT(page(), Not(HasSubstr("capacity")));
}

TEST_F(MetricsTest, TellsRequestsByInterfaceVerdictReasonAndRelay) {
  EXPECT_EQ(value("pxegate_requests_total{interface=\"eth1\",relayed=\"true\","
                  "verdict=\"deny\",reason=\"rule\"}"),
            "7");
  EXPECT_EQ(value("pxegate_requests_total{interface=\"eth1\",relayed="
                  "\"false\",verdict=\"allow\",reason=\"rule\"}"),
            "1");
  EXPECT_EQ(value("pxegate_relay_requests_total{relay=\"198.51.100.1\","
                  "verdict=\"deny\"}"),
            "7");
  EXPECT_EQ(value("pxegate_clients_tracked"), "2");
}

TEST_F(MetricsTest, AnInterfaceWithoutRequestsHasItsSeries) {
  backend_.status_.driver.targets.push_back({"eth2", true, "native", ""});
  EXPECT_EQ(value("pxegate_requests_total{interface=\"eth2\",relayed="
                  "\"false\",verdict=\"deny\",reason=\"malformed\"}"),
            "0");
}

TEST_F(MetricsTest, AFilterThatDoesNotTellInterfacesApartHasNone) {
  backend_.observations_.requests.reset();
  EXPECT_EQ(value("pxegate_requests_total{interface=\"\",relayed=\"\","
                  "verdict=\"deny\",reason=\"rule\"}"),
            "7");
  EXPECT_THAT(page(), Not(HasSubstr("requests_total{interface=\"eth1\"")));
}

TEST_F(MetricsTest, AFilterThatCannotBeReadLeavesTheRest) {
  backend_.observe_error_ = Error("map is gone");
  EXPECT_EQ(value("pxegate_filter_readable"), "0");
  EXPECT_EQ(value("pxegate_healthy"), "1");
  EXPECT_THAT(page(), Not(HasSubstr("pxegate_requests_total")));
}

TEST_F(MetricsTest, CountsRequestsByWhatTheyAskedFor) {
  ended("http://192.0.2.1/baremetal/v1/nodes?provision_state=x", answer(200));
  ended("http://192.0.2.1/baremetal/v1/nodes/" + std::string(36, 'a'),
        answer(200));
  ended("http://192.0.2.1/v1/ports?node=/v1/nodes", answer(503));
  ended("http://192.0.2.1/v3/auth/tokens", answer(401), true);
  ended("http://192.0.2.1/", fail("refused", ErrorCode::kUnavailable));
  ended("http://192.0.2.1/", answer(999));
  const auto series = [](const char* service, const char* resource,
                         const char* outcome) {
    return fmt::format(
        "pxegate_http_requests_total{{outcome=\"{}\",resource=\"{}\","
        "section=\"ironic\",service=\"{}\"}}",
        outcome, resource, service);
  };
  EXPECT_EQ(value(series("ironic", "nodes", "2xx")), "2");
  EXPECT_EQ(value(series("ironic", "ports", "5xx")), "1");
  EXPECT_EQ(value(series("keystone", "tokens", "4xx")), "1");
  EXPECT_EQ(value(series("ironic", "root", "unreachable")), "1");
  EXPECT_EQ(value(series("ironic", "root", "other")), "1");
}

TEST_F(MetricsTest, HasHistogramsOfSyncsAndEnforcement) {
  metrics_.succeeded(SyncWork::kFullSync, 700ms);
  metrics_.failed(SyncWork::kPoll);
  metrics_.enforced_change(true, 1200ms);
  metrics_.enforced_change(true, -5s);
  EXPECT_EQ(value("pxegate_sync_duration_seconds_bucket{work=\"full\","
                  "le=\"1\"}"),
            "1");
  EXPECT_EQ(value("pxegate_sync_duration_seconds_bucket{work=\"full\","
                  "le=\"0.5\"}"),
            "0");
  EXPECT_EQ(value("pxegate_sync_failures_total{work=\"poll\"}"), "1");
  EXPECT_EQ(value("pxegate_enforcement_delay_seconds_count{change=\"open\"}"),
            "2");
  EXPECT_EQ(value("pxegate_enforcement_delay_seconds_sum{change=\"open\"}"),
            "1.2")
      << "a clock that is behind Ironic's makes no negative time";
}

TEST_F(MetricsTest, CountsOnFromWhatItWasTold) {
  metrics_.received_messages(3, 1);
  metrics_.received_messages(2, 0);
  metrics_.took_hints(4, true);
  metrics_.took_hints(0, false);
  EXPECT_EQ(value("pxegate_broker_messages_total"), "5");
  EXPECT_EQ(value("pxegate_broker_malformed_messages_total"), "1");
  EXPECT_EQ(value("pxegate_hints_total"), "4");
  EXPECT_EQ(value("pxegate_notifications_missed_total"), "1");
}

TEST_F(MetricsTest, EscapesWhateverALabelSays) {
  backend_.status_.driver.targets = {
      {"e\"\\\n} 1\n# TYPE x counter\xff\xc3", true, "native", ""}};
  backend_.observations_.relays = {{std::string(1000, 'x'), 1, 2, {}}};
  const std::string text = page();
  EXPECT_THAT(text,
              HasSubstr("pxegate_target_active{target=\"e\\\"\\\\\\\\x0a} "
                        "1\\\\x0a# TYPE x counter\\\\xff\\\\xc3\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr(std::string(200, 'x'))));
  for (const char each : text) {
    ASSERT_TRUE(each == '\n' || (each >= ' ' && each <= '~'));
  }
}

TEST_F(MetricsTest, ManyMayWriteAndReadAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < 250; ++n) {
        metrics_.succeeded(SyncWork::kPoll, 1ms);
        ended(fmt::format("http://192.0.2.1/v1/nodes/{}", n), answer(200));
        if (n % 50 == 0) page();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value("pxegate_sync_duration_seconds_count{work=\"poll\"}"),
            "1000");
}

// ---- the documentation ----

struct Described {
  std::string type;
  std::set<std::string> labels;

  bool operator==(const Described&) const = default;
};
void PrintTo(const Described& described, std::ostream* out) {
  *out << described.type << "{";
  for (const std::string& label : described.labels) *out << label << " ";
  *out << "}";
}
using Descriptions = std::map<std::string, Described>;

// The rows "| `name` | type | `label`, `label` | ..." of docs/metrics.md.
Descriptions documented() {
  std::ifstream file(PXEGATE_METRICS_DOC);
  EXPECT_TRUE(file) << PXEGATE_METRICS_DOC;
  const std::regex row(R"(^\| `([a-z_]+)` \| ([a-z]+) \|([^|]*)\|.*)");
  const std::regex quoted("`([a-z_]+)`");
  Descriptions found;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    Described& described = found[match[1]];
    EXPECT_EQ(described.type, "") << match[1] << " has two rows";
    described.type = match[2];
    const std::string labels = match[3];
    for (std::sregex_iterator each(labels.begin(), labels.end(), quoted), end;
         each != end; ++each) {
      described.labels.insert((*each)[1]);
    }
  }
  return found;
}

Descriptions served(const std::string& page) {
  const std::regex type("# TYPE ([a-z_]+) ([a-z]+)");
  const std::regex label("([a-z_]+)=\"");
  Descriptions found;
  std::istringstream lines(page);
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, type)) {
      name = match[1];
      found[name].type = match[2];
    } else if (!line.starts_with('#')) {
      for (std::sregex_iterator each(line.begin(), line.end(), label), end;
           each != end; ++each) {
        if ((*each)[1] != "le") found[name].labels.insert((*each)[1]);
      }
    }
  }
  return found;
}

TEST_F(MetricsTest, IsDocumented) {
  backend_.status_.driver.lease = LeaseStatus{false, 250s, "deny"};
  backend_.status_.broker.emplace();
  backend_.status_.broker->last_message = now(clock_);
  ended("http://192.0.2.1/v1/nodes", answer(200));
  const Descriptions have = served(page());
  const Descriptions want = documented();
  for (const auto& [name, described] : have) {
    if (!want.contains(name)) {
      ADD_FAILURE() << name << " is not in docs/metrics.md";
    } else {
      EXPECT_EQ(want.at(name), described) << name;
    }
  }
  for (const auto& [name, described] : want) {
    EXPECT_TRUE(have.contains(name)) << name << " is documented, not served";
  }
}

}  // namespace
}  // namespace pxegate
