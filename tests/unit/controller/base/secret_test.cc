// SPDX-License-Identifier: Apache-2.0
#include "controller/base/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

namespace {

// What is given back to the heap is looked at on its way.
const void* g_watched = nullptr;
std::size_t g_watched_size = 0;
bool g_freed = false;
bool g_was_zero = false;

void look_at(const void* memory) {
  if (memory == nullptr || memory != g_watched) return;
  const auto* bytes = static_cast<const char*>(memory);
  g_was_zero = std::all_of(bytes, bytes + g_watched_size,
                           [](char byte) { return byte == 0; });
  g_freed = true;
  g_watched = nullptr;
}

}  // namespace

void* operator new(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  look_at(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  look_at(memory);
  std::free(memory);
}

namespace pxegate {
namespace {

constexpr std::string_view kPassword = "correct horse battery staple, and more";

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!Printable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

// Whether the bytes at `at` are zero. Their owner has not given them back.
bool zero(const char* at, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (at[i] != 0) return false;
  }
  return true;
}

TEST(Secret, HoldsWhatItWasGiven) {
  const Secret secret(kPassword);
  EXPECT_EQ(secret.reveal(), kPassword);
  EXPECT_FALSE(secret.empty());
  EXPECT_EQ(Secret(std::string_view("a\0b", 3)).reveal().size(), 3u);
  EXPECT_TRUE(Secret().empty());
  EXPECT_EQ(Secret().reveal(), "");
}

TEST(Secret, ComparesByWhatItHolds) {
  EXPECT_EQ(Secret("a"), Secret("a"));
  EXPECT_FALSE(Secret("a") == Secret("b"));
  EXPECT_FALSE(Secret("a") == Secret());
}

TEST(Secret, ClearingOverwritesItsMemory) {
  Secret secret(kPassword);
  // clear() keeps the allocation, so that its bytes can be looked at.
  const char* at = secret.reveal().data();
  secret.clear();
  EXPECT_TRUE(secret.empty());
  EXPECT_TRUE(zero(at, kPassword.size()));
}

TEST(Secret, AnotherValueOverwritesTheOldOne) {
  Secret secret(kPassword);
  const std::string before(secret.reveal());
  secret = Secret("x");
  EXPECT_EQ(secret.reveal(), "x");
  const Secret other("y");
  secret = other;
  EXPECT_EQ(secret.reveal(), "y");
  EXPECT_EQ(other.reveal(), "y");
  Secret& same = secret;
  secret = same;
  EXPECT_EQ(secret.reveal(), "y");
}

TEST(Secret, AMovedOneIsEmpty) {
  Secret from(kPassword);
  const char* at = from.reveal().data();
  const Secret to(std::move(from));
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(to.reveal(), kPassword);
  EXPECT_EQ(to.reveal().data(), at) << "no copy stays behind";
}

// A short std::string lives inside its object; a Secret must not, or a move
// would leave the text behind.
TEST(Secret, NeverKeepsTheTextInsideTheObject) {
  const Secret secret("short");
  const char* self = reinterpret_cast<const char*>(&secret);
  const char* text = secret.reveal().data();
  EXPECT_FALSE(text >= self && text < self + sizeof(secret));
}

void watch(const Secret& secret) {
  g_watched = secret.reveal().data();
  g_watched_size = secret.reveal().size();
  g_freed = false;
  g_was_zero = false;
}

TEST(Secret, OverwritesItsMemoryBeforeItGivesItBack) {
  {
    const Secret secret(kPassword);
    watch(secret);
  }
  EXPECT_TRUE(g_freed);
  EXPECT_TRUE(g_was_zero) << "by the destructor";

  Secret secret(kPassword);
  watch(secret);
  secret = Secret("another one that is moved in");
  EXPECT_TRUE(g_freed);
  EXPECT_TRUE(g_was_zero) << "by a move";

  const Secret copied("and one that is copied");
  watch(secret);
  secret = copied;
  EXPECT_TRUE(g_freed);
  EXPECT_TRUE(g_was_zero) << "by a copy";
}

TEST(Wipe, OverwritesTheTextAndItsUnusedCapacity) {
  std::string text(kPassword);
  text.resize(4);
  const std::size_t capacity = text.capacity();
  const char* at = text.data();
  ASSERT_GE(capacity, kPassword.size());
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.data(), at);
  EXPECT_TRUE(zero(at, capacity));
}

TEST(Wipe, OverwritesAShortTextToo) {
  std::string text("short");
  const char* at = text.data();
  wipe(text);
  EXPECT_TRUE(zero(at, 6));
}

}  // namespace
}  // namespace pxegate
