// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/retrying_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "fake_http_transport.h"
#include "manual_clock.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RetryingTransportTest : public testing::Test {
 protected:
  Result<HttpResponse> send(RetryOptions options) {
    RetryingTransport retrying(std::move(options), next_, clock_,
                               [this](milliseconds delay) {
                                 delays_.push_back(delay.count());
                                 clock_.advance(delay);
                                 return !stopped_;
                               });
    return retrying.send(
        {.method = "GET", .url = "http://x", .headers = {}, .body = {}});
  }
  void push_refused(int times) {
    for (int i = 0; i < times; ++i) {
      next_.answers.emplace_back(fail("refused", ErrorCode::kUnavailable));
    }
  }
  void push_status(int status, int times, HttpHeaders headers = {}) {
    for (int i = 0; i < times; ++i) next_.push(status, "", headers);
  }

  ManualClock clock_;
  FakeHttpTransport next_;
  std::vector<long> delays_;
  bool stopped_ = false;
};

TEST_F(RetryingTransportTest, NothingIsRetriedUnlessToldSo) {
  push_refused(1);
  EXPECT_EQ(send({}).error().code(), ErrorCode::kUnavailable);
  push_status(503, 1);
  EXPECT_EQ(send({})->status, 503);
  EXPECT_THAT(next_.requests, SizeIs(2));
  EXPECT_THAT(delays_, IsEmpty());
}

TEST_F(RetryingTransportTest, ConnectionsAreRetriedWithGrowingDelays) {
  push_refused(3);
  push_status(200, 1);
  EXPECT_EQ(send({.connect_retries = 3})->status, 200);
  EXPECT_THAT(delays_, ElementsAre(500, 1000, 2000));
  push_refused(3);
  EXPECT_EQ(send({.connect_retries = 2}).error().message(), "refused");
  EXPECT_THAT(next_.requests, SizeIs(7));
}

TEST_F(RetryingTransportTest, AFixedDelayDoesNotGrowAndZeroIsNone) {
  push_refused(6);
  EXPECT_FALSE(
      send({.connect_retries = 2, .connect_retry_delay = milliseconds{1500}}));
  EXPECT_FALSE(
      send({.connect_retries = 2, .connect_retry_delay = milliseconds{0}}));
  EXPECT_THAT(delays_, ElementsAre(1500, 1500, 500, 1000));
}

TEST_F(RetryingTransportTest, CodesAreRetriedByTheirOwnNumber) {
  push_refused(1);
  push_status(503, 1);
  push_refused(1);
  push_status(502, 1);
  push_status(200, 1);
  // The delays of connections begin anew once there was an answer.
  EXPECT_EQ(send({.connect_retries = 2,
                  .status_code_retries = 2,
                  .retriable_status_codes = {502, 503}})
                ->status,
            200);
  EXPECT_THAT(delays_, ElementsAre(500, 500, 500, 1000));
}

TEST_F(RetryingTransportTest, OnlyTheCodesOfTheListAndNever401) {
  push_status(500, 1);
  EXPECT_EQ(send({.status_code_retries = 5})->status, 500);
  push_status(401, 1);
  EXPECT_EQ(
      send({.status_code_retries = 5, .retriable_status_codes = {401}})->status,
      401);
  EXPECT_THAT(next_.requests, SizeIs(2));
}

TEST_F(RetryingTransportTest, WhatNoRetryCuresIsHandedOver) {
  next_.answers.emplace_back(fail("certificate", ErrorCode::kFailed));
  EXPECT_EQ(send({.connect_retries = 5}).error().code(), ErrorCode::kFailed);
  EXPECT_THAT(next_.requests, SizeIs(1));
}

TEST_F(RetryingTransportTest, ALongerRetryAfterIsTheCallersMatter) {
  push_status(503, 1, {{"retry-after", "30"}});
  EXPECT_EQ(send({.status_code_retries = 5})->headers.at("retry-after"), "30");
  push_status(503, 1, {{"retry-after", "0"}});
  push_status(200, 1);
  EXPECT_EQ(send({.status_code_retries = 5})->status, 200);
}

TEST_F(RetryingTransportTest, ALoopIsNotKeptWaitingForLong) {
  next_.otherwise = [this](const HttpRequest&) {
    clock_.advance(seconds{1});
    return HttpResponse{503, {}, {}};
  };
  const Monotonic began = clock_.now();
  EXPECT_EQ(send({.status_code_retries = 1'000'000})->status, 503);
  EXPECT_LE(clock_.now() - began, seconds{11});
  EXPECT_THAT(delays_, ElementsAre(500, 1000, 2000));
}

TEST_F(RetryingTransportTest, AStopEndsADelayAtOnce) {
  stopped_ = true;
  push_refused(1);
  EXPECT_EQ(send({.connect_retries = 5}).error().code(), ErrorCode::kCancelled);

  // The real one: an hour would be noticed.
  std::stop_source stop;
  RetryingTransport retrying({.connect_retries = 1,
                              .connect_retry_delay = minutes{60},
                              .longest = minutes{120}},
                             next_, clock_, stop.get_token());
  push_refused(2);
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(retrying.send({}).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(retrying.send({}).error().code(), ErrorCode::kCancelled);
}

TEST_F(RetryingTransportTest, TheRealDelayPasses) {
  push_refused(1);
  push_status(200, 1);
  RetryingTransport retrying(
      {.connect_retries = 1, .connect_retry_delay = milliseconds{1}}, next_,
      clock_);
  EXPECT_EQ(retrying.send({})->status, 200);
}

}  // namespace
}  // namespace pxegate
