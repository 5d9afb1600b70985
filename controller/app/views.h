// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_VIEWS_H_
#define PXEGATE_CONTROLLER_APP_VIEWS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "controller/app/json.h"

// The documents of json.h as text for people. Total: whatever is missing or
// of another type, as from a controller of another version, shows as unknown.
// Nothing from outside reaches the text unescaped.
namespace pxegate {

struct TerminalSize {
  std::size_t rows = 0;
  std::size_t columns = 0;

  bool operator==(const TerminalSize&) const = default;
};

// The first line is a verdict; where not healthy it says what is wrong and
// what to do.
std::string status_view(const Json& status);

// The whole policy as a table.
std::string policy_view(const Json& policy);

// The verdict on one address in a few lines, the reason in a sentence.
std::string address_view(const Json& address);

// Who asked lately. With `fit`, cut to the terminal: rows that do not fit are
// counted instead of shown.
std::string clients_view(const Json& clients,
                         const std::optional<TerminalSize>& fit = {});

// What a sync changed.
std::string sync_view(const Json& sync);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_VIEWS_H_
