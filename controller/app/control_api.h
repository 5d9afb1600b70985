// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CONTROL_API_H_
#define PXEGATE_CONTROLLER_APP_CONTROL_API_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "controller/app/control_backend.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"

namespace pxegate {

// How long a sync asked for over the API may take when the request does not
// say, and at most.
inline constexpr std::chrono::seconds kDefaultSyncTimeout{60};
inline constexpr std::chrono::seconds kMaxSyncTimeout{600};
inline constexpr std::chrono::seconds kMaxEventWait{30};

struct ControlApiOptions {
  // Where the Unix socket is made; its directory is created if missing.
  std::string socket;
  // "address:port", "[address]:port" or ":port" for all addresses; empty: no
  // TCP.
  std::string listen;
  // In which an answer has to be read once it has begun.
  std::chrono::milliseconds answer_timeout{60'000};
};

// The control API: JSON over HTTP, one request per connection.
//
//   GET  /v1/status                what the controller knows of itself
//   GET  /v1/policy                what is enforced, every entry
//   GET  /v1/policy?address=MAC    ... for one address, with the reason
//   GET  /v1/clients               clients, relays and counters of the filter
//   GET  /v1/events[?after=SEQUENCE][&run=RUN][&wait=SECONDS]
//                                  verdicts as they fell, after that one; waits
//                                  for some where there are none
//   GET  /metrics                  all of it for Prometheus, see metrics.h
//   POST /v1/sync[?timeout=SECONDS][&force=1]
//                                  sync now, answer when done; with force
//                                  believe the list however short it is
//   POST /v1/teardown              remove the filter, end the controller
//
// The documents are described in json.h and event_view.h. Any number may follow
// the events: where enough of them wait already, the answer comes at once and
// says when to ask again. A failure is {"error": {"code",
// "message"}}: 400 for a wrong parameter, 403 for a POST over TCP, 404, 405,
// 500 where the filter could not be read; of a sync 504 when it takes longer
// than asked for, 503 when the controller is stopping, busy or cannot reach
// its sources now, 502 for any other failure of a source or the driver; of a
// teardown 409 when one is under way, else 500.
//
// The Unix socket has mode 0660 and the process's group: who may open it may
// also sync and tear down, so give that group to operators only. TCP is for
// reading (dashboards, monitoring); it has neither authentication nor
// encryption, so it refuses every POST whoever asks.
class ControlApi {
 public:
  // Both outlive this object.
  ControlApi(ControlBackend& backend, const Clock& clock,
             ControlApiOptions options);
  ~ControlApi();  // as stop()
  ControlApi(const ControlApi&) = delete;
  ControlApi& operator=(const ControlApi&) = delete;

  // Binds every listener and begins to answer. On an error, which names the
  // socket or address, nothing listens: kConflict where another controller
  // answers at the socket (one left behind by a dead controller is replaced)
  // or the address is taken. Call once.
  Result<> start();

  // Ends listening, lets answers under way finish and joins all threads;
  // removes the socket. A backend that is stopped first ends its sync()
  // and events() calls, so call this afterwards. Idempotent.
  void stop();

  // The TCP port in use, 0 without TCP: for `listen` with port 0.
  std::uint16_t tcp_port() const;

 private:
  class Listener;

  ControlBackend& backend_;
  const Clock& clock_;
  const ControlApiOptions options_;
  std::unique_ptr<Listener> unix_;
  std::unique_ptr<Listener> tcp_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CONTROL_API_H_
