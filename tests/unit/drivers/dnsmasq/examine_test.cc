// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/examine.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

namespace pxegate {
namespace {

TEST(SilentFileSystem, IsOneThatOtherHostsChange) {
  EXPECT_EQ(silent_file_system(NFS_SUPER_MAGIC), "NFS");
  EXPECT_EQ(silent_file_system(SMB2_SUPER_MAGIC), "SMB");
  EXPECT_EQ(silent_file_system(CIFS_SUPER_MAGIC), "SMB");
  EXPECT_EQ(silent_file_system(CEPH_SUPER_MAGIC), "CephFS");
  constexpr long kLocal[] = {EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
                             BTRFS_SUPER_MAGIC};
  for (const long local : kLocal) {
    EXPECT_EQ(silent_file_system(local), std::nullopt);
  }
}

}  // namespace
}  // namespace pxegate
