// SPDX-License-Identifier: Apache-2.0
//
// Runs the fuzzer's corpus once, with whatever compiler builds the tests.

#include <gtest/gtest.h>

#include "tests/fuzz/corpus.h"

namespace pxegate {
namespace {

TEST(OsloIniCorpus, HoldsTheParsersPromises) {
  EXPECT_GE(testing::replay_corpus("oslo_ini"), 10);
}

}  // namespace
}  // namespace pxegate
