// SPDX-License-Identifier: Apache-2.0
#include "controller/app/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace pxegate {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

#if defined(__clang__)
constexpr std::string_view kCompiler = "clang " __clang_version__;
#else
constexpr std::string_view kCompiler = "gcc " __VERSION__;
#endif

const prometheus::Histogram::BucketBoundaries kSyncSeconds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
const prometheus::Histogram::BucketBoundaries kRequestSeconds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
// With polls, about poll_interval; with notifications a tenth of a second.
const prometheus::Histogram::BucketBoundaries kEnforcementSeconds = {
    0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 10, 30, 60};

double seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

double seconds_of(const WallTime& time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Prometheus refuses a page that is not UTF-8 as a whole; what a NIC is called
// may be anything.
std::string plain(std::string_view text) {
  constexpr std::size_t kLongest = 128;
  std::string made;
  for (const char each : text.substr(0, kLongest)) {
    if (each >= ' ' && each <= '~') {
      made += each;
    } else {
      made += fmt::format("\\x{:02x}", static_cast<unsigned char>(each));
    }
  }
  return made;
}

// The families of one page.
class Families {
 public:
  void gauge(std::string_view name, std::string_view help, double value,
             const Labels& labels = {}) {
    add(name, help, MetricType::Gauge, labels).gauge.value = value;
  }
  void gauge(std::string_view name, std::string_view help,
             const std::optional<Instant>& at, const Labels& labels = {}) {
    if (at) gauge(name, help, seconds_of(at->wall), labels);
  }
  void counter(std::string_view name, std::string_view help, double value,
               const Labels& labels = {}) {
    add(name, help, MetricType::Counter, labels).counter.value = value;
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  // Those of one family follow one another.
  ClientMetric& add(std::string_view name, std::string_view help,
                    MetricType type, const Labels& labels) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({std::string(name), std::string(help), type, {}});
    }
    ClientMetric& metric = families_.back().metric.emplace_back();
    for (const auto& [label, value] : labels) {
      metric.label.push_back({std::string(label), plain(value)});
    }
    return metric;
  }

  std::vector<MetricFamily> families_;
};

std::string_view name_of(SyncWork work) {
  switch (work) {
    case SyncWork::kFullSync:
      return "full";
    case SyncWork::kPoll:
      return "poll";
    case SyncWork::kDriverSync:
      return "driver";
  }
  return "";
}
constexpr auto kSyncWorks = {SyncWork::kFullSync, SyncWork::kPoll,
                             SyncWork::kDriverSync};

// ---- what the status says ----

void add_build(Families& families, const ControllerStatus& status) {
  families.gauge("pxegate_build_info", "What this pxegate is; always 1.", 1,
                 {{"version", status.version}, {"compiler", kCompiler}});
  families.gauge("pxegate_driver_info", "The driver in force; always 1.", 1,
                 {{"driver", status.driver.driver}});
}

void add_health(Families& families, const ControllerStatus& status) {
  families.gauge("pxegate_healthy",
                 "1 where pxegate status would end with success.",
                 status.healthy() ? 1 : 0);
  families.gauge("pxegate_synced",
                 "1 since a complete list was enforced for the first time.",
                 status.synced ? 1 : 0);
  families.gauge("pxegate_policy_stale",
                 "1 while the policy in force is out of date.",
                 status.stale ? 1 : 0);
  families.gauge("pxegate_driver_healthy",
                 "1 while the driver enforces everywhere it should.",
                 status.driver.healthy ? 1 : 0);
  for (const DriverTarget& target : status.driver.targets) {
    families.gauge("pxegate_target_active",
                   "1 while the filter works at this place, such as an "
                   "interface.",
                   target.active ? 1 : 0, {{"target", target.name}});
  }
  families.gauge("pxegate_notices",
                 "Sentences that pxegate status has for the operator.",
                 static_cast<double>(status.notices.size() +
                                     status.driver.notices.size()));
}

