// SPDX-License-Identifier: Apache-2.0
#include "controller/config/clouds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/text.h"
#include "controller/config/file_trust.h"
#include "controller/config/nearest.h"
#include "controller/config/options.h"

namespace pxegate {
namespace {

constexpr std::size_t kMaxCloudsFile = std::size_t{1} << 20;
// Of one map, merged ones included. yaml-cpp compares each with each.
constexpr std::size_t kMaxKeys = 1000;
// Merge keys (`<<`) within merge keys.
constexpr int kMaxMerges = 8;
// Keys that are looked at in one file, as often as they are: what is merged
// again and again through aliases takes no more than this, however small the
// file.
constexpr std::size_t kMaxVisits = 20'000;

// A key as it is, where that is harmless.
std::string shown(std::string_view key) {
  const bool plain =
      !key.empty() && key.size() <= 64 && std::ranges::all_of(key, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') || c == '_' || c == '-';
      });
  return plain ? std::string(key) : quoted(key);
}

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}

// A key and its value, found in a map of a file.
struct Item {
  std::string key;
  YAML::Node value;
  int line = 0;
};

class CloudFile {
 public:
  // nullopt where there is no such file.
  static Result<std::optional<CloudFile>> open(std::string path) {
    auto text = read_file(path, kMaxCloudsFile);
    if (!text) {
      if (text.error().code() == ErrorCode::kNotFound) return std::nullopt;
      return fail(text.error());
    }
    CloudFile file(std::move(path));
    Result<> done;
    try {
      file.root_ = YAML::Load(*text);
    } catch (const YAML::Exception& error) {
      // Its messages quote nothing but names of anchors and tags.
      done = file.problem(error.mark.line + 1, "cannot be read as YAML: " +
                                                   pxegate::quoted(error.msg));
    }
    wipe(*text);
    if (!done) return fail(done.error());
    return file;
  }

  const std::string& path() const { return path_; }

  // The entry of that name; nullopt where there is none.
  Result<std::optional<std::vector<Item>>> entry(std::string_view name) {
    if (root_.IsNull()) return std::nullopt;
    auto top = items(root_, "the file", 0);
    if (!top) return fail(top.error());
    const Item* clouds = find(*top, "clouds");
    if (clouds == nullptr || clouds->value.IsNull()) return std::nullopt;
    auto all = items(clouds->value, "clouds", 0);
    if (!all) return fail(all.error());
    const Item* found = find(*all, name);
    if (found == nullptr) {
      for (const Item& item : *all) names_.push_back(item.key);
      return std::nullopt;
    }
    key_ = "clouds." + shown(name);
    auto entry = items(found->value, key_, 0);
    if (!entry) return fail(entry.error());
    return std::move(*entry);
  }

  const std::vector<std::string>& names() const { return names_; }
  const std::string& key() const { return key_; }

  // The keys of a map with what `<<` adds; each key once.
  Result<std::vector<Item>> items(const YAML::Node& map, std::string_view key,
                                  int merges) {
    if (!map.IsMap()) {
      return problem(line_of(map),
                     fmt::format("{}: {}; expected a map of keys and values",
                                 key, kind(map)));
    }
    std::vector<Item> own;
    std::vector<Item> merged;
    for (const auto& pair : map) {
      const YAML::Node& name = pair.first;
      const YAML::Node& value = pair.second;
      const int line = line_of(name);
      if (auto done = visit(line); !done) return fail(done.error());
      if (!name.IsScalar()) {
        return problem(line, fmt::format("{}: a key that is {}; expected text",
                                         key, kind(name)));
      }
      if (own.size() + merged.size() > kMaxKeys) {
        return problem(line, fmt::format("{}: too many keys; expected {} at "
                                         "most",
                                         key, kMaxKeys));
      }
      if (name.Scalar() == "<<") {
        if (merges >= kMaxMerges) {
          return problem(line, fmt::format("{}: merges into itself, or too "
                                           "deep; expected {} levels at most",
                                           key, kMaxMerges));
        }
        if (auto done = merge(value, key, merges + 1, merged); !done) {
          return fail(done.error());
        }
        continue;
      }
      if (find(own, name.Scalar()) != nullptr) {
        return problem(line, fmt::format("{}.{}: is there twice; expected it "
                                         "once",
                                         key, shown(name.Scalar())));
      }
      own.push_back({name.Scalar(), value, line});
    }
    for (Item& item : merged) {
      if (find(own, item.key) == nullptr) own.push_back(std::move(item));
    }
    return own;
  }

  Failure problem(int line, std::string_view what) const {
    return invalid(line > 0 ? fmt::format("{}:{}: {}", path_, line, what)
                            : fmt::format("{}: {}", path_, what));
  }

  std::string place(int line, std::string_view key) const {
    return fmt::format("{}:{}: {}", path_, line, key);
  }

