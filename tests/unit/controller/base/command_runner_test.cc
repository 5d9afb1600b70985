// SPDX-License-Identifier: Apache-2.0
#include "controller/base/command_runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "controller/base/fd.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::TempDir;

Result<CommandOutput> run(std::vector<std::string> argv, std::string input = "",
                          std::chrono::milliseconds timeout = 60s) {
  SystemCommandRunner runner;
  return runner.run({std::move(argv), std::move(input), timeout});
}

Result<CommandOutput> run_sh(std::string script, std::string input = "",
                             std::chrono::milliseconds timeout = 60s) {
  return run({"/bin/sh", "-c", std::move(script)}, std::move(input), timeout);
}

std::ptrdiff_t open_fds() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

TEST(CommandRunner, ArgumentsArriveVerbatimAndNoShellSeesThem) {
  const auto done = run({"printf", "%s|", "a b", "", "$HOME", "*", ";id",
                         "`id`", "new\nline", "'\"\\"});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->out, "a b||$HOME|*|;id|`id`|new\nline|'\"\\|");
  EXPECT_EQ(done->err, "");
  EXPECT_EQ(done->exit_status, 0);
}

TEST(CommandRunner, OutputAndErrorAreKeptApart) {
  const auto done = run_sh("echo one; echo two >&2; echo three");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->out, "one\nthree\n");
  EXPECT_EQ(done->err, "two\n");
}

TEST(CommandRunner, WithoutInputTheChildReadsEndOfFile) {
  const auto done = run({"cat"});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->out, "");
}

TEST(CommandRunner, InputLargerThanAPipeFlowsBothWays) {
  std::string input(900'000, 'x');
  for (std::size_t i = 0; i < input.size(); i += 97) input[i] = '\0';
  const auto done = run({"cat"}, input);
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->out == input);
}

TEST(CommandRunner, OutputBeyondTheCapIsReadAndDropped) {
  const auto done = run_sh(
      "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo x");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_status, 0);
  EXPECT_EQ(done->out.size(), Command().max_output);
  EXPECT_EQ(done->err.size(), Command().max_output);
  EXPECT_TRUE(done->truncated);
}

TEST(CommandRunner, TheCapIsTheCallersToRaise) {
  Command command{.argv = {"head", "-c", "3000000", "/dev/zero"}};
  command.max_output = 3'000'000;
  const auto done = SystemCommandRunner().run(command);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->out.size(), 3'000'000);
  EXPECT_FALSE(done->truncated);
}

TEST(CommandRunner, TheExitStatusIsNoError) {
  for (const int status : {0, 1, 7, 127, 255}) {
    const auto done = run_sh("exit " + std::to_string(status));
    ASSERT_TRUE(done);
    EXPECT_EQ(done->exit_status, status);
  }
}

TEST(CommandRunner, ASignalCountsFrom128) {
  EXPECT_EQ(run_sh("kill -TERM $$").value().exit_status, 128 + SIGTERM);
  EXPECT_EQ(run_sh("kill -KILL $$").value().exit_status, 128 + SIGKILL);
}

