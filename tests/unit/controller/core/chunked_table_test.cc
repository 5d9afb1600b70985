// SPDX-License-Identifier: Apache-2.0
#include "controller/core/chunked_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/core/generators.h"

namespace pxegate {
namespace {

// A number with a text, whose length stands before it.
struct Entry {
  int number = 0;
  std::uint32_t text_at = 0;

  std::size_t text_size(std::string_view texts) const {
    return 1 + static_cast<unsigned char>(texts.at(text_at));
  }
  static std::strong_ordering order(const Entry& entry, std::string_view,
                                    const int& key) {
    return entry.number <=> key;
  }
};
// Three in a chunk, so that a few make many chunks.
using Table = ChunkedTable<Entry, int, 3>;
using Naive = std::map<int, std::string>;

std::string text_of(const Table& table, Table::Position at) {
  const Entry& entry = table.record(at);
  return std::string(table.texts(at).substr(
      entry.text_at + 1, entry.text_size(table.texts(at)) - 1));
}

Naive contents(const Table& table) {
  Naive found;
  int before = -1;
  for (auto at = table.begin(); at != table.end(); at = table.after(at)) {
    const int number = table.record(at).number;
    RC_ASSERT(before < number);
    before = number;
    found[number] = text_of(table, at);
  }
  RC_ASSERT(found.size() == table.size());
  return found;
}

void put(Table& table, int number, const std::string& text) {
  Entry entry;
  entry.number = number;
  table.put(number, entry, static_cast<char>(text.size()) + text);
}

// What a table and copies of it hold, whoever of them is changed, is what maps
// hold that share nothing.
RC_GTEST_PROP(ChunkedTableProperty, EachCopyIsAMapOfItsOwn, ()) {
  constexpr int kNumbers = 40;
  std::vector<std::pair<Table, Naive>> copies(1);
  const int steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) {
    auto& [table, naive] =
        copies[*rc::gen::inRange<std::size_t>(0, copies.size())];
    const int number = *rc::gen::inRange(0, kNumbers);
    const auto found = table.find(number);
    RC_ASSERT(found.has_value() == naive.contains(number));
    if (found) RC_ASSERT(text_of(table, *found) == naive[number]);
    switch (*rc::gen::weightedElement<int>({{6, 0}, {4, 1}, {1, 2}, {1, 3}})) {
      case 0: {
        const std::string text(*rc::gen::inRange<std::size_t>(0, 6),
                               'a' + i % 26);
        put(table, number, text);
        naive[number] = text;
        break;
      }
      case 1:
        if (found) table.erase(*found);
        naive.erase(number);
        break;
      case 2:
        table.pack();
        RC_ASSERT(table.chunks() == (table.size() + 2) / 3);
        break;
      default: {
        const auto copy =
            copies[*rc::gen::inRange<std::size_t>(0, copies.size())];
        copies.push_back(copy);
        RC_ASSERT(copies.back().first.shares_all(copy.first));
      }
    }
    for (const auto& [each, want] : copies) RC_ASSERT(contents(each) == want);
  }
}

TEST(ChunkedTable, WhatComesInOrderFillsItsChunks) {
  Table table;
  for (int i = 0; i < 30; ++i) put(table, i, "x");
  EXPECT_EQ(table.chunks(), 10U);
}

TEST(ChunkedTable, AChangeOfACopyCopiesOneChunk) {
  Table table;
  for (int i = 0; i < 30; ++i) put(table, i, "x");
  Table copy = table;
  put(copy, 15, "y");
  std::size_t shared = 0;
  auto other = copy.begin();
  for (auto at = table.begin(); at != table.end(); at = table.after(at)) {
    if (&table.record(at) == &copy.record(other)) ++shared;
    other = copy.after(other);
  }
  EXPECT_EQ(shared, 27U);
}

TEST(ChunkedTable, TextsThatWereReplacedTakeNoRoomForLong) {
  Table table;
  for (int i = 0; i < 1000; ++i) put(table, i % 3, std::string(50, 'x'));
  EXPECT_LT(table.texts(table.begin()).size(), 1000U);
}

}  // namespace
}  // namespace pxegate
