// SPDX-License-Identifier: Apache-2.0
#include "controller/app/screen.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

// xterm's "alternate screen" and DECTCEM, which every terminal of today knows.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

class Terminal final : public Screen {
 public:
  Terminal(const termios& before, const sigset_t& mask, UniqueFd signals)
      : before_(before), mask_(mask), signals_(std::move(signals)) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    // A program that is stopped would leave the shell in here.
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    write_all(kEnter);
  }
  ~Terminal() override {
    write_all(kLeave);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool pause(std::chrono::milliseconds duration) override {
    pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (::poll(fds, 2, static_cast<int>(duration.count())) <= 0) return true;
    if ((fds[1].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof(info)) == sizeof(info) &&
          info.ssi_signo != SIGWINCH) {
        return false;
      }
    }
    if (fds[0].revents == 0) return true;
    std::array<char, 64> keys{};
    const ssize_t n = ::read(STDIN_FILENO, keys.data(), keys.size());
    if (n <= 0) return false;  // the terminal has gone
    const std::string_view pressed(keys.data(), static_cast<std::size_t>(n));
    return pressed.find_first_of("qQ") == std::string_view::npos;
  }

 private:
  const termios before_;
  const sigset_t mask_;
  const UniqueFd signals_;
};

}  // namespace

std::unique_ptr<Screen> Screen::take() {
  termios before{};
  if (::isatty(STDOUT_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before) != 0) {
    return nullptr;
  }
  sigset_t signals;
  sigset_t mask;
  ::sigemptyset(&signals);
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
    ::sigaddset(&signals, each);
  }
  ::pthread_sigmask(SIG_BLOCK, &signals, &mask);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    return nullptr;
  }
  return std::make_unique<Terminal>(before, mask, std::move(fd));
}

}  // namespace pxegate
