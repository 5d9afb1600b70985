// SPDX-License-Identifier: Apache-2.0
//
// Runs the fuzzer's corpus once, with whatever compiler builds the tests. What
// starts with "ironic-" was recorded from a real Ironic.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "controller/base/fd.h"
#include "controller/ironic/notification.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace pxegate {
namespace {

TEST(NotificationCorpus, HoldsTheDecodersPromises) {
  int files = 0;
  int recorded = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PXEGATE_CORPUS "/notification")) {
    SCOPED_TRACE(entry.path());
    const auto bytes = read_file(entry.path());
    ASSERT_TRUE(bytes) << bytes.error().message();
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes->data());
    EXPECT_EQ(LLVMFuzzerTestOneInput(data, bytes->size()), 0);
    ++files;

    const std::string name = entry.path().filename();
    if (!name.starts_with("ironic-")) continue;
    ++recorded;
    const auto decoded = decode_notification(*bytes);
    ASSERT_TRUE(decoded) << decoded.error().message();
    // What the API only starts has changed nothing yet.
    const bool planned = name.find("create.start") != std::string::npos ||
                         name.find("update.start") != std::string::npos ||
                         name.find("delete.start") != std::string::npos;
    EXPECT_EQ(decoded->has_value(), !planned);
    if (!*decoded) continue;
    const Hint& hint = **decoded;
    EXPECT_EQ(hint.ports, name.find("-port.") != std::string::npos);
    EXPECT_EQ(hint.gone, name.find("-node.delete.end") != std::string::npos);
    EXPECT_EQ(hint.provision_state.empty(), hint.ports);
  }
  EXPECT_GE(files, 20);
  EXPECT_GE(recorded, 12);
}

}  // namespace
}  // namespace pxegate
