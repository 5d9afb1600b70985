// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_INTERNER_H_
#define PXEGATE_CONTROLLER_CORE_INTERNER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace pxegate {

// A number for each of the few values that many have in common. A value of its
// own; copies share what they hold until one of them learns another.
template <typename T>
class Interner {
 public:
  std::size_t size() const { return known_->values.size(); }
  const T& operator[](std::uint32_t number) const {
    return *known_->values[number];
  }

  std::uint32_t number(const T& value) {
    const auto it = known_->numbers.find(value);
    if (it != known_->numbers.end()) return it->second;
    if (known_.use_count() > 1) {
      known_ = copy(*known_);
    } else {
      // Whoever had it as well has read all he wanted.
      std::atomic_thread_fence(std::memory_order_acquire);
    }
    const auto fresh = static_cast<std::uint32_t>(size());
    known_->values.push_back(
        &known_->numbers.emplace(value, fresh).first->first);
    return fresh;
  }

  bool shares_all(const Interner& other) const {
    return known_ == other.known_;
  }

 private:
  struct Known {
    std::map<T, std::uint32_t> numbers;
    std::vector<const T*> values;  // the keys of numbers
  };

  static std::shared_ptr<Known> copy(const Known& known) {
    auto result = std::make_shared<Known>();
    result->numbers = known.numbers;
    result->values.resize(known.values.size());
    for (const auto& [value, number] : result->numbers) {
      result->values[number] = &value;
    }
    return result;
  }

  std::shared_ptr<Known> known_ = std::make_shared<Known>();
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_INTERNER_H_
