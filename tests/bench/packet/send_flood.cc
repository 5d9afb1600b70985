// SPDX-License-Identifier: Apache-2.0
//
// send_flood: DISCOVERs of denied machines onto an interface's wire. Prints
// one JSON object.
//
// Without --rate: as fast as it goes, out of the kernel
// (BPF_F_TEST_XDP_LIVE_FRAMES), all of one machine. What they cost is the CPU
// time of this thread, in which the receiving end of a veth pair works as
// well, and of the CPU's ksoftirqd, which helps out.
//
// With --rate: evenly, from a packet socket, of one machine after the other.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "controller/base/fd.h"
#include "tests/bench/packet/figures.h"
#include "tests/bench/packet/programs.h"
#include "tests/support/machines.h"

namespace pxegate::bench {
namespace {

using std::chrono::steady_clock;

struct Options {
  std::string interface;
  std::uint32_t machine = 0;
  std::uint32_t frames = 0;
  std::uint32_t rate = 0;
  std::uint32_t machines = 1;
  double seconds = 1;
};

// CPU time of the kernel's thread for that CPU's soft interrupts.
class SoftirqThread {
 public:
  static Result<SoftirqThread> of_cpu(int cpu) {
    const std::string name = fmt::format("ksoftirqd/{}\n", cpu);
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc", error)) {
      const std::string pid = entry.path().filename().string();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto comm = read_file(entry.path() / "comm");
      if (!comm || *comm != name) continue;
      clockid_t clock{};
      const int failed = ::clock_getcpuclockid(std::stoi(pid), &clock);
      if (failed != 0) return fail_errno("the clock of ksoftirqd", failed);
      return SoftirqThread(clock);
    }
    return fail(fmt::format("no thread ksoftirqd/{} in /proc", cpu));
  }

  double cpu_ns() const {
    timespec now{};
    ::clock_gettime(clock_, &now);
    return static_cast<double>(now.tv_sec) * 1e9 +
           static_cast<double>(now.tv_nsec);
  }

 private:
  explicit SoftirqThread(clockid_t clock) : clock_(clock) {}
  clockid_t clock_;
};

Result<unsigned> index_of(const std::string& interface) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) return fail_errno(interface, errno);
  return index;
}

Result<nlohmann::json> inject(const Options& options) {
  const auto index = index_of(options.interface);
  if (!index) return fail(index.error());
  auto programs = BenchPrograms::load();
  if (!programs) return fail(programs.error());
  programs->set_flood_interface(*index);
  const auto softirqs = SoftirqThread::of_cpu(pin_to_last_cpu());
  if (!softirqs) return fail(softirqs.error());

  const testing::Bytes frame = testing::discover(machine(options.machine));
  bpf_test_run_opts run{};
  run.sz = sizeof(run);
  run.data_in = frame.data();
  run.data_size_in = static_cast<__u32>(frame.size());
  run.repeat = static_cast<int>(options.frames);
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  run.batch_size = 64;
  const double before = thread_cpu_ns() + softirqs->cpu_ns();
  if (::bpf_prog_test_run_opts(programs->flood(), &run) != 0) {
    return fail_errno("injecting frames", errno);
  }
  // What has arrived may still be worked on.
  for (double then = -1; softirqs->cpu_ns() - then > 1e6;) {
    then = softirqs->cpu_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const double after = thread_cpu_ns() + softirqs->cpu_ns();
  return nlohmann::json{{"frames", options.frames}, {"cpu_ns", after - before}};
}

Result<nlohmann::json> send_evenly(const Options& options) {
  const auto index = index_of(options.interface);
  if (!index) return fail(index.error());
  pin_to_last_cpu();
  const UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("making a packet socket", errno);
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on,
                   sizeof(on)) != 0) {
    return fail_errno("PACKET_QDISC_BYPASS", errno);
  }
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_IP);
  to.sll_ifindex = static_cast<int>(*index);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&to),
             sizeof(to)) != 0) {
    return fail_errno("binding to " + options.interface, errno);
  }
  std::vector<testing::Bytes> frames;
  for (std::uint32_t i = 0; i < options.machines; ++i) {
    frames.push_back(testing::discover(machine(i)));
  }

  const auto tick = std::chrono::milliseconds(1);
  const auto began = steady_clock::now();
  const auto end = began + std::chrono::duration<double>(options.seconds);
  std::uint64_t sent = 0;
  std::uint64_t refused = 0;
  for (auto now = began; now < end; now = steady_clock::now()) {
    const double due =
        std::chrono::duration<double>(now - began).count() * options.rate;
    // What a busy machine kept from being sent is not made up for at once.
    std::uint64_t most = options.rate / 200 + 1;
    while (sent + refused < static_cast<std::uint64_t>(due) && most-- > 0) {
      const auto& frame = frames[(sent + refused) % frames.size()];
      const bool done =
          ::send(socket.get(), frame.data(), frame.size(), 0) >= 0;
      ++(done ? sent : refused);
    }
    std::this_thread::sleep_for(tick);
  }
  const double lasted =
      std::chrono::duration<double>(steady_clock::now() - began).count();
  return nlohmann::json{{"frames", sent},
                        {"refused", refused},
                        {"rate", static_cast<double>(sent) / lasted}};
}

}  // namespace
}  // namespace pxegate::bench

int main(int argc, char** argv) {
  pxegate::bench::Options options;
  CLI::App app("Sends DISCOVERs of denied machines.");
  app.add_option("interface", options.interface)->required();
  app.add_option("--machine", options.machine, "Whose they are");
  app.add_option("--frames", options.frames, "How many, as fast as it goes");
  app.add_option("--rate", options.rate, "How many a second, evenly");
  app.add_option("--machines", options.machines, "With --rate: of how many")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "With --rate: for how long");
  CLI11_PARSE(app, argc, argv);
  const auto found = options.rate > 0 ? pxegate::bench::send_evenly(options)
                                      : pxegate::bench::inject(options);
  if (!found) {
    std::cerr << "send_flood: " << found.error().message() << '\n';
    return 1;
  }
  std::cout << *found << '\n';
  return 0;
}
