// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_MEMORY_H_
#define PXEGATE_CONTROLLER_BASE_MEMORY_H_

#include <cstdlib>  // says whether this is glibc

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace pxegate {

// Gives the pages that the C library holds, and nobody uses, back to the
// kernel. Costs some milliseconds: for after work that took much for a while.
// Thread-safe.
inline void release_free_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_MEMORY_H_
