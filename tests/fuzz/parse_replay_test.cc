// SPDX-License-Identifier: Apache-2.0
//
// What parse_fuzz tests, over its corpus and over generated packets, with
// whatever compiler builds the tests and on machines without BPF.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "controller/base/fd.h"
#include "tests/support/packet_generator.h"
#include "tests/support/packet_shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace pxegate::testing {
namespace {

TEST(ParseCorpus, AgreesWithTheModelHoweverCut) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PXEGATE_CORPUS "/parse")) {
    SCOPED_TRACE(entry.path());
    const auto bytes = read_file(entry.path());
    ASSERT_TRUE(bytes) << bytes.error().message();
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes->data());
    for (std::size_t size = 0; size <= bytes->size(); ++size)
      EXPECT_EQ(LLVMFuzzerTestOneInput(data, size), 0);
    ++files;
  }
  EXPECT_GE(files, 10);
}

TEST(ParseGenerated, AgreesWithTheModel) {
  PacketGenerator generator(20'240'101);
  for (int i = 0; i < 50'000; ++i) {
    const Bytes frame = generator.next();
    EXPECT_EQ(LLVMFuzzerTestOneInput(frame.data(), frame.size()), 0);
  }
}

TEST(ParseEnumerated, AgreesWithTheModel) {
  std::uint64_t frames = 0;
  const auto use = [&](const Bytes& frame) {
    EXPECT_EQ(LLVMFuzzerTestOneInput(frame.data(), frame.size()), 0);
    ++frames;
  };
  for_each_length(valid_shapes(), use);
  for_each_header(use);
  EXPECT_GT(frames, 100'000U);
}

}  // namespace
}  // namespace pxegate::testing
