// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/driver_module.h"

// The note of a plugin for a pxegate to come.
extern "C" {
extern const pxegate::DriverNote pxegate_driver_note;
__attribute__((section(".note.pxegate"), aligned(4),
               used)) constinit const pxegate::DriverNote pxegate_driver_note{
    .abi = 999,
    .name = std::string_view("wrong_abi"),
    .summary = std::string_view("from the future")};
}
