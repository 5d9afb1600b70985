// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kListing = R"(table netdev other {
	chain unknown {
		counter name "allow_unknown" accept
	}
}
table netdev t {
	comment "made by pxegate"
	counter deny_foreign_htype {
		packets 12 bytes 3456
	}

	counter allow_rule {
		packets 3 bytes 4
	}

	set denied {
		typeof @th,288,48
	}

	chain unknown {
		counter name "deny_unknown" drop
	}

	chain ingress-eth1 {
		type filter hook ingress device "eth1" priority -500; policy accept;
		meta protocol ip udp dport { 67, 4011 } goto dhcp
	}
}
table netdev z {
	chain late {
	}
}
)";

TEST(StructureIn, HasTheTablesPartsAndNoOtherTables) {
  const auto structure = structure_in(kListing, "t");
  ASSERT_TRUE(structure);
  std::vector<std::string> parts;
  for (const auto& [part, text] : *structure) parts.push_back(part);
  EXPECT_THAT(parts, ElementsAre("", "chain ingress-eth1", "chain unknown",
                                 "counter allow_rule",
                                 "counter deny_foreign_htype", "set denied"));
  EXPECT_EQ(structure->at("chain unknown"),
            "counter name \"deny_unknown\" drop\n");
  EXPECT_TRUE(is_ours(*structure));
  EXPECT_TRUE(filters(*structure, "eth1"));
  EXPECT_FALSE(filters(*structure, "eth"));
}

TEST(StructureIn, TellsATableFromOneThatIsMissing) {
  EXPECT_FALSE(structure_in(kListing, "x"));
  EXPECT_FALSE(structure_in("", "t"));
  EXPECT_FALSE(structure_in("table ip t {\n}\n", "t"));
  const auto empty = structure_in("table netdev t {\n}\n", "t");
  ASSERT_TRUE(empty);
  EXPECT_FALSE(is_ours(*empty));
  EXPECT_FALSE(is_ours(*structure_in(kListing, "other")));
}

TEST(UnknownVerdictIn, IsWhatTheChainSays) {
  EXPECT_EQ(unknown_verdict_in(*structure_in(kListing, "t")), Verdict::kDeny);
  EXPECT_EQ(unknown_verdict_in(*structure_in(kListing, "other")),
            Verdict::kAllow);
}

TEST(UnknownVerdictIn, IsNoneWhereTheChainSaysSomethingElse) {
  for (const char* rules :
       {"", "accept\n", "counter name \"allow_unknown\" drop\n",
        "ip saddr 10.0.0.1 accept\ncounter name \"deny_unknown\" drop\n"}) {
    EXPECT_EQ(unknown_verdict_in({{"chain unknown", rules}}), std::nullopt);
  }
  EXPECT_EQ(unknown_verdict_in({}), std::nullopt);
}

TEST(Differences, NamesEachPartAndWhatBecameOfIt) {
  const Structure expected{{"", "x\n"}, {"chain a", "1\n"}, {"chain b", "2\n"}};
  const Structure found{{"", "y\n"}, {"chain b", "3\n"}, {"set c", ""}};
  EXPECT_THAT(
      differences(expected, found),
      ElementsAre(HasSubstr("the table's flags or comment had been changed"),
                  HasSubstr("chain a had been removed"),
                  HasSubstr("chain b had been changed"),
                  HasSubstr("set c had been added")));
  EXPECT_THAT(differences(expected, expected), IsEmpty());
}

TEST(CountersIn, SayVerdictReasonAndPackets) {
  const auto counters = counters_in(kListing, "t");
  ASSERT_EQ(counters.size(), 2U);
  EXPECT_EQ(counters[0].verdict, Verdict::kAllow);
  EXPECT_EQ(counters[0].reason, "rule");
  EXPECT_EQ(counters[0].packets, 3U);
  EXPECT_EQ(counters[1].verdict, Verdict::kDeny);
  EXPECT_EQ(counters[1].reason, "foreign_htype");
  EXPECT_EQ(counters[1].packets, 12U);
  EXPECT_THAT(counters_in(kListing, "other"), IsEmpty());
}

// Cut, doubled and changed at random: any text is taken.
RC_GTEST_PROP(Listing, AnyTextIsTaken, ()) {
  std::string text(kListing);
  const int times = *rc::gen::inRange(1, 8);
  for (int i = 0; i < times && !text.empty(); ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto size = *rc::gen::inRange<std::size_t>(0, 40);
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        text.erase(at, size);
        break;
      case 1:
        text.insert(at, text.substr(at / 2, size));
        break;
      default:
        text[at] = *rc::gen::element('\n', '\t', '{', '}', ',', '"', ' ', '\0');
    }
  }
  for (const std::string& input : {text, *rc::gen::arbitrary<std::string>()}) {
    const auto structure = structure_in(input, "t");
    if (structure) {
      is_ours(*structure);
      unknown_verdict_in(*structure);
      differences(*structure, {});
    }
    counters_in(input, "t");
  }
}

}  // namespace
}  // namespace pxegate
