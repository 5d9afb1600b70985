// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SCREEN_H_
#define PXEGATE_CONTROLLER_APP_SCREEN_H_

#include <chrono>
#include <memory>

namespace pxegate {

// The terminal of standard output, taken for a program that repaints it: its
// alternate screen, without cursor or echo. Given back as it was when this
// object goes, also after SIGINT, SIGTERM or SIGHUP, which from its making on
// are only taken by pause().
class Screen {
 public:
  // Null where standard input or output is no terminal.
  static std::unique_ptr<Screen> take();
  virtual ~Screen() = default;

  // Sleeps. False when the user wants to stop: by `q`, Ctrl-C or one of those
  // signals. Returns early when the terminal was resized, or a key was pressed.
  virtual bool pause(std::chrono::milliseconds duration) = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SCREEN_H_
