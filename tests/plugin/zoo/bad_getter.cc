// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "controller/driver/driver_module.h"

// The note of a good plugin, and no such function behind it.
#if defined(ZOO_GETTER_null)
#define ZOO_NAME "null_getter"
#elif defined(ZOO_GETTER_throwing)
#define ZOO_NAME "throwing_getter"
#else
#define ZOO_NAME "no_getter"
#endif

extern "C" {
extern const pxegate::DriverNote pxegate_driver_note;
__attribute__((section(".note.pxegate"), aligned(4),
               used)) constinit const pxegate::DriverNote pxegate_driver_note{
    .name = std::string_view(ZOO_NAME),
    .summary = std::string_view("no module")};

#if defined(ZOO_GETTER_null) || defined(ZOO_GETTER_throwing)
__attribute__((visibility("default"))) const pxegate::DriverModule*
pxegate_driver_module() {
#ifdef ZOO_GETTER_throwing
  throw std::runtime_error("the getter is out of order");
#else
  return nullptr;
#endif
}
#endif
}
