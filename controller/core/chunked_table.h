// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_CHUNKED_TABLE_H_
#define PXEGATE_CONTROLLER_CORE_CHUNKED_TABLE_H_

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace pxegate {

// A sorted table of small records, each with some text, in chunks that copies
// of the table share: a copy costs a pointer per chunk, and a change of one
// record a copy of its chunk. A value; copies may be used by different threads.
//
// A Record is trivially copyable and has
//   std::uint32_t text_at;   // where its text begins, in its chunk's
//   std::size_t text_size(std::string_view texts) const;
// and is ordered by Key:
//   static std::strong_ordering order(const Record&, std::string_view texts,
//                                     const Key&);
template <typename Record, typename Key, std::size_t kRecordsPerChunk = 128>
class ChunkedTable {
 public:
  // Of a record; invalid once the table is changed.
  struct Position {
    std::size_t chunk = 0;
    std::size_t record = 0;
    bool operator==(const Position&) const = default;
  };

  std::size_t size() const { return size_; }
  const Record& record(Position at) const {
    return chunks_[at.chunk]->records[at.record];
  }
  std::string_view texts(Position at) const {
    return chunks_[at.chunk]->all_texts();
  }

  Position begin() const { return {}; }
  Position end() const { return {chunks_.size(), 0}; }
  Position after(Position at) const {
    if (++at.record < chunks_[at.chunk]->records.size()) return at;
    return {at.chunk + 1, 0};
  }

  std::size_t chunks() const { return chunks_.size(); }
  std::size_t records_in(std::size_t chunk) const {
    return chunks_[chunk]->records.size();
  }
  // Whether both hold the same records because they share them.
  bool shares_all(const ChunkedTable& other) const {
    return chunks_ == other.chunks_;
  }

  Position lower_bound(const Key& key) const {
    const auto chunk = std::partition_point(
        chunks_.begin(), chunks_.end(), [&key](const auto& each) {
          return Record::order(each->records.back(), each->all_texts(), key) <
                 0;
        });
    if (chunk == chunks_.end()) return end();
    const auto& records = (*chunk)->records;
    const auto record = std::partition_point(
        records.begin(), records.end(), [&](const Record& each) {
          return Record::order(each, (*chunk)->all_texts(), key) < 0;
        });
    return {static_cast<std::size_t>(chunk - chunks_.begin()),
            static_cast<std::size_t>(record - records.begin())};
  }

  std::optional<Position> find(const Key& key) const {
    const Position at = lower_bound(key);
    if (at == end() || Record::order(record(at), texts(at), key) != 0) {
      return std::nullopt;
    }
    return at;
  }

  // Inserts, or replaces the one that has the key.
  void put(const Key& key, Record record, std::string_view text) {
    Position at = lower_bound(key);
    if (at != end() && Record::order(this->record(at), texts(at), key) == 0) {
      Chunk& chunk = edit(at.chunk);
      Record& old = chunk.records[at.record];
      chunk.dead += old.text_size(chunk.all_texts());
      record.text_at = append(chunk, text);
      old = record;
      tidy(chunk);
      return;
    }
    if (chunks_.empty()) chunks_.push_back(std::make_shared<Chunk>());
    if (at.chunk == chunks_.size()) {
      --at.chunk;
      at.record = chunks_.back()->records.size();
    }
    if (chunks_[at.chunk]->records.size() >= kRecordsPerChunk) {
      // In order at the end: as in a list that comes sorted.
      const bool appended = at.chunk + 1 == chunks_.size() &&
                            at.record == chunks_[at.chunk]->records.size();
      split(at, appended ? kRecordsPerChunk : kRecordsPerChunk / 2);
    }
    Chunk& chunk = edit(at.chunk);
    record.text_at = append(chunk, text);
    make_room(chunk.records, 1, kSpareRecords);
    chunk.records.insert(
        chunk.records.begin() + static_cast<std::ptrdiff_t>(at.record), record);
    ++size_;
  }

  void erase(Position at) {
    Chunk& chunk = edit(at.chunk);
    chunk.dead += chunk.records[at.record].text_size(chunk.all_texts());
    chunk.records.erase(chunk.records.begin() +
                        static_cast<std::ptrdiff_t>(at.record));
    --size_;
    if (chunk.records.empty()) {
      chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk));
    } else {
      tidy(chunk);
    }
  }

  // After many changes: as few chunks as possible, no larger than they have to
  // be. Takes the memory of one chunk besides.
  void pack() {
    const auto packed = [](const auto& chunk) {
      return chunk->records.size() == kRecordsPerChunk && chunk->dead == 0 &&
             chunk->records.capacity() == kRecordsPerChunk;
    };
    if (chunks_.empty() ||
        std::all_of(chunks_.begin(), chunks_.end() - 1, packed)) {
      return;
    }
    std::vector<std::shared_ptr<Chunk>> result;
    result.reserve(size_ / kRecordsPerChunk + 1);
    Chunk next;
    const auto close = [&] {
      // Copies have no room to spare.
      if (!next.records.empty()) result.push_back(copy(next));
      next.records.clear();
      next.texts.clear();
    };
    for (auto& old : chunks_) {
      for (const Record& each : old->records) {
        if (next.records.size() == kRecordsPerChunk) close();
        add(next, each, old->all_texts());
      }
      old.reset();
    }
    close();
    chunks_ = std::move(result);
  }

 private:
  // To spare when a chunk grows: the half of it that std::vector would take is
  // much where there are many.
  static constexpr std::size_t kSpareRecords = 16;
  static constexpr std::size_t kSpareText = 512;

  struct Chunk {
    std::vector<Record> records;  // never empty
    std::vector<char> texts;
    std::size_t dead = 0;  // bytes in texts that no record has

    std::string_view all_texts() const { return {texts.data(), texts.size()}; }
  };

  template <typename T>
  static void make_room(std::vector<T>& in, std::size_t more,
                        std::size_t spare) {
    if (in.capacity() < in.size() + more) in.reserve(in.size() + more + spare);
  }

  static std::uint32_t append(Chunk& chunk, std::string_view text) {
    const auto at = static_cast<std::uint32_t>(chunk.texts.size());
    if (text.empty()) return at;
    make_room(chunk.texts, text.size(), kSpareText);
    chunk.texts.insert(chunk.texts.end(), text.begin(), text.end());
    return at;
  }

  static void add(Chunk& to, Record record, std::string_view texts) {
    record.text_at =
        append(to, texts.substr(record.text_at, record.text_size(texts)));
    make_room(to.records, 1, kSpareRecords);
    to.records.push_back(record);
  }

  static std::shared_ptr<Chunk> copy(const Chunk& chunk) {
    auto result = std::make_shared<Chunk>();
    result->records.reserve(chunk.records.size());
    result->texts.reserve(chunk.texts.size() - chunk.dead);
    for (const Record& each : chunk.records) {
      add(*result, each, chunk.all_texts());
    }
    return result;
  }

  // The chunk, which nobody else has then.
  Chunk& edit(std::size_t chunk) {
    auto& shared = chunks_[chunk];
    if (shared.use_count() > 1) {
      shared = copy(*shared);
    } else {
      // Whoever had it as well has read all he wanted.
      std::atomic_thread_fence(std::memory_order_acquire);
    }
    return *shared;
  }

  static void tidy(Chunk& chunk) {
    if (2 * chunk.dead <= chunk.texts.size()) return;
    std::vector<char> old;
    old.reserve(chunk.texts.size() - chunk.dead);
    std::swap(old, chunk.texts);
    const std::string_view texts(old.data(), old.size());
    for (Record& each : chunk.records) {
      const std::size_t size = each.text_size(texts);
      each.text_at = append(chunk, texts.substr(each.text_at, size));
    }
    chunk.dead = 0;
  }

  // Moves what is behind the first `keep` records into a chunk of its own, and
  // `at` with it.
  void split(Position& at, std::size_t keep) {
    const Chunk& whole = *chunks_[at.chunk];
    auto low = std::make_shared<Chunk>();
    auto high = std::make_shared<Chunk>();
    for (std::size_t i = 0; i < whole.records.size(); ++i) {
      add(i < keep ? *low : *high, whole.records[i], whole.all_texts());
    }
    chunks_[at.chunk] = std::move(low);
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk) + 1,
                   std::move(high));
    if (at.record >= keep) at = {at.chunk + 1, at.record - keep};
  }

  std::vector<std::shared_ptr<Chunk>> chunks_;
  std::size_t size_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_CHUNKED_TABLE_H_
