// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_FUZZ_CORPUS_H_
#define PXEGATE_TESTS_FUZZ_CORPUS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "controller/base/fd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace pxegate::testing {

// Runs the fuzzer that is linked once on each file of its corpus, and `check`
// (may be empty) with the file's name and content. Returns how many there were.
inline int replay_corpus(
    const std::string& name,
    const std::function<void(const std::string& file,
                             const std::string& content)>& check = {}) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PXEGATE_CORPUS "/" + name)) {
    SCOPED_TRACE(entry.path());
    const auto bytes = read_file(entry.path());
    if (!bytes) {
      ADD_FAILURE() << bytes.error().message();
      return files;
    }
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes->data());
    EXPECT_EQ(LLVMFuzzerTestOneInput(data, bytes->size()), 0);
    ++files;
    if (check) check(entry.path().filename(), *bytes);
  }
  return files;
}

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_FUZZ_CORPUS_H_