void add_policy(Families& families, const ControllerStatus& status) {
  const auto count = [](std::size_t n) { return static_cast<double>(n); };
  families.gauge("pxegate_nodes", "Nodes that Ironic listed.",
                 count(status.nodes));
  families.gauge("pxegate_nodes_being_inspected",
                 "Nodes that are being inspected.",
                 count(status.being_inspected));
  families.gauge("pxegate_ports", "Ports that Ironic listed.",
                 count(status.ports));
  constexpr std::string_view kEntries = "pxegate_policy_entries";
  constexpr std::string_view kEntriesHelp =
      "Addresses that the policy names, by their verdict.";
  families.gauge(kEntries, kEntriesHelp, count(status.allowed),
                 {{"verdict", "allow"}});
  families.gauge(kEntries, kEntriesHelp, count(status.denied),
                 {{"verdict", "deny"}});
  families.gauge("pxegate_unknown_allowed",
                 "1 while machines that Ironic does not know may boot.",
                 status.unknown == Verdict::kAllow ? 1 : 0);
  families.gauge("pxegate_rules", "Rules that the filter holds.",
                 count(status.driver.rules));
  if (status.driver.capacity > 0) {
    families.gauge("pxegate_rules_capacity", "Rules that the filter can hold.",
                   count(status.driver.capacity));
  }
  families.gauge("pxegate_policy_changed_timestamp_seconds",
                 "When the policy last changed.", status.last_change);
}

void add_syncs(Families& families, const ControllerStatus& status) {
  families.gauge("pxegate_last_full_sync_timestamp_seconds",
                 "When the last complete list was enforced.",
                 status.last_full_sync);
  families.gauge("pxegate_last_poll_timestamp_seconds",
                 "When the states of nodes were last read and enforced.",
                 status.last_poll);
  families.gauge("pxegate_full_sync_interval_seconds",
                 "How often complete lists are read now.",
                 seconds_of(status.full_sync_every));
  families.gauge("pxegate_poll_interval_seconds",
                 "How often the states of nodes are read now.",
                 seconds_of(status.polls_every));
  families.gauge("pxegate_list_held_back",
                 "1 while a list of Ironic's is too short to be believed.",
                 status.held_back ? 1 : 0);
}

void add_sources(Families& families, const ControllerStatus& status) {
  for (const SourceStatus& source : status.sources) {
    families.gauge("pxegate_source_consecutive_failures",
                   "Requests to a source that failed since one succeeded.",
                   source.consecutive_failures, {{"source", source.name}});
  }
  for (const SourceStatus& source : status.sources) {
    families.gauge("pxegate_source_last_success_timestamp_seconds",
                   "When a source last answered.", source.last_success,
                   {{"source", source.name}});
  }
  if (status.broker) {
    families.gauge("pxegate_broker_connected",
                   "1 while notifications can come from the broker.",
                   status.broker->connected ? 1 : 0);
    families.gauge("pxegate_broker_last_message_timestamp_seconds",
                   "When the last notification of Ironic's came.",
                   status.broker->last_message);
  }
}

void add_lease(Families& families, const std::optional<LeaseStatus>& lease) {
  if (!lease) return;
  const double age = seconds_of(lease->age);
  families.gauge("pxegate_lease_remaining_seconds",
                 "Until the filter stops trusting the policy; negative since "
                 "it has.",
                 lease->expired ? -age : age);
  families.gauge("pxegate_lease_expired",
                 "1 while the filter does what stale_action says.",
                 lease->expired ? 1 : 0);
}

// ---- what the filter saw ----

std::string_view name_of(bool flag) { return flag ? "true" : "false"; }

void add_count(Families& families, const RequestCount& count,
               std::string_view relayed) {
  families.counter("pxegate_requests_total",
                   "DHCP requests that the filter judged.",
                   static_cast<double>(count.packets),
                   {{"interface", count.interface},
                    {"relayed", relayed},
                    {"verdict", to_string(count.verdict)},
                    {"reason", count.reason}});
}

