// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_ENGINES_H_
#define PXEGATE_CONTROLLER_APP_ENGINES_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/app/engine.h"
#include "controller/app/retirement.h"
#include "controller/core/backoff.h"

namespace pxegate {

// The engine in force, and the change to another one on a running system.
//
// Another driver becomes a *candidate*: it is made ready, closed, and fed,
// while the one in force goes on. When the candidate has had its first complete
// sync and is healthy, it takes over, and only then the old one is removed. So
// at every instant a filter is in force that Ironic's news reach, and a request
// passes only where both let it. A candidate that cannot be made, or made
// ready, changes nothing; one whose first sync keeps failing, or that filters
// nothing yet (its interface is missing), waits, and the old one with it.
//
// A driver that stays the same and only gets other options cannot be there
// twice: the old one lets go, what it enforced stays, and the new one takes it
// over.
//
// The loop's thread makes all calls but those marked thread-safe.
class Engines {
 public:
  struct Hooks {
    // Makes an engine, which changes nothing in the system yet. `adopted` may
    // be null (Worker::make). `synced` is called once from any thread, after
    // the first complete sync.
    std::function<Result<std::shared_ptr<Engine>>(
        const Config& config, std::shared_ptr<const Inventory> adopted,
        std::function<void()> synced)>
        make;
    // Has the loop call it. From any thread.
    std::function<void(std::function<void()>)> post;
    // EventLoop's on_readable() and ignore().
    std::function<Result<>(int fd, std::function<void()>)> watch;
    std::function<void(int fd)> ignore;
    // The engine in force has synced for the first time, or another that has
    // is in force now.
    std::function<void()> synced;
  };

  explicit Engines(Hooks hooks, BackoffOptions removal = {});
  ~Engines();
  Engines(const Engines&) = delete;
  Engines& operator=(const Engines&) = delete;

  // At the start: makes the engine in force; begin() initializes its driver,
  // and feeds it where that worked.
  Result<> make(const Config& config);
  Result<> begin();

  // Makes `config` what holds. Returns, as a clause for the log, what was done
  // about it. On an error the engine in force is as before.
  Result<std::string> reload(const Config& config);

  // To be called now and then: a candidate may have become healthy.
  void tick();

  // The end, in two steps: no more syncs, and then each driver leaves behind
  // what its on_exit setting says. A candidate is shut down too, not removed:
  // it is closed at worst, and the old one may have been told to remove itself.
  void stop_feeds();
  void shut_down();

  // Thread-safe. Not null after make().
  std::shared_ptr<Engine> current() const;
  // Thread-safe. What is under way, one sentence each.
  std::vector<std::string> notices() const;
  // Thread-safe. The drivers of all engines, also of those that are leaving.
  std::vector<std::string> drivers() const;
  // Thread-safe. ControlBackend::tear_down() for all engines there are: the one
  // in force goes last, and tells it by its feed.
  Result<> tear_down();

 private:
  using EnginePtr = std::shared_ptr<Engine>;

  Result<EnginePtr> make_engine(const Config& config);
  std::shared_ptr<const Inventory> adoptable(const Config& config) const;
  void first_sync(const std::weak_ptr<Engine>& engine);
  Result<> feed(const EnginePtr& engine);
  Result<std::string> begin_swap(const Config& config);
  Result<std::string> reload_candidate(const Config& config);
  Result<std::string> restart_candidate(const Config& config);
  Result<> restart_current(const Config& config);
  void promote();
  void drop_candidate();
  void retire(EnginePtr engine);
  void forget_retirements(const Config& config);
  void reap();
  void set(EnginePtr current, EnginePtr candidate);
  EnginePtr candidate() const;

  const Hooks hooks_;
  const BackoffOptions removal_;

  mutable std::mutex mutex_;  // the members below, not what they point to
  EnginePtr current_;
  EnginePtr candidate_;
  std::vector<std::unique_ptr<Retirement>> retirements_;
  bool ending_ = false;  // tear_down() is under way
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_ENGINES_H_
