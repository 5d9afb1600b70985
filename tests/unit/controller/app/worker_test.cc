// SPDX-License-Identifier: Apache-2.0
#include "controller/app/worker.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "controller/base/fd.h"
#include "tests/unit/controller/driver/fake_driver.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using testing::FakeDriver;
using testing::FakeDriverScript;

// A worker whose Ironic takes requests and never answers.
class WorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(ironic_.get(), raw, size), 0);
    ASSERT_EQ(::listen(ironic_.get(), 8), 0);
    ASSERT_EQ(::getsockname(ironic_.get(), raw, &size), 0);
    Config config;
    config.pxe_filter.sync_period = 15s;
    config.pxe_filter.poll_interval = 2s;
    config.ironic.timeout = 300s;
    config.ironic.endpoint_override =
        fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port));
    Worker::Events events;
    events.torn_down = [this] { ++torn_down_; };
    auto worker = Worker::make(config, host_, clock_, std::move(events));
    ASSERT_TRUE(worker) << worker.error().message();
    worker_ = std::move(*worker);
    ASSERT_TRUE(host_.initialize());
    worker_->start();
    pollfd asked{.fd = ironic_.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&asked, 1, 60000), 1) << "no request";
  }

  // The outcome of a teardown that does not wait for Ironic.
  Result<> torn_down_promptly() {
    auto done =
        std::async(std::launch::async, [this] { return worker_->tear_down(); });
    if (done.wait_for(30s) != std::future_status::ready) {
      ADD_FAILURE() << "the teardown waits for Ironic";
      worker_->stop();
    }
    return done.get();
  }

  UniqueFd ironic_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  SystemClock clock_;
  FakeDriverScript script_;
  FilterHost host_{std::make_unique<FakeDriver>(script_)};
  int torn_down_ = 0;
  std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, ATeardownDoesNotWaitForIronic) {
  EXPECT_TRUE(torn_down_promptly());
  EXPECT_EQ(torn_down_, 1);
  worker_->stop();
  EXPECT_EQ(script_.calls.back(), "tear_down");
  EXPECT_FALSE(host_.initialize()) << "nothing may bring the filter back";
}

TEST_F(WorkerTest, ATeardownThatFailsMayBeTriedAgain) {
  script_.tear_down_error = Error("busy", ErrorCode::kFailed);
  EXPECT_FALSE(torn_down_promptly());
  EXPECT_EQ(torn_down_, 0);
  EXPECT_TRUE(host_.initialize()) << "it goes on";
  script_.tear_down_error.reset();
  EXPECT_TRUE(torn_down_promptly());
  EXPECT_EQ(torn_down_, 1);
}

// What a test has to say, and when.
struct Bus {
  std::mutex mutex;
  Hints hints;
  BrokerStatus status;
  std::function<void()> wake;
  bool gone = false;
};

class FakeNotifications final : public Notifications {
 public:
  explicit FakeNotifications(Bus& bus) : bus_(bus) {}
  ~FakeNotifications() override {
    const std::lock_guard lock(bus_.mutex);
    bus_.gone = true;
  }
  Hints take() override {
    const std::lock_guard lock(bus_.mutex);
    return std::exchange(bus_.hints, {});
  }
  BrokerStatus status() const override {
    const std::lock_guard lock(bus_.mutex);
    return bus_.status;
  }

 private:
  Bus& bus_;
};

constexpr const char* kNode = "11111111-2222-3333-4444-555555555555";