  static const Item* find(const std::vector<Item>& items,
                          std::string_view key) {
    const auto found = std::ranges::find(items, key, &Item::key);
    return found == items.end() ? nullptr : &*found;
  }

  static int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

  static std::string_view kind(const YAML::Node& node) {
    if (node.IsNull()) return "nothing";
    if (node.IsMap()) return "a map";
    if (node.IsSequence()) return "a list";
    return "a single value";
  }

 private:
  explicit CloudFile(std::string path) : path_(std::move(path)) {}

  Result<> merge(const YAML::Node& value, std::string_view key, int merges,
                 std::vector<Item>& into) {
    if (!value.IsSequence()) return merge_map(value, key, merges, into);
    for (const auto& map : value) {
      auto done = visit(line_of(map));
      if (done) done = merge_map(map, key, merges, into);
      if (!done) return done;
    }
    return {};
  }

  Result<> merge_map(const YAML::Node& map, std::string_view key, int merges,
                     std::vector<Item>& into) {
    auto more = items(map, fmt::format("{}.<<", key), merges);
    if (!more) return fail(more.error());
    for (Item& item : *more) {
      // The first map that has a key decides about it.
      if (find(into, item.key) == nullptr) into.push_back(std::move(item));
    }
    if (into.size() > kMaxKeys) {
      return problem(
          line_of(map),
          fmt::format("{}: too many keys; expected {} at most", key, kMaxKeys));
    }
    return {};
  }

  Result<> visit(int line) {
    if (++visits_ <= kMaxVisits) return {};
    return problem(
        line, fmt::format("the file holds too much, or merges it too "
                          "often; expected {} keys at most, counted wherever "
                          "they are merged to",
                          kMaxVisits));
  }

  std::string path_;
  YAML::Node root_;
  std::string key_;
  std::vector<std::string> names_;
  std::size_t visits_ = 0;
};

Result<std::optional<CloudFile>> find_file(const std::string& path,
                                           std::string_view stem,
                                           const CloudFiles& where) {
  if (!path.empty()) {
    auto file = CloudFile::open(path);
    if (file && !*file) {
      return fail(path +
                      ": no such file; expected the one that the "
                      "environment (OS_CLIENT_…_FILE) names",
                  ErrorCode::kNotFound);
    }
    return file;
  }
  for (const std::string& dir : where.dirs) {
    for (const std::string_view suffix : {".yaml", ".yml", ".json"}) {
      auto file = CloudFile::open(fmt::format("{}/{}{}", dir, stem, suffix));
      if (!file || *file) return file;
    }
  }
  return std::nullopt;
}

// Collects what one cloud says, from the weakest file to the strongest.
class Collector {
 public:
  Collector(std::string_view section, Cloud& cloud)
      : section_(section), cloud_(cloud) {}

  Result<> add(CloudFile& file, const std::vector<Item>& entry) {
    best_.clear();
    for (const Item& item : entry) {
      const std::string key = normal(item.key);
      if (auto done = refuse_profile(file, item, key); !done) return done;
      if (key == "auth") {
        if (item.value.IsNull()) continue;
        const std::string path = file.key() + ".auth";
        auto auth = file.items(item.value, path, 0);
        if (!auth) return fail(auth.error());
        for (const Item& each : *auth) {
          if (auto done = take(file, each, path, true); !done) return done;
        }
      } else if (key == "regions") {
        if (auto done = take_region(file, item); !done) return done;
      } else if (auto done = take(file, item, file.key(), false); !done) {
        return done;
      }
    }
    if (const auto writers = other_writers(file.path()); !writers.empty()) {
      cloud_.warnings.push_back(file.path() + ": " + writers);
    }
    warn_of_open_secret(file);
    for (auto& [option, found] : best_) {
      std::erase_if(cloud_.values, [&](const ServiceValue& value) {
        return value.option == option;
      });
      cloud_.values.push_back(std::move(found.value));
    }
    return {};
  }

 private:
  struct Found {
    int rank = 0;
    ServiceValue value;
  };

  static std::string normal(std::string_view key) {
    std::string text(key);
    std::ranges::replace(text, '-', '_');
    return text;
  }

  static Result<> refuse_profile(const CloudFile& file, const Item& item,
                                 std::string_view key) {
    if (key != "profile" && key != "cloud") return {};
    return file.problem(
        item.line,
        fmt::format("{}.{}: takes settings from a vendor's profile, which "
                    "pxegate does not read; expected auth_url and the like in "
                    "the entry itself",
                    file.key(), key));
  }

  Result<> take(const CloudFile& file, const Item& item,
                const std::string& path, bool auth) {
    const ServiceKey key = service_key(section_, normal(item.key));
    const std::string named = path + "." + shown(item.key);
    if (key.option.empty()) {
      if (auth) warn_of_unknown(file, item, named);
      return {};
    }
    if (item.value.IsNull()) return {};
    if (!item.value.IsScalar()) {
      return file.problem(item.line,
                          fmt::format("{}: {}; expected a single value", named,
                                      CloudFile::kind(item.value)));
    }
    keep(key, (key.own ? 4 : 0) + (auth ? 2 : 0) + (key.alias ? 0 : 1),
         {std::string(key.option), service_text(key, item.value.Scalar()),
          file.place(item.line, named)});
    return {};
  }

