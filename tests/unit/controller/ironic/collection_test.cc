// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/collection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>

namespace pxegate {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const CollectionFormat kFormat{.name = "ports",
                               .fields = {"uuid", "extra.client-id", "link"}};

struct Outcome {
  Result<CollectionEnd> end;
  std::vector<json> items;
};

Outcome read(std::string_view body) {
  std::vector<json> items;
  auto end = read_collection(body, kFormat, [&](const json& item) -> Result<> {
    items.push_back(item);
    return {};
  });
  return {std::move(end), std::move(items)};
}

std::string error_of(std::string_view body) {
  const Outcome outcome = read(body);
  if (outcome.end) return "no error";
  EXPECT_EQ(outcome.end.error().code(), ErrorCode::kInvalid);
  return outcome.end.error().message();
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Collection, ItemsComeInOrderWithTheWantedFieldsOnly) {
  const Outcome outcome = read(
      R"({"links": [{"uuid": "no"}], "ports": [
          {"uuid": "a", "big": {"uuid": [1, {"x": 2}]}, "extra":
             {"client-id": "00", "vendor": {"client-id": [1, 2]}}},
          {"unwanted": [[]], "uuid": "b", "link": {"a": [1, {"b": null}]}}],
        "other": {"ports": [1]}})");
  ASSERT_TRUE(outcome.end) << outcome.end.error().message();
  EXPECT_FALSE(outcome.end->next);
  EXPECT_THAT(
      outcome.items,
      ElementsAre(
          json::parse(R"({"uuid": "a", "extra": {"client-id": "00"}})"),
          json::parse(R"({"uuid": "b", "link": {"a": [1, {"b": null}]}})")));
}

TEST(Collection, AnEmptyListIsAList) {
  const Outcome outcome = read(R"({"ports": []})");
  ASSERT_TRUE(outcome.end);
  EXPECT_THAT(outcome.items, IsEmpty());
}

