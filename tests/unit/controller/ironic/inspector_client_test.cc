// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/inspector_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fake_http_transport.h"

namespace pxegate {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string uuid(int number) {
  return fmt::format("00000000-0000-4000-8000-{:012x}", number);
}

json status(int number, bool finished) {
  return {{"uuid", uuid(number)}, {"finished", finished}, {"error", nullptr}};
}

std::string page(json items) {
  return json{{"introspection", std::move(items)}}.dump();
}

class InspectorClientTest : public testing::Test {
 protected:
  FakeHttpTransport transport_;
  NoAuthenticator none_;
  SystemClock clock_;
  std::unique_ptr<InspectorClient> client_ = *InspectorClient::make(
      {.endpoint = "http://inspector:5050", .max_items = 1000}, transport_,
      none_, clock_);
};

TEST_F(InspectorClientTest, ListsUntilAnEmptyPage) {
  transport_.push(200, page(json::array({status(2, false), status(1, false)})));
  transport_.push(200, page(json::array({status(3, false)})));
  transport_.push(200, page(json::array()));
  const auto uuids = client_->unfinished();
  ASSERT_TRUE(uuids) << uuids.error().message();
  EXPECT_THAT(*uuids, ElementsAre(uuid(1), uuid(2), uuid(3)));
  ASSERT_THAT(transport_.requests, SizeIs(3));
  EXPECT_EQ(transport_.requests[0].url,
            "http://inspector:5050/v1/introspection?state=starting,waiting,"
            "processing,reapplying,enrolling,aborting");
  EXPECT_THAT(transport_.requests[1].url, HasSubstr("&marker=" + uuid(1)));
  EXPECT_THAT(transport_.requests[2].url, HasSubstr("&marker=" + uuid(3)));
  EXPECT_EQ(transport_.requests[0].headers.at(
                "x-openstack-ironic-inspector-api-version"),
            "1.8");
}

TEST_F(InspectorClientTest, NothingUnderWayIsOneRequest) {
  transport_.push(200, page(json::array()));
  EXPECT_THAT(client_->unfinished().value(), IsEmpty());
  EXPECT_THAT(transport_.requests, SizeIs(1));
}

TEST_F(InspectorClientTest, FinishedOnesAreLeftOutWhateverTheFilterDid) {
  transport_.push(200, page(json::array({status(1, true), status(2, false)})));
  transport_.push(200, page(json::array()));
  EXPECT_THAT(client_->unfinished().value(), ElementsAre(uuid(2)));
}

TEST_F(InspectorClientTest, EveryFieldIsChecked) {
  for (const char* body :
       {R"({"introspection": [{"finished": false}]})",
        R"({"introspection": [{"uuid": "x", "finished": false}]})",
        R"({"introspection": [{"uuid": 1, "finished": false}]})",
        R"({"introspection": [1]})", R"({"introspection": {}})", "[]", "",
        "<html>"}) {
    transport_.push(200, body);
    const auto uuids = client_->unfinished();
    ASSERT_FALSE(uuids) << body;
    EXPECT_THAT(uuids.error().message(),
                HasSubstr("GET http://inspector:5050/v1/introspection"));
  }
  for (const json& finished : {json("false"), json(0), json(nullptr)}) {
    json item = status(1, false);
    item["finished"] = finished;
    transport_.push(200, page(json::array({item})));
    EXPECT_THAT(client_->unfinished().error().message(),
                AllOf(HasSubstr(uuid(1)), HasSubstr("\"finished\"")));
  }
}

TEST_F(InspectorClientTest, APageThatRepeatsItselfIsAnErrorNotALoop) {
  transport_.otherwise = [](const HttpRequest&) {
    return HttpResponse{200, {}, page(json::array({status(1, false)}))};
  };
  EXPECT_THAT(client_->unfinished().error().message(),
              HasSubstr("does not advance"));
  EXPECT_THAT(transport_.requests, SizeIs(8));
}

// What ironic-inspector 11.1 says where the marker's node was deleted.
constexpr const char* kMarkerGone =
    R"({"error":{"message":"Node not found for marker: None"}})";

TEST_F(InspectorClientTest, AListThatChangesBetweenPagesIsReadAgain) {
  // Node 1 starts anew, and comes first from then on.
  transport_.push(200, page(json::array({status(2, false), status(1, false)})));
  transport_.push(200, page(json::array({status(2, false)})));
  // Node 2 is deleted.
  transport_.push(200, page(json::array({status(1, false), status(2, false)})));
  transport_.push(404, kMarkerGone);
  transport_.push(200, page(json::array({status(1, false)})));
  transport_.push(200, page(json::array()));
  EXPECT_THAT(client_->unfinished().value(), ElementsAre(uuid(1)));
  ASSERT_THAT(transport_.requests, SizeIs(6));
  EXPECT_THAT(transport_.requests[2].url, Not(HasSubstr("marker")));
}

TEST_F(InspectorClientTest, AListThatNeverHoldsStillFailsAndMayPass) {
  transport_.otherwise = [](const HttpRequest& request) {
    return request.url.find("marker") == std::string::npos
               ? HttpResponse{200, {}, page(json::array({status(1, false)}))}
               : HttpResponse{404, {}, kMarkerGone};
  };
  const auto uuids = client_->unfinished();
  ASSERT_FALSE(uuids);
  EXPECT_EQ(uuids.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(uuids.error().message(), HasSubstr("not found for marker"));
  EXPECT_THAT(transport_.requests, SizeIs(8));
}

TEST_F(InspectorClientTest, APageThatFailsFailsTheList) {
  transport_.push(200, page(json::array({status(1, false)})));
  transport_.push(404, "<html>Not Found</html>");
  EXPECT_FALSE(client_->unfinished());
  transport_.push(200, page(json::array({status(1, false)})));
  transport_.push(503, "");
  EXPECT_FALSE(client_->unfinished());
  EXPECT_THAT(transport_.requests, SizeIs(4));
}

TEST_F(InspectorClientTest, OptionsAreNamedByTheirSection) {
  transport_.push(401, R"({"error": {"message": "Authentication required"}})");
  EXPECT_THAT(client_->unfinished().error().message(),
              AllOf(HasSubstr("[inspector] username"),
                    HasSubstr("\"Authentication required\"")));
}

}  // namespace
}  // namespace pxegate