  // The first of the regions is the default one.
  Result<> take_region(CloudFile& file, const Item& item) {
    const std::string named = file.key() + ".regions";
    if (item.value.IsNull()) return {};
    if (!item.value.IsSequence() || item.value.size() == 0) {
      return file.problem(
          item.line, fmt::format("{}: {}; expected a list of regions", named,
                                 CloudFile::kind(item.value)));
    }
    YAML::Node first = item.value[0];
    if (first.IsMap()) {
      auto region = file.items(first, named, 0);
      if (!region) return fail(region.error());
      const Item* values = CloudFile::find(*region, "values");
      if (values != nullptr && !values->value.IsNull()) {
        return file.problem(
            values->line,
            fmt::format("{}.values: pxegate does not read settings by region; "
                        "expected them in the entry itself",
                        named));
      }
      const Item* name = CloudFile::find(*region, "name");
      first.reset(name != nullptr ? name->value : YAML::Node());
    }
    if (!first.IsScalar()) {
      return file.problem(item.line,
                          named +
                              ": holds a region without a name; expected "
                              "names");
    }
    keep({.option = "region_name"}, -1,
         {"region_name", Secret(first.Scalar()), file.place(item.line, named)});
    return {};
  }

  void keep(const ServiceKey& key, int rank, ServiceValue value) {
    const auto [at, added] = best_.try_emplace(key.option);
    if (!added && at->second.rank >= rank) return;
    at->second = {rank, std::move(value)};
  }

  void warn_of_unknown(const CloudFile& file, const Item& item,
                       std::string_view named) {
    std::vector<std::string_view> names;
    for (const Option& option : options()) {
      if (option.section == section_ && option.login) {
        names.push_back(option.name);
      }
    }
    const auto near = nearest(normal(item.key), names, 2);
    cloud_.warnings.push_back(
        file.place(item.line, named) +
        (near ? fmt::format(": unknown, and ignored; did you mean {}?", *near)
              : std::string(": unknown, and ignored")));
  }

  void warn_of_open_secret(const CloudFile& file) {
    // What everybody can read, everybody can log in with.
    if (!open_to_everybody(file.path())) return;
    for (const auto& [name, found] : best_) {
      const Option* option = find_option(section_, name);
      if (option->type != OptionType::kSecret || found.value.text.empty()) {
        continue;
      }
      cloud_.warnings.push_back(
          found.value.place +
          ": every user can read this file; expected mode 0640 or less");
      return;
    }
  }

  std::string_view section_;
  Cloud& cloud_;
  std::map<std::string_view, Found> best_;  // of the file at hand
};

Result<Cloud> read(std::string_view name, std::string_view section,
                   const CloudFiles& where) {
  Cloud cloud;
  auto clouds = find_file(where.clouds, "clouds", where);
  if (!clouds) return fail(clouds.error());
  if (!*clouds) {
    return fail(fmt::format("no clouds.yaml was found in {}; expected it "
                            "there, or where OS_CLIENT_CONFIG_FILE says",
                            fmt::join(where.dirs, ", ")),
                ErrorCode::kNotFound);
  }
  CloudFile& file = **clouds;
  cloud.file = file.path();
  auto entry = file.entry(name);
  if (!entry) return fail(entry.error());
  if (!*entry) {
    const std::vector<std::string_view> names(file.names().begin(),
                                              file.names().end());
    const auto near = nearest(name, names, 2);
    return fail(
        fmt::format("{} has no cloud {}{}", file.path(), quoted(name),
                    near ? fmt::format("; did you mean {}?", quoted(*near))
                         : std::string("; expected an entry of that name "
                                       "below clouds:")),
        ErrorCode::kNotFound);
  }
  Collector collector(section, cloud);
  if (auto done = collector.add(file, **entry); !done) {
    return fail(done.error());
  }
  auto secure = find_file(where.secure, "secure", where);
  if (!secure) return fail(secure.error());
  if (*secure) {
    auto more = (*secure)->entry(name);
    if (!more) return fail(more.error());
    if (*more) {
      if (auto done = collector.add(**secure, **more); !done) {
        return fail(done.error());
      }
    }
  }
  return cloud;
}

}  // namespace

Result<Cloud> read_cloud(std::string_view name, std::string_view section,
                         const CloudFiles& where) {
  try {
    return read(name, section, where);
  } catch (const YAML::Exception& error) {
    return invalid("clouds.yaml: " + pxegate::quoted(error.msg));
  }
}

}  // namespace pxegate