TEST(CommandRunner, AMissingProgramIsNotFoundAndNamed) {
  const auto done = run({"pxegate-no-such-program", "x"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(done.error().message(), HasSubstr("pxegate-no-such-program"));
}

TEST(CommandRunner, AFileThatIsNoProgramIsAPermissionError) {
  const TempDir dir;
  const auto done = run({dir.write("data", "x")});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kPermission);
}

TEST(CommandRunner, AnEmptyCommandIsInvalid) {
  const auto done = run({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kInvalid);
}

TEST(CommandRunner, AChildThatDoesNotReadItsInputRaisesNoSignal) {
  sigset_t before{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  // Its output takes so long that the broken pipe is met before its end.
  const auto done =
      run_sh("exec <&-; head -c 3000000 /dev/zero", std::string(1 << 20, 'x'));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->exit_status, 0);
  sigset_t after{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&before, SIGPIPE), ::sigismember(&after, SIGPIPE));
  sigset_t pending{};
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

// Whatever the child does with its outputs, the deadline holds.
TEST(CommandRunner, AChildThatRunsOutOfTimeIsKilledAndUnavailable) {
  const struct {
    std::string name;
    std::string script;
  } cases[] = {
      {"silent", "exec sleep 1000"},
      {"closed its outputs", "exec >&- 2>&-; exec sleep 1000"},
      {"closed all", "exec <&- >&- 2>&-; exec sleep 1000"},
      {"never stops writing", "exec yes"},
      {"ignores signals", "trap '' TERM INT HUP; while :; do sleep 1000; done"},
      {"stopped", "kill -STOP $$"},
  };
  for (const auto& row : cases) {
    const auto done = run_sh(row.script, "unread", 100ms);
    ASSERT_FALSE(done) << row.name;
    EXPECT_EQ(done.error().code(), ErrorCode::kUnavailable) << row.name;
    EXPECT_EQ(done.error().message(),
              "\"/bin/sh\" did not end within 100 ms and was killed");
  }
}

TEST(CommandRunner, TheTimeoutKillsTheWholeProcessGroup) {
  const TempDir dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd alive(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(alive);
  // Three processes hold the FIFO open for writing; it hangs up when the last
  // of them is gone.
  const auto done = run_sh(
      "exec 9>" + fifo + "; (sleep 1000 & sleep 1000) & sleep 1000", "", 1s);
  ASSERT_FALSE(done);
  pollfd watched{alive.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&watched, 1, 60'000), 1);
  EXPECT_NE(watched.revents & POLLHUP, 0);
}

TEST(CommandRunner, ABackgroundProcessThatKeepsTheOutputOpenIsNotWaitedFor) {
  const auto done = run_sh("sleep 1000 & echo $!");
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->exit_status, 0);
  pid_t background = -1;
  std::from_chars(done->out.data(), done->out.data() + done->out.size(),
                  background);
  ASSERT_GT(background, 1) << done->out;
  EXPECT_EQ(::kill(background, SIGKILL), 0);
}

TEST(CommandRunner, NothingWrittenBeforeTheEndIsLost) {
  for (int i = 0; i < 50; ++i) {
    const auto done = run_sh("head -c 60000 /dev/zero; echo last >&2");
    ASSERT_TRUE(done);
    EXPECT_EQ(done->out.size(), 60'000U);
    EXPECT_EQ(done->err, "last\n");
  }
}

TEST(CommandRunner, TheChildInheritsNoDescriptorAndThisProcessKeepsNone) {
  // On purpose without close-on-exec.
  const UniqueFd leaky(::fcntl(STDERR_FILENO, F_DUPFD, 100));
  ASSERT_TRUE(leaky);
  const auto before = open_fds();
  const auto done =
      run({"test", "-e", "/proc/self/fd/" + std::to_string(leaky.get())});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_status, 1);
  EXPECT_FALSE(run({"pxegate-no-such-program"}));
  EXPECT_FALSE(run({"sleep", "1000"}, "", 10ms));
  EXPECT_EQ(open_fds(), before);
}

TEST(CommandRunner, TheChildHasNoSignalBlockedOrIgnored) {
  sigset_t blocked{};
  sigset_t before{};
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigaddset(&blocked, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto* const old = ::signal(SIGUSR1, SIG_IGN);
  const auto done = run({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  ::signal(SIGUSR1, old);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(done);
  // Signals 32 and 33 are glibc's own, and its posix_spawn() ignores them.
  EXPECT_THAT(done->out, MatchesRegex("SigBlk:\t0000000000000000\n"
                                      "SigIgn:\t0000000.[08]0000000\n"));
}

TEST(CommandRunner, WorksWithTheStandardDescriptorsClosed) {
  std::array<UniqueFd, 3> saved;
  for (int fd = 0; fd < 3; ++fd) {
    saved[static_cast<std::size_t>(fd)] =
        UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 50));
    ::close(fd);
  }
  const auto done = run_sh("cat; echo err >&2", "in");
  for (int fd = 0; fd < 3; ++fd) {
    ::dup2(saved[static_cast<std::size_t>(fd)].get(), fd);
  }
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->out, "in");
  EXPECT_EQ(done->err, "err\n");
}

TEST(CommandRunner, AStatusThatCannotBeHadIsAnErrorAndNotSuccess) {
  auto* const old = ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps
  const auto done = run({"false"});
  ::signal(SIGCHLD, old);
  EXPECT_FALSE(done);
}

TEST(CommandRunner, ThreadsDoNotMixTheirChildren) {
  SystemCommandRunner runner;
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&runner, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string word = std::to_string(t * 1000 + i);
        const auto done = runner.run({{"cat"}, word, 60s});
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(done->out, word);
      }
    });
  }
}

}  // namespace
}  // namespace pxegate
