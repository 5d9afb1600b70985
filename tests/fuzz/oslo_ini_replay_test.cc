// SPDX-License-Identifier: Apache-2.0
//
// Runs the fuzzer's corpus once, with whatever compiler builds the tests.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "controller/base/fd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace pxegate {
namespace {

TEST(OsloIniCorpus, HoldsTheParsersPromises) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PXEGATE_CORPUS "/oslo_ini")) {
    SCOPED_TRACE(entry.path());
    const auto bytes = read_file(entry.path());
    ASSERT_TRUE(bytes) << bytes.error().message();
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes->data());
    EXPECT_EQ(LLVMFuzzerTestOneInput(data, bytes->size()), 0);
    ++files;
  }
  EXPECT_GE(files, 10);
}

}  // namespace
}  // namespace pxegate
