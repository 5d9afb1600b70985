// SPDX-License-Identifier: Apache-2.0
//
// Runs the fuzzer's corpus once, with whatever compiler builds the tests. What
// starts with "ironic-" was recorded from a real Ironic.

#include <gtest/gtest.h>

#include <string>

#include "controller/ironic/notification.h"
#include "tests/fuzz/corpus.h"

namespace pxegate {
namespace {

TEST(NotificationCorpus, HoldsTheDecodersPromises) {
  int recorded = 0;
  const auto check = [&](const std::string& name, const std::string& bytes) {
    if (!name.starts_with("ironic-")) return;
    ++recorded;
    const auto decoded = decode_notification(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message();
    // What the API only starts has changed nothing yet.
    const bool planned = name.find("create.start") != std::string::npos ||
                         name.find("update.start") != std::string::npos ||
                         name.find("delete.start") != std::string::npos;
    EXPECT_EQ(decoded->has_value(), !planned);
    if (!*decoded) return;
    const Hint& hint = **decoded;
    EXPECT_EQ(hint.ports, name.find("-port.") != std::string::npos);
    EXPECT_EQ(hint.gone, name.find("-node.delete.end") != std::string::npos);
    EXPECT_EQ(hint.provision_state.empty(), hint.ports);
  };
  EXPECT_GE(testing::replay_corpus("notification", check), 20);
  EXPECT_GE(recorded, 12);
}

}  // namespace
}  // namespace pxegate
