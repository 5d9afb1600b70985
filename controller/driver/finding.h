// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_FINDING_H_
#define PXEGATE_CONTROLLER_DRIVER_FINDING_H_

#include <string>
#include <utility>

namespace pxegate {

// What one check of this machine came to. `pxegate doctor` shows them.
struct Finding {
  enum class Outcome {
    kGood,
    kWarning,  // it works, but not as most would want it
    kProblem,  // requests pass that should not, or machines cannot boot
    kUnknown,  // could not be looked at
  };

  std::string check;  // "kernel", "interface eth1"
  Outcome outcome = Outcome::kGood;
  std::string seen;    // one line
  std::string remedy;  // what to do; empty where there is nothing to
};

inline Finding good(std::string check, std::string seen) {
  return {std::move(check), Finding::Outcome::kGood, std::move(seen), {}};
}
inline Finding warning(std::string check, std::string seen,
                       std::string remedy) {
  return {std::move(check), Finding::Outcome::kWarning, std::move(seen),
          std::move(remedy)};
}
inline Finding problem(std::string check, std::string seen,
                       std::string remedy) {
  return {std::move(check), Finding::Outcome::kProblem, std::move(seen),
          std::move(remedy)};
}
inline Finding not_known(std::string check, std::string seen,
                         std::string remedy) {
  return {std::move(check), Finding::Outcome::kUnknown, std::move(seen),
          std::move(remedy)};
}

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_FINDING_H_