void add_requests(Families& families, const ControllerStatus& status,
                  const Observations& seen) {
  if (!seen.requests) {
    for (const CounterRecord& counter : seen.counters) {
      add_count(families,
                {"", false, counter.verdict, counter.reason, counter.packets},
                "");
    }
    return;
  }
  std::set<std::string_view> told;
  for (const RequestCount& count : *seen.requests) {
    told.insert(count.interface);
    add_count(families, count, name_of(count.relayed));
  }
  // From zero on, so that the first request makes a difference.
  for (const DriverTarget& target : status.driver.targets) {
    if (!told.insert(target.name).second) continue;
    for (const CounterRecord& counter : seen.counters) {
      for (const bool relayed : {false, true}) {
        add_count(families,
                  {target.name, relayed, counter.verdict, counter.reason, 0},
                  name_of(relayed));
      }
    }
  }
}

void add_observations(Families& families, const ControllerStatus& status,
                      const Result<Observations>& seen) {
  families.gauge("pxegate_filter_readable",
                 "1 where what the filter saw could be read.", seen ? 1 : 0);
  if (!seen || !seen->supported) return;
  add_requests(families, status, *seen);
  for (const RelayRecord& relay : seen->relays) {
    constexpr std::string_view kName = "pxegate_relay_requests_total";
    constexpr std::string_view kHelp =
        "DHCP requests through a relay, by its address.";
    families.counter(kName, kHelp, static_cast<double>(relay.allowed),
                     {{"relay", relay.relay}, {"verdict", "allow"}});
    families.counter(kName, kHelp, static_cast<double>(relay.dropped),
                     {{"relay", relay.relay}, {"verdict", "deny"}});
  }
  families.gauge("pxegate_relays_tracked", "Relays that are remembered.",
                 static_cast<double>(seen->relays.size()));
  families.gauge("pxegate_clients_tracked",
                 "Machines that asked lately and are remembered.",
                 static_cast<double>(seen->clients.size()));
  families.counter("pxegate_clients_unrecorded_total",
                   "Requests whose machine was not remembered: too many at a "
                   "time.",
                   static_cast<double>(seen->clients_unrecorded));
  families.counter("pxegate_events_lost_total",
                   "Verdicts that pxegate events cannot show.",
                   static_cast<double>(seen->events_lost));
}

// ---- the process ----

double cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<double> resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  if (!(statm >> size >> resident)) return std::nullopt;
  return static_cast<double>(resident) *
         static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void add_process(Families& families, const WallTime& started) {
  families.counter("process_cpu_seconds_total", "Processor time used.",
                   cpu_seconds());
  if (const auto resident = resident_bytes()) {
    families.gauge("process_resident_memory_bytes", "Memory in use.",
                   *resident);
  }
  families.gauge("process_start_time_seconds", "When the process started.",
                 seconds_of(started));
}

// ---- requests to services ----

std::string_view outcome_of(const Result<HttpResponse>& response) {
  if (response) {
    constexpr auto kClasses = std::to_array<std::string_view>(
        {"other", "1xx", "2xx", "3xx", "4xx", "5xx"});
    const int hundreds = response->status / 100;
    return hundreds >= 1 && hundreds <= 5
               ? kClasses.at(static_cast<std::size_t>(hundreds))
               : kClasses.front();
  }
  switch (response.error().code()) {
    case ErrorCode::kUnavailable:
      return "unreachable";
    case ErrorCode::kCancelled:
      return "cancelled";
    default:
      return "refused";
  }
}

// What a URL asks for, of few: its last part that has a name.
std::string_view resource_of(std::string_view url) {
  url = url.substr(0, url.find('?'));
  constexpr auto kNames = std::to_array<std::string_view>(
      {"nodes", "ports", "introspection", "tokens"});
  while (!url.empty()) {
    const auto slash = url.rfind('/');
    const auto part =
        slash == std::string_view::npos ? url : url.substr(slash + 1);
    const auto* const name = std::ranges::find(kNames, part);
    if (name != kNames.end()) return *name;
    url = slash == std::string_view::npos ? "" : url.substr(0, slash);
  }
  return "root";
}

}  // namespace

// ---- what is counted as it happens ----

