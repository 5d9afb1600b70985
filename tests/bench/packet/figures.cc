// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/packet/figures.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace pxegate::bench {
namespace {

// Of sorted values, interpolated.
double quantile(const std::vector<double>& values, double share) {
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const auto above = static_cast<std::size_t>(std::ceil(place));
  const double fraction = place - std::floor(place);
  return values[below] * (1 - fraction) + values[above] * fraction;
}

}  // namespace

Figures figures_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return {.median = quantile(values, 0.5),
          .lower = quantile(values, 0.25),
          .upper = quantile(values, 0.75)};
}

double thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

int pin_to_last_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return -1;
  int last = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) last = cpu;
  }
  if (last < 0) return -1;
  CPU_ZERO(&allowed);
  CPU_SET(last, &allowed);
  return ::sched_setaffinity(0, sizeof(allowed), &allowed) == 0 ? last : -1;
}

}  // namespace pxegate::bench