// A worker beside an Ironic that has one node, and a broker. Polls are so rare
// that only hints find anything out.
class WorkerWithBrokerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ironic_.Get(".*", [this](const httplib::Request& request,
                             httplib::Response& response) {
      answer(request, response);
    });
    const int port = ironic_.bind_to_any_port("127.0.0.1");
    ASSERT_GT(port, 0);
    server_ = std::thread([this] { ironic_.listen_after_bind(); });
    // A stop() before that would be lost.
    ASSERT_TRUE(eventually([this] { return ironic_.is_running(); }));
    config_.pxe_filter.sync_period = 3600s;
    config_.pxe_filter.poll_interval = 3600s;
    config_.pxe_filter.open_provision_states = {"inspecting", "inspect wait"};
    config_.pxe_filter.supported_inspect_interfaces = {"agent"};
    config_.pxe_filter.shard = "s1";
    config_.ironic.endpoint_override = fmt::format("http://127.0.0.1:{}", port);
    bus_.status.endpoint = "rabbit1:5672";
    ASSERT_TRUE(host_.initialize());
  }
  void TearDown() override {
    worker_.reset();
    ironic_.stop();
    if (server_.joinable()) server_.join();
  }

  void start(Worker::Events events = {}) {
    auto worker = Worker::make(
        config_, host_, clock_, std::move(events), nullptr,
        [this](const Config&, const Clock&, std::function<void()> wake)
            -> Result<std::unique_ptr<Notifications>> {
          bus_.wake = std::move(wake);
          return std::make_unique<FakeNotifications>(bus_);
        });
    ASSERT_TRUE(worker) << worker.error().message();
    worker_ = std::move(*worker);
    worker_->start();
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    response.set_header("X-OpenStack-Ironic-API-Minimum-Version", "1.1");
    response.set_header("X-OpenStack-Ironic-API-Maximum-Version", "1.78");
    response.set_header("X-OpenStack-Ironic-API-Version", "1.53");
    const std::string node = fmt::format(
        R"({{"uuid":"{}","name":null,"provision_state":"{}",)"
        R"("inspect_interface":"agent","driver_internal_info":{{}},)"
        R"("conductor_group":"","owner":null,"shard":"s1"}})",
        kNode, state_);
    std::string body = "{}";
    if (request.path == std::string("/v1/nodes/") + kNode) {
      body = node;
    } else if (request.path == "/v1/nodes") {
      const bool polled = request.has_param("provision_state");
      const bool in =
          !polled || request.get_param_value("provision_state") == state_;
      body = R"({"nodes":[)" + (in ? node : "") + "]}";
      if (in && polled && between_pages_ > 0ms) {
        body = request.has_param("marker") ? end_pages() : begin_pages(node);
      }
    } else if (request.path == "/v1/ports") {
      const bool all = !request.has_param("marker");
      body = std::string(R"({"ports":[)") +
             (all ? fmt::format(
                        R"({{"uuid":"21111111-2222-3333-4444-555555555555",)"
                        R"("node_uuid":"{}","address":"52:54:00:00:00:01",)"
                        R"("extra":{{}},"local_link_connection":{{}},)"
                        R"("physical_network":null}})",
                        kNode)
                  : "") +
             "]}";
    }
    response.set_content(body, "application/json");
  }

  // Of a list of two pages. The worker waits meanwhile, so the driver's calls
  // can be looked at.
  auto renewals() const {
    return std::ranges::count(script_.calls, "renew_lease");
  }
  std::string begin_pages(const std::string& node) {
    renewals_before_ = renewals();
    std::this_thread::sleep_for(between_pages_);
    return R"({"nodes":[)" + node + R"(],"next":"http://h/v1/nodes"})";
  }
  std::string end_pages() {
    // None is before the first sync.
    if (renewals_before_ > 0) {
      ++(renewals() > renewals_before_ ? renewed_between_pages_
                                       : not_renewed_between_pages_);
    }
    return R"({"nodes":[]})";
  }

  bool eventually(const std::function<bool()>& what) {
    for (int i = 0; i < 3000 && !what(); ++i) std::this_thread::sleep_for(20ms);
    return what();
  }
  ControllerStatus status() const {
    ControllerStatus status;
    worker_->describe(status);
    return status;
  }

  httplib::Server ironic_;
  std::thread server_;
  std::mutex mutex_;
  std::string state_ = "available";
  std::chrono::milliseconds between_pages_{0};
  std::ptrdiff_t renewals_before_ = 0;
  int renewed_between_pages_ = 0;
  int not_renewed_between_pages_ = 0;
  Bus bus_;
  Config config_;
  SystemClock clock_;
  FakeDriverScript script_;
  FilterHost host_{std::make_unique<FakeDriver>(script_)};
  std::unique_ptr<Worker> worker_;
};

