// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <map>
#include <memory>

#include "tests/unit/controller/driver/fake_driver.h"

namespace pxegate {
namespace {

using testing::FakeDriver;
using testing::FakeDriverScript;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EventTapTest : public ::testing::Test {
 protected:
  EventTapTest() { script_.events_fd = fd_.get(); }

  std::shared_ptr<Engine> make_engine() {
    auto engine = std::make_shared<Engine>(Config{});
    engine->host =
        std::make_unique<FilterHost>(std::make_unique<FakeDriver>(script_));
    EXPECT_TRUE(engine->host->initialize());
    return engine;
  }
  // What the event loop does with a descriptor that is readable.
  void readable() {
    const auto watches = watches_;
    for (const auto& [fd, handler] : watches) handler();
  }
  std::size_t logged() const { return log_.read({}).events.size(); }

  const UniqueFd fd_{eventfd(0, EFD_CLOEXEC)};
  const SystemClock clock_;
  EventLog log_{"run"};
  FakeDriverScript script_;
  std::map<int, std::function<void()>> watches_;
  EventTap tap_{log_,
                clock_,
                {.watch =
                     [this](int fd, std::function<void()> handler) {
                       EXPECT_FALSE(watches_.contains(fd));
                       watches_[fd] = std::move(handler);
                       return Result<>();
                     },
                 .ignore = [this](int fd) { watches_.erase(fd); }}};
};

TEST_F(EventTapTest, PutsWhatFallsIntoTheLog) {
  const auto engine = make_engine();
  tap_.look(engine);
  ASSERT_THAT(watches_, SizeIs(1));
  script_.events.resize(3);
  readable();
  EXPECT_EQ(logged(), 3u);
  EXPECT_THAT(watches_, SizeIs(1)) << "goes on";
}

TEST_F(EventTapTest, LooksAgainWithoutWatchingTwice) {
  const auto engine = make_engine();
  tap_.look(engine);
  tap_.look(engine);
  EXPECT_THAT(watches_, SizeIs(1));
}

TEST_F(EventTapTest, ADescriptorWithoutEventsDoesNotKeepTheLoopBusy) {
  const auto engine = make_engine();
  tap_.look(engine);
  readable();
  EXPECT_THAT(watches_, IsEmpty());
  tap_.look(engine);
  EXPECT_THAT(watches_, SizeIs(1));
}

TEST_F(EventTapTest, FollowsADriverThatWasMadeReadyAnew) {
  const auto engine = make_engine();
  tap_.look(engine);
  const int before = watches_.begin()->first;
  ASSERT_TRUE(engine->host->initialize());
  tap_.look(engine);
  ASSERT_THAT(watches_, SizeIs(1));
  EXPECT_NE(watches_.begin()->first, before);
}

TEST_F(EventTapTest, FollowsTheEngineInForce) {
  auto old = make_engine();
  tap_.look(old);
  const auto engine = make_engine();
  tap_.look(engine);
  old.reset();
  ASSERT_THAT(watches_, SizeIs(1));
  script_.events.resize(1);
  readable();
  EXPECT_EQ(logged(), 1u);
}

TEST_F(EventTapTest, AnEngineThatIsGoneIsLetGo) {
  auto engine = make_engine();
  tap_.look(engine);
  engine.reset();
  readable();
  EXPECT_THAT(watches_, IsEmpty());
  EXPECT_EQ(logged(), 0u);
}

TEST_F(EventTapTest, ADriverWithoutEventsIsNotWatched) {
  script_.events_fd = -1;
  script_.take_events_error = Error("sees none", ErrorCode::kNotFound);
  const auto engine = make_engine();
  tap_.look(engine);
  EXPECT_THAT(watches_, IsEmpty());
  EXPECT_FALSE(tap_.supported());
  tap_.look(nullptr);
}

TEST_F(EventTapTest, ADriverThatCannotTellEventsYetIsAskedAgain) {
  script_.events_fd = -1;
  script_.take_events_error = Error("a command reads", ErrorCode::kConflict);
  const auto engine = make_engine();
  tap_.look(engine);
  EXPECT_THAT(watches_, IsEmpty());
  EXPECT_TRUE(tap_.supported());
  script_.take_events_error.reset();
  script_.events_fd = fd_.get();
  script_.events.resize(2);
  tap_.look(engine);
  tap_.look(engine);
  EXPECT_THAT(watches_, SizeIs(1));
  EXPECT_EQ(logged(), 2u);
}

}  // namespace
}  // namespace pxegate
