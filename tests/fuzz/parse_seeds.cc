// SPDX-License-Identifier: Apache-2.0
//
// parse_seeds DIRECTORY: writes frames for parse_fuzz to start from. What the
// repository keeps of them is what adds coverage:
//   parse_fuzz -set_cover_merge=1 tests/fuzz/corpus/parse DIRECTORY

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/packet_generator.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: parse_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory(argv[1]);
  pxegate::testing::PacketGenerator generator(1);
  for (int i = 0; i < 2000; ++i) {
    const pxegate::testing::Bytes frame = generator.next();
    std::ofstream file(directory / ("seed" + std::to_string(i)),
                       std::ios::binary);
    file.write(reinterpret_cast<const char*>(frame.data()),
               static_cast<std::streamsize>(frame.size()));
    if (!file.flush()) {
      std::perror(argv[1]);
      return 1;
    }
  }
  return 0;
}
