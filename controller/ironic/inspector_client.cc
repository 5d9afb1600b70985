// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/inspector_client.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "controller/ironic/collection.h"
#include "controller/ironic/listing.h"

namespace pxegate {
namespace {

ServiceTraits inspector_traits() {
  return {.name = "ironic-inspector",
          .section = "inspector",
          .version_prefix = "x-openstack-ironic-inspector-api-",
          .oldest = {1, 8},
          .preferred = {1, 8}};
}

// All states of its state machine but `finished` and `error`.
constexpr const char* kUnfinishedStates =
    "starting,waiting,processing,reapplying,enrolling,aborting";

// Each time an introspection begins or ends while a list is read, that list
// may have to be read again: see kChanged.
constexpr int kMaxReads = 4;

// The code of an error that says no more than that the list changed between
// two of its pages. It is sorted by the time of the start, newest first, so
// that an introspection that starts again moves to the front, and its node
// may be where the last page ended; or that node may have been deleted.
constexpr ErrorCode kChanged = ErrorCode::kNotFound;

}  // namespace

Result<std::unique_ptr<InspectorClient>> InspectorClient::make(
    InspectorOptions options, HttpTransport& transport,
    Authenticator& authenticator, const Clock& clock) {
  auto service = ServiceClient::make(inspector_traits(), options.endpoint,
                                     transport, authenticator, clock);
  if (!service) return fail(service.error());
  return std::unique_ptr<InspectorClient>(
      new InspectorClient(std::move(options), *std::move(service)));
}

InspectorClient::InspectorClient(InspectorOptions options,
                                 ServiceClient service)
    : options_(std::move(options)), service_(std::move(service)) {}

Result<Login> InspectorClient::login() {
  const auto answer = service_.get("/v1/introspection", {{"limit", "1"}});
  if (!answer) return fail(answer.error());
  auto login = service_.login();
  // Its policies know no list that is a part only.
  if (login) login->complete = true;
  return login;
}

Result<InspectorClient::Uuids> InspectorClient::unfinished() {
  for (int reads = 1;; ++reads) {
    auto uuids = read_list();
    if (uuids || uuids.error().code() != kChanged) return uuids;
    if (reads == kMaxReads) {
      return fail(fmt::format("{} (and {} times before)",
                              uuids.error().message(), reads - 1),
                  ErrorCode::kUnavailable);
    }
  }
}

Result<InspectorClient::Uuids> InspectorClient::read_list() {
  static const CollectionFormat kFormat{.name = "introspection",
                                        .fields = {"uuid", "finished"}};
  Listing listing(options_.max_items);
  Uuids uuids;
  std::string marker;
  std::optional<unsigned> moves;
  for (;;) {
    Query query{{"state", kUnfinishedStates}};
    if (!marker.empty()) query.emplace_back("marker", marker);
    // A marker that is gone is reported without its UUID.
    const auto answer = service_.get("/v1/introspection", query,
                                     marker.empty() ? "" : "marker");
    if (!answer) return fail(answer.error());
    if (!moves) moves = service_.moves();
    if (*moves != service_.moves()) {
      return fail("a new login's catalogue has ironic-inspector elsewhere",
                  kChanged);
    }
    std::string last;
    bool advances = true;
    listing.begin_page(marker);
    const auto end = read_collection(
        answer->body, kFormat, [&](const nlohmann::json& item) -> Result<> {
          const ItemFields fields("introspection", item);
          auto uuid = fields.uuid("uuid");
          if (!uuid) return fail(uuid.error());
          const auto finished = fields.boolean("finished");
          if (!finished) return fail(finished.error());
          if (auto added = listing.add(*uuid); !added) {
            advances = added.error().code() != ErrorCode::kUnavailable;
            return added;
          }
          last = *uuid;
          if (!*finished) uuids.insert(*std::move(uuid));
          return {};
        });
    if (!end) {
      const Error error = end.error().within(answer->request);
      if (advances) return fail(error);
      return fail(error.message(), kChanged);
    }
    if (last.empty()) return uuids;
    listing.end_page(false);
    marker = last;
  }
}

}  // namespace pxegate
