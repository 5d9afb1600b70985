// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_FAKE_IRONIC_H_
#define PXEGATE_TESTS_SUPPORT_FAKE_IRONIC_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "controller/base/fd.h"

namespace pxegate::testing {

// tests/support/fake_ironic.py as a child of the test, for as long as this
// lives.
class FakeIronic {
 public:
  // `script` is the program's path; `arguments` as it documents them.
  FakeIronic(std::string script, std::vector<std::string> arguments) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    std::string python = "/usr/bin/python3";
    std::vector<char*> argv = {python.data(), script.data()};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(writer.get(), STDOUT_FILENO);
      execv(python.c_str(), argv.data());
      _exit(127);
    }
    writer.reset();
    // One line: its URL, once it is ready.
    char byte = 0;
    while (read(reader.get(), &byte, 1) == 1 && byte != '\n') url_ += byte;
    if (url_.empty()) throw std::runtime_error(script + " did not start");
  }
  ~FakeIronic() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  FakeIronic(const FakeIronic&) = delete;
  FakeIronic& operator=(const FakeIronic&) = delete;

  const std::string& url() const { return url_; }

 private:
  pid_t child_ = -1;
  std::string url_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_FAKE_IRONIC_H_
