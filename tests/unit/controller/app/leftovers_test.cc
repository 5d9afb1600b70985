// SPDX-License-Identifier: Apache-2.0
#include "controller/app/leftovers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

enum class Left { kNothing, kFilter, kCannotTell, kNoDriver };

// Has what the test says left behind, and may be asked for nothing else.
class LeftDriver final : public FilterDriver {
 public:
  explicit LeftDriver(Left left) : left_(left) {}
  Result<> initialize() override { return changed(); }
  Result<SyncReport> sync(const Snapshot&) override {
    return fail(changed().error());
  }
  void reset() noexcept override { static_cast<void>(changed()); }
  Result<> tear_down() override { return changed(); }
  DriverStatus status() const override { return {}; }
  Result<Policy> installed() const override {
    if (left_ == Left::kFilter) return Policy();
    if (left_ == Left::kNothing) return fail("none", ErrorCode::kNotFound);
    return fail("iptables: no such program");
  }

 private:
  static Result<> changed() {
    ADD_FAILURE() << "the driver was asked to change something";
    return fail("changed");
  }
  const Left left_;
};

class LeftoversTest : public ::testing::Test {
 protected:
  void make(std::vector<std::string> names) {
    std::vector<DriverEntry> entries;
    for (const std::string& name : names) {
      entries.push_back(
          {.name = name,
           .summary = {},
           .origin = "built-in",
           .make = [this, name]() -> Result<std::unique_ptr<FilterDriver>> {
             ++looks_[name];
             const Left left = left_[name];
             if (left == Left::kNoDriver) return fail("no such kernel");
             return std::make_unique<LeftDriver>(left);
           }});
    }
    leftovers_ = std::make_unique<Leftovers>(
        std::move(entries), [this] { return in_use_; }, 1ms);
  }
  template <typename Condition>
  void wait_until(const Condition& condition) const {
    const auto patience = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), patience);
      std::this_thread::sleep_for(1ms);
    }
  }

  std::map<std::string, std::atomic<Left>> left_;
  std::map<std::string, std::atomic<int>> looks_;
  std::vector<std::string> in_use_ = {"xdp"};
  std::unique_ptr<Leftovers> leftovers_;
};

TEST_F(LeftoversTest, AFilterOfADriverNotInUseIsToldUntilItIsGone) {
  left_["xdp"] = left_["nftables"] = Left::kFilter;
  left_["noop"] = Left::kNothing;
  looks_["xdp"] = looks_["nftables"] = looks_["noop"] = 0;
  make({"nftables", "noop", "xdp"});
  wait_until([&] { return !leftovers_->notices().empty(); });
  EXPECT_THAT(leftovers_->notices(),
              ElementsAre(HasSubstr("a filter of driver nftables is in force "
                                    "from an earlier run")));
  EXPECT_THAT(leftovers_->notices().front(),
              HasSubstr("pxegate teardown --driver nftables"));
  left_["nftables"] = Left::kNothing;
  wait_until([&] { return leftovers_->notices().empty(); });
  EXPECT_EQ(looks_["xdp"], 0) << "it is in use";
}

TEST_F(LeftoversTest, WhatCannotBeAskedLeftNothing) {
  left_["a"] = Left::kCannotTell;
  left_["b"] = Left::kNoDriver;
  left_["c"] = Left::kFilter;
  looks_["a"] = looks_["b"] = looks_["c"] = 0;
  make({"a", "b", "c"});
  wait_until([&] { return !leftovers_->notices().empty(); });
  EXPECT_THAT(leftovers_->notices(), ElementsAre(HasSubstr("driver c")));
}

TEST_F(LeftoversTest, OneThatComesIntoUseIsNoLeftover) {
  left_["nftables"] = Left::kFilter;
  looks_["nftables"] = 0;
  make({"nftables"});
  wait_until([&] { return !leftovers_->notices().empty(); });
  leftovers_.reset();
  in_use_ = {"nftables"};
  make({"nftables"});
  EXPECT_THAT(leftovers_->notices(), IsEmpty());
}

}  // namespace
}  // namespace pxegate