TEST(Collection, TellsThatThereIsANextPage) {
  EXPECT_TRUE(read(R"({"ports": [], "next": "http://x"})").end->next);
  EXPECT_TRUE(read(R"({"next": "http://x", "ports": []})").end->next);
  EXPECT_FALSE(read(R"({"ports": [], "next": null})").end->next);
  EXPECT_THAT(error_of(R"({"ports": [], "next": 3})"), HasSubstr("next"));
  EXPECT_THAT(error_of(R"({"ports": [], "next": {}})"), HasSubstr("next"));
}

TEST(Collection, AnErrorFromTheItemEndsTheReading) {
  int items = 0;
  const auto end = read_collection(
      R"({"ports": [{"uuid": "a"}, {"uuid": "b"}, {"uuid": "c"}]})", kFormat,
      [&](const json&) -> Result<> {
        if (++items == 2) return fail("enough", ErrorCode::kCapacity);
        return {};
      });
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().message(), "enough");
  EXPECT_EQ(end.error().code(), ErrorCode::kCapacity);
  EXPECT_EQ(items, 2);
}

TEST(Collection, HtmlIsNamedAndQuoted) {
  EXPECT_THAT(error_of("\n <html><body>Login</body></html>"),
              HasSubstr("HTML instead of JSON: \"<html>"));
}

TEST(Collection, AnEmptyBodyIsNamed) {
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of(" \r\n"), HasSubstr("empty"));
}

TEST(Collection, EveryTruncationIsAnError) {
  const std::string_view whole =
      R"({"ports": [{"uuid": "a", "extra": {"x": [1.5, true]}}], "next": "n"})";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(read(whole.substr(0, length)).end) << length;
  }
  EXPECT_THAT(error_of(whole.substr(0, 30)), HasSubstr("cut off after 30"));
  EXPECT_TRUE(read(whole).end);
}

TEST(Collection, WhatFollowsTheJsonIsAnError) {
  EXPECT_THAT(error_of(R"({"ports": []} x)"), HasSubstr("not valid JSON"));
}

TEST(Collection, OtherShapesAreErrors) {
  EXPECT_THAT(error_of("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("null"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("42"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("no list \"ports\""));
  EXPECT_THAT(error_of(R"({"nodes": []})"), HasSubstr("no list \"ports\""));
  EXPECT_THAT(error_of(R"({"ports": {}})"), HasSubstr("no list"));
  EXPECT_THAT(error_of(R"({"ports": null})"), HasSubstr("no list"));
  EXPECT_THAT(error_of(R"({"ports": "x"})"), HasSubstr("no list"));
  EXPECT_THAT(error_of(R"({"ports": [{}, 1]})"), HasSubstr("item 2"));
  EXPECT_THAT(error_of(R"({"ports": [[]]})"), HasSubstr("item 1"));
  EXPECT_THAT(error_of(R"({"ports": [null]})"), HasSubstr("item 1"));
  EXPECT_THAT(error_of(R"({"ports": [], "ports": []})"),
              HasSubstr("two lists"));
}

TEST(Collection, DeepNestingNeitherCrashesNorPasses) {
  constexpr std::size_t kDeep = 2'000'000;
  for (const std::string_view open : {"[", R"({"a":)"}) {
    const std::string bomb = repeated(open, kDeep);
    EXPECT_FALSE(read(bomb).end);
    EXPECT_THAT(error_of(R"({"unwanted":)" + bomb), HasSubstr("nested"));
    EXPECT_THAT(error_of(R"({"ports":[{"link":)" + bomb), HasSubstr("nested"));
    EXPECT_THAT(error_of(R"({"ports":[{"extra":)" + bomb), HasSubstr("nested"));
  }
}

TEST(Collection, AnItemWithoutEndIsAnError) {
  EXPECT_THAT(
      error_of(R"({"ports":[{"link":[)" + repeated("0,", 5000) + "0]}]}"),
      HasSubstr("more than 1000 values"));
}

TEST(Collection, UnwantedFieldsMayBeLarge) {
  EXPECT_TRUE(read(R"({"ports":[{"uuid":"a","info":[)" +
                   repeated("{},", 500'000) + "0]}]}")
                  .end);
}

TEST(Collection, NumbersOutOfRangeAreErrorsNotExceptions) {
  EXPECT_FALSE(read(R"({"ports": [{"uuid": 1e999999}]})").end);
  EXPECT_FALSE(read(R"({"x": 1e999999, "ports": []})").end);
  EXPECT_TRUE(
      read(R"({"ports": [{"uuid": 123456789012345678901234567890}]})").end);
}

TEST(Collection, InvalidUtf8AndRawControlCharactersAreErrors) {
  EXPECT_THAT(error_of("{\"ports\": [{\"uuid\": \"\xff\xfe\"}]}"),
              HasSubstr("\\xff"));
  EXPECT_FALSE(
      read(std::string_view("{\"ports\": [{\"uuid\": \"\0\"}]}", 25)).end);
  EXPECT_FALSE(read(std::string_view("\0\0\0\0", 4)).end);
  EXPECT_FALSE(read("{\"ports\": [{\"uuid\": \"a\nb\"}]}").end);
  EXPECT_FALSE(read(R"({"ports": [{"uuid": "\ud800"}]})").end);
}

TEST(Collection, MessagesStayShort) {
  EXPECT_LT(error_of("{\"ports\": " + std::string(1'000'000, 'x')).size(),
            300u);
  EXPECT_LT(error_of("<" + std::string(1'000'000, 'x')).size(), 300u);
  EXPECT_LT(
      error_of("{\"nodes\": \"" + std::string(1'000'000, 'x') + "\"}").size(),
      300u);
}

TEST(ItemFields, AnErrorNamesItemAndField) {
  const json item = json::parse(
      R"({"uuid": "619f7780-2399-4db6-958f-c86d37f29620", "name": 3})");
  const ItemFields fields("node", item);
  EXPECT_EQ(fields.text("name").error().message(),
            "node 619f7780-2399-4db6-958f-c86d37f29620: field \"name\": "
            "expected text, got number");
  EXPECT_THAT(fields.text("state").error().message(),
              HasSubstr("field \"state\": missing"));
}

TEST(ItemFields, AnItemWithoutProperUuidIsQuoted) {
  const json item = json::parse(R"({"uuid": "\u001b[2J", "a": null})");
  const ItemFields fields("port", item);
  EXPECT_THAT(fields.text("a").error().message(), HasSubstr("\\x1b"));
  EXPECT_THAT(fields.uuid("uuid").error().message(), Not(HasSubstr("\x1b")));
}

TEST(ItemFields, TextHoldsNoControlCharactersAndIsBounded) {
  const json item = {{"nul", std::string("a\0b", 3)},
                     {"line", "a\nb"},
                     {"long", std::string(1025, 'x')},
                     {"fits", std::string(1024, 'x')},
                     {"umlaut", "Gerät"}};
  const ItemFields fields("node", item);
  EXPECT_THAT(fields.text("nul").error().message(), HasSubstr("\"a\\x00b\""));
  EXPECT_FALSE(fields.text("line"));
  EXPECT_FALSE(fields.text("long"));
  EXPECT_TRUE(fields.text("fits"));
  EXPECT_EQ(fields.text("umlaut").value(), "Gerät");
}

TEST(ItemFields, NullIsEmptyOnlyWhereItMayBe) {
  const json item = {{"a", nullptr}, {"o", json::object()}, {"list", {1}}};
  const ItemFields fields("node", item);
  EXPECT_EQ(fields.text_or_null("a").value(), "");
  EXPECT_FALSE(fields.text("a"));
  EXPECT_FALSE(fields.boolean("a"));
  EXPECT_EQ(fields.object_or_null("a").value(), nullptr);
  EXPECT_EQ(fields.object_or_null("o").value(), nullptr);
  EXPECT_FALSE(fields.object_or_null("list"));
  EXPECT_FALSE(fields.text_or_null("missing"));
  EXPECT_FALSE(fields.object_or_null("missing"));
}

}  // namespace
}  // namespace pxegate
