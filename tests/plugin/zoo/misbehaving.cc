// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "controller/base/log.h"
#include "controller/driver/driver_module.h"

// A driver that does its work and goes wrong where it is told to:
//
//     [misbehaving]
//     in = factory | initialize | sync | tear_down | status | installed |
//          sync_period | wake_fd | reset | shut_down | destructor
//     how = throw | throw_int | error | null | abort | lie
//     file = what it has in force: a file that holds the verdict for unknowns
//
// "null" is for the factory; "lie" for status, sync_period and wake_fd.
namespace {

using pxegate::fail;
using pxegate::Result;
using Options = std::map<std::string, std::string>;

class Misbehaving final : public pxegate::FilterDriver {
 public:
  explicit Misbehaving(Options options) : options_(std::move(options)) {}
  ~Misbehaving() override { perform("destructor"); }

  Result<> initialize() override {
    if (auto done = perform("initialize"); !done) return done;
    if (!std::filesystem::exists(file())) enforce("deny");
    return {};
  }

  Result<pxegate::SyncReport> sync(const pxegate::Snapshot& desired) override {
    if (auto done = perform("sync"); !done) return fail(done.error());
    enforce(to_string(desired.policy->unknown()));
    pxegate::log::info("misbehaving: synchronized");
    return pxegate::SyncReport{};
  }

  void reset() noexcept override { perform("reset"); }
  void shut_down() noexcept override { perform("shut_down"); }

  Result<> tear_down() override {
    if (auto done = perform("tear_down"); !done) return done;
    std::filesystem::remove(file());
    return {};
  }

  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const override {
    if (lies("sync_period")) return std::chrono::seconds(-1);
    if (auto done = perform("sync_period"); !done) return std::nullopt;
    return configured;
  }

  int wake_fd() const override {
    if (lies("wake_fd")) return 12345;
    return perform("wake_fd") ? -1 : -1;
  }

  pxegate::DriverStatus status() const override {
    pxegate::DriverStatus status;
    status.driver = lies("status") ? "xdp" : "misbehaving";
    status.healthy = perform("status").has_value();
    status.targets = {
        {.name = file(), .active = true, .mode = "", .detail = ""}};
    return status;
  }

  Result<pxegate::Policy> installed() const override {
    if (auto done = perform("installed"); !done) return fail(done.error());
    if (!std::filesystem::exists(file())) {
      return fail("no file", pxegate::ErrorCode::kNotFound);
    }
    return pxegate::Policy({}, pxegate::Verdict::kDeny);
  }

 private:
  std::string option(const char* name) const {
    const auto found = options_.find(name);
    return found == options_.end() ? std::string() : found->second;
  }
  std::string file() const { return option("file"); }
  bool lies(const char* place) const {
    return option("in") == place && option("how") == "lie";
  }
  void enforce(std::string_view unknown) const {
    std::ofstream(file()) << unknown << "\n";
  }

  // Goes wrong, where this is the place to.
  Result<> perform(const char* place) const {
    if (option("in") != place) return {};
    const std::string how = option("how");
    if (how == "throw") throw std::runtime_error("out of order");
    if (how == "throw_int") throw 42;
    if (how == "abort") std::abort();
    if (how == "error") return fail("no contact");
    return {};
  }

  const Options options_;
};

Result<std::unique_ptr<pxegate::FilterDriver>> make(
    const pxegate::DriverContext& context) {
  if (const auto in = context.options.find("in");
      in != context.options.end() && in->second == "factory") {
    const std::string how = context.options.at("how");
    if (how == "throw") throw std::runtime_error("out of order");
    if (how == "throw_int") throw 42;
    if (how == "abort") std::abort();
    if (how == "error") {
      return fail("bad options", pxegate::ErrorCode::kInvalid);
    }
    if (how == "null") return nullptr;
  }
  return std::make_unique<Misbehaving>(context.options);
}

}  // namespace

PXEGATE_DRIVER_PLUGIN("misbehaving", "goes wrong where it is told to", make)
