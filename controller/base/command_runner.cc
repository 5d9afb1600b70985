// SPDX-License-Identifier: Apache-2.0
#include "controller/base/command_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// posix_spawn's two structs with their clean-up.
struct SpawnSettings {
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

Result<pid_t> spawn(const Command& command, int in, int out, int err) {
  SpawnSettings settings;
  ::posix_spawn_file_actions_adddup2(&settings.actions, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.actions, err, STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&settings.actions,
                                             STDERR_FILENO + 1);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&settings.attributes, &none);
  ::posix_spawnattr_setsigdefault(&settings.attributes, &all);
  ::posix_spawnattr_setpgroup(&settings.attributes, 0);
  ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (const std::string& word : command.argv) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int errnum = ::posix_spawnp(&pid, argv[0], &settings.actions,
                                    &settings.attributes, argv.data(), environ);
  if (errnum != 0) {
    return fail_errno("cannot run " + quoted(command.argv[0]), errnum);
  }
  return pid;
}

// What the child says on one of its two outputs.
class Stream {
 public:
  explicit Stream(std::size_t cap) : cap_(cap) {}

  void append(std::string_view bytes) {
    const std::size_t room = cap_ - text_.size();
    truncated_ |= bytes.size() > room;
    text_.append(bytes.substr(0, room));
  }
  bool truncated() const { return truncated_; }
  std::string take() { return std::move(text_); }

 private:
  std::size_t cap_;
  std::string text_;
  bool truncated_ = false;
};

// Reads one chunk of what is there; closes `fd` at its end. What exceeds the
// cap is read and dropped, so that the child never blocks on us.
void drain(UniqueFd& fd, Stream& into) {
  std::array<char, 65536> chunk{};
  const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
  if (n > 0) {
    into.append({chunk.data(), static_cast<std::size_t>(n)});
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    fd.reset();
  }
}

// What the pipe holds now, and no more: something in the background may have
// inherited its other end and go on writing.
void drain_rest(UniqueFd& fd, Stream& into) {
  int held = 0;
  if (!fd || ::ioctl(fd.get(), FIONREAD, &held) != 0) return;
  std::string rest(static_cast<std::size_t>(held), '\0');
  std::size_t have = 0;
  while (have < rest.size()) {
    const ssize_t n = ::read(fd.get(), &rest[have], rest.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  into.append(std::string_view(rest).substr(0, have));
}

// Writes as much of `rest` as the pipe takes; closes `fd` when done, or when
// the child does not read it.
void feed(UniqueFd& fd, std::string_view& rest) {
  const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
  if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
  const bool broken = n < 0 && errno != EINTR && errno != EAGAIN;
  if (rest.empty() || broken) fd.reset();
}

// A child may close its input early; that must be EPIPE here, not a signal.
// sigaction would change the process, so the signal is blocked for the
// calling thread and a pending one is taken back.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeGuard() {
    const timespec now{};
    while (::sigtimedwait(&pipe_, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

// Reaps a child that ended or is about to.
Result<int> exit_status_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("waitpid", errno);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// A started child in its own process group. Destruction before finish() kills
// the group: no path out of run() leaves a child behind.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    static_cast<void>(exit_status_of(pid_));
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Becomes readable when the child ended.
  Result<UniqueFd> ended() const {
    // By number: the header of glibc 2.36 declares pidfd_open() for C only.
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!fd) return fail_errno("pidfd_open", errno);
    return fd;
  }
  Result<int> finish() { return exit_status_of(std::exchange(pid_, -1)); }

 private:
  pid_t pid_;
};

int poll_timeout(steady_clock::time_point deadline) {
  const auto left =
      std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

Result<CommandOutput> SystemCommandRunner::run(const Command& command) {
  if (command.argv.empty()) {
    return fail("empty command", ErrorCode::kInvalid);
  }
  auto in = make_pipe();
  if (!in) return fail(in.error());
  auto out = make_pipe();
  if (!out) return fail(out.error());
  auto err = make_pipe();
  if (!err) return fail(err.error());
  ::fcntl(in->write.get(), F_SETFL, O_NONBLOCK);

  const SigpipeGuard guard;
  const auto deadline = steady_clock::now() + command.timeout;
  auto pid = spawn(command, in->read.get(), out->write.get(), err->write.get());
  if (!pid) return fail(pid.error());
  Child child(*pid);
  const auto ended = child.ended();
  if (!ended) return fail(ended.error().within(quoted(command.argv[0])));
  in->read.reset();
  out->write.reset();
  err->write.reset();

  Stream output(command.max_output);
  Stream errors(command.max_output);
  std::string_view rest = command.input;
  if (rest.empty()) in->write.reset();
  // The child's end counts, not that of its pipes: a child may close its
  // output long before it ends, and a daemon that it starts may keep it open.
  for (;;) {
    std::array<pollfd, 4> watched = {{{ended->get(), POLLIN, 0},
                                      {out->read.get(), POLLIN, 0},
                                      {err->read.get(), POLLIN, 0},
                                      {in->write.get(), POLLOUT, 0}}};
    const int ready =
        ::poll(watched.data(), watched.size(), poll_timeout(deadline));
    if (ready > 0 && watched[0].revents != 0) break;
    if (steady_clock::now() >= deadline) {
      return fail(fmt::format("{} did not end within {} ms and was killed",
                              quoted(command.argv[0]), command.timeout.count()),
                  ErrorCode::kUnavailable);
    }
    if (ready <= 0) continue;
    if (watched[1].revents != 0) drain(out->read, output);
    if (watched[2].revents != 0) drain(err->read, errors);
    if (watched[3].revents != 0) feed(in->write, rest);
  }
  drain_rest(out->read, output);
  drain_rest(err->read, errors);
  const auto status = child.finish();
  if (!status) return fail(status.error().within(quoted(command.argv[0])));
  return CommandOutput{.exit_status = *status,
                       .out = output.take(),
                       .err = errors.take(),
                       .truncated = output.truncated() || errors.truncated()};
}

}  // namespace pxegate
