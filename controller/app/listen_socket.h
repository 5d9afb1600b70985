// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_LISTEN_SOCKET_H_
#define PXEGATE_CONTROLLER_APP_LISTEN_SOCKET_H_

#include <string>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Non-blocking listening sockets for the control API. Errors name the [api]
// option.

// At `path`, mode 0660; its directory is made if missing. A socket that nobody
// answers at is replaced; kConflict, naming the process, where one does, and
// where something that is no socket is there. kInvalid for a path that is too
// long for a socket (unix(7)).
Result<UniqueFd> listen_unix(const std::string& path);

// At "address:port", "[IPv6 address]:port" or ":port" (every address); port 0
// lets the kernel choose. kInvalid for anything else, kConflict where the
// address is in use.
Result<UniqueFd> listen_tcp(const std::string& listen);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_LISTEN_SOCKET_H_