struct Metrics::Instruments {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& sync_seconds =
      prometheus::BuildHistogram()
          .Name("pxegate_sync_duration_seconds")
          .Help("What syncs took that succeeded.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& sync_failures =
      prometheus::BuildCounter()
          .Name("pxegate_sync_failures_total")
          .Help("Syncs that failed.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& enforcement =
      prometheus::BuildHistogram()
          .Name("pxegate_enforcement_delay_seconds")
          .Help("From Ironic's change of a node's state to the rules in force.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("pxegate_http_requests_total")
          .Help("Requests to Ironic, ironic-inspector and Keystone.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& request_seconds =
      prometheus::BuildHistogram()
          .Name("pxegate_http_request_duration_seconds")
          .Help("What requests to Ironic, ironic-inspector and Keystone took.")
          .Register(registry);
  prometheus::Counter& messages =
      counter("pxegate_broker_messages_total", "Messages from the broker.");
  prometheus::Counter& malformed =
      counter("pxegate_broker_malformed_messages_total",
              "Messages from the broker that Ironic would not send.");
  prometheus::Counter& hints = counter(
      "pxegate_hints_total", "Nodes that notifications suggested to look at.");
  prometheus::Counter& missed =
      counter("pxegate_notifications_missed_total",
              "How often notifications may have been missed.");

  Instruments() {
    for (const SyncWork work : kSyncWorks) {
      sync_seconds_of(work);
      sync_failures_of(work);
    }
    for (const bool opened : {false, true}) enforcement_of(opened);
  }

  prometheus::Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter()
        .Name(name)
        .Help(help)
        .Register(registry)
        .Add({});
  }
  // Add() finds what is there.
  prometheus::Histogram& sync_seconds_of(SyncWork work) {
    return sync_seconds.Add({{"work", std::string(name_of(work))}},
                            kSyncSeconds);
  }
  prometheus::Counter& sync_failures_of(SyncWork work) {
    return sync_failures.Add({{"work", std::string(name_of(work))}});
  }
  prometheus::Histogram& enforcement_of(bool opened) {
    return enforcement.Add({{"change", opened ? "open" : "close"}},
                           kEnforcementSeconds);
  }
};

Metrics::Metrics(const Clock& clock)
    : instruments_(std::make_unique<Instruments>()), started_(clock.wall()) {}

Metrics::~Metrics() = default;

void Metrics::succeeded(SyncWork work, std::chrono::nanoseconds took) {
  instruments_->sync_seconds_of(work).Observe(seconds_of(took));
}

void Metrics::failed(SyncWork work) {
  instruments_->sync_failures_of(work).Increment();
}

void Metrics::enforced_change(bool opened, std::chrono::nanoseconds delay) {
  instruments_->enforcement_of(opened).Observe(
      std::max(seconds_of(delay), 0.0));
}

void Metrics::took_hints(std::size_t hints, bool missed) {
  instruments_->hints.Increment(static_cast<double>(hints));
  if (missed) instruments_->missed.Increment();
}

void Metrics::received_messages(std::uint64_t messages,
                                std::uint64_t malformed) {
  instruments_->messages.Increment(static_cast<double>(messages));
  instruments_->malformed.Increment(static_cast<double>(malformed));
}

void Metrics::request_ended(const RequestReport& report) {
  const std::string section(report.section);
  const std::string service = report.keystone ? "keystone" : section;
  instruments_->requests
      .Add({{"service", service},
            {"section", section},
            {"resource", std::string(resource_of(report.request.url))},
            {"outcome", std::string(outcome_of(report.response))}})
      .Increment();
  instruments_->request_seconds
      .Add({{"service", service}, {"section", section}}, kRequestSeconds)
      .Observe(seconds_of(report.took));
}

std::string Metrics::page(const ControllerStatus& status,
                          const Result<Observations>& seen,
                          const Instant& now) const {
  Families families;
  add_build(families, status);
  add_health(families, status);
  add_policy(families, status);
  add_syncs(families, status);
  add_sources(families, status);
  add_lease(families, status.driver.lease);
  add_observations(families, status, seen);
  add_process(families, started_);
  families.gauge("pxegate_scrape_timestamp_seconds",
                 "The controller's clock, to be compared with Prometheus's.",
                 seconds_of(now.wall));

  std::vector<MetricFamily> all = families.take();
  std::ranges::move(instruments_->registry.Collect(), std::back_inserter(all));
  std::erase_if(all, [](const auto& family) { return family.metric.empty(); });
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, all);
  return std::move(text).str();
}

}  // namespace pxegate
