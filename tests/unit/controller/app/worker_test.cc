// SPDX-License-Identifier: Apache-2.0
#include "controller/app/worker.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>

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

}  // namespace
}  // namespace pxegate
