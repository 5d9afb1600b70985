// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BENCH_PACKET_FIGURES_H_
#define PXEGATE_TESTS_BENCH_PACKET_FIGURES_H_

#include <vector>

namespace pxegate::bench {

// Of repeated measurements of one thing: half of them lie between the
// quartiles.
struct Figures {
  double median = 0;
  double lower = 0;  // quartile
  double upper = 0;  // quartile
};

// All zero where there are no values.
Figures figures_of(std::vector<double> values);

// CPU time of the calling thread, in nanoseconds: what interrupts it for
// another thread does not count, what the kernel does on its behalf does.
double thread_cpu_ns();

// Keeps the calling thread on the last CPU that it may run on.
int pin_to_last_cpu();

}  // namespace pxegate::bench

#endif  // PXEGATE_TESTS_BENCH_PACKET_FIGURES_H_