class Counting final : public SyncObserver, public RequestObserver {
 public:
  void received_messages(std::uint64_t messages,
                         std::uint64_t malformed) override {
    messages_ += messages;
    malformed_ += malformed;
  }
  void succeeded(SyncWork work, std::chrono::nanoseconds) override {
    if (work == SyncWork::kFullSync) ++full_syncs_;
  }
  void request_ended(const RequestReport& report) override {
    if (report.section == "ironic" && !report.keystone && report.response &&
        report.response->status == 200 && report.took.count() > 0) {
      ++requests_;
    }
  }

  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<int> full_syncs_{0};
  std::atomic<int> requests_{0};
};

TEST_F(WorkerWithBrokerTest, TellsWhatItAskedForAndWhatCame) {
  Counting counting;
  bus_.status.received = 3;
  bus_.status.malformed = 1;
  Worker::Events events;
  events.syncs = &counting;
  events.requests = &counting;
  start(std::move(events));
  // Nodes, their states, ports.
  ASSERT_TRUE(eventually([&] { return counting.full_syncs_ == 1; }));
  EXPECT_GE(counting.requests_, 4);
  ASSERT_TRUE(eventually([&] { return counting.messages_ == 3; }));
  EXPECT_EQ(counting.malformed_, 1U);
  {
    const std::lock_guard lock(bus_.mutex);
    bus_.status.received = 10;
  }
  // What was told is not told again.
  ASSERT_TRUE(eventually([&] { return counting.messages_ == 10; }));
  EXPECT_EQ(counting.malformed_, 1U);
  worker_.reset();  // before what it tells
}

TEST_F(WorkerWithBrokerTest, AHintWakesItAndItLooks) {
  start();
  ASSERT_TRUE(eventually([this] { return worker_->synced(); }))
      << status().sources[0].last_error;
  EXPECT_EQ(status().being_inspected, 0U);
  {
    const std::lock_guard lock(mutex_);
    state_ = "inspecting";
  }
  {
    const std::lock_guard lock(bus_.mutex);
    bus_.status.connected = true;
    bus_.status.last_message = now(clock_);
    Hint hint;
    hint.node_uuid = kNode;
    hint.provision_state = "inspecting";
    bus_.hints.hints = {hint};
  }
  bus_.wake();
  EXPECT_TRUE(eventually([this] { return status().being_inspected == 1; }));
  EXPECT_EQ(status().narrowed_to, std::vector<std::string>{"shard = s1"});
}

TEST_F(WorkerWithBrokerTest, TheBrokersStateIsTold) {
  start();
  ASSERT_TRUE(eventually([this] { return worker_->synced(); }))
      << status().sources[0].last_error;
  ASSERT_TRUE(status().broker);
  EXPECT_EQ(status().broker->endpoint, "rabbit1:5672");
  EXPECT_TRUE(
      eventually([this] { return status().broker_lost_since.has_value(); }));
  {
    const std::lock_guard lock(bus_.mutex);
    bus_.status.connected = true;
    bus_.status.received = 3;
  }
  bus_.wake();
  EXPECT_TRUE(eventually([this] { return !status().broker_lost_since; }));
  EXPECT_EQ(status().broker->received, 3U);
}

TEST_F(WorkerWithBrokerTest, NobodyWakesAWorkerThatIsGone) {
  start();
  EXPECT_FALSE(bus_.gone);
  worker_.reset();
  EXPECT_TRUE(bus_.gone);
}

// One step that takes several requests lets it run out as little as many do.
TEST_F(WorkerWithBrokerTest, TheLeaseIsRenewedBetweenTwoPages) {
  config_.pxe_filter.poll_interval = 1s;
  state_ = "inspecting";
  between_pages_ = 1100ms;
  start();
  EXPECT_TRUE(eventually([this] {
    const std::lock_guard lock(mutex_);
    return renewed_between_pages_ >= 2;
  }));
  worker_.reset();
  EXPECT_EQ(not_renewed_between_pages_, 0);
}

}  // namespace
}  // namespace pxegate
