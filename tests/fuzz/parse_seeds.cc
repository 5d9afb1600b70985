// SPDX-License-Identifier: Apache-2.0
//
// parse_seeds DIRECTORY: writes frames for parse_fuzz to start from. What the
// repository keeps of them is what adds coverage:
//   parse_fuzz -set_cover_merge=1 tests/fuzz/corpus/parse DIRECTORY

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/packet_generator.h"
#include "tests/support/packet_shapes.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: parse_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory(argv[1]);
  int number = 0;
  bool written = true;
  const auto write = [&](const pxegate::testing::Bytes& frame) {
    std::ofstream file(directory / ("seed" + std::to_string(number++)),
                       std::ios::binary);
    file.write(reinterpret_cast<const char*>(frame.data()),
               static_cast<std::streamsize>(frame.size()));
    if (!file.flush()) written = false;
  };
  for (const auto& shape : pxegate::testing::valid_shapes())
    write(shape.bytes());
  pxegate::testing::PacketGenerator generator(1);
  for (int i = 0; i < 10'000 && written; ++i) write(generator.next());
  if (!written) {
    std::perror(argv[1]);
    return 1;
  }
  return 0;
}
