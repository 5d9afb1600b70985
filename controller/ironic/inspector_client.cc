// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/inspector_client.h"

#include <nlohmann/json.hpp>
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

Result<std::set<std::string, std::less<>>> InspectorClient::unfinished() {
  static const CollectionFormat kFormat{.name = "introspection",
                                        .fields = {"uuid", "finished"}};
  Listing listing(options_.max_items);
  std::set<std::string, std::less<>> uuids;
  std::string marker;
  for (;;) {
    Query query{{"state", kUnfinishedStates}};
    if (!marker.empty()) query.emplace_back("marker", marker);
    const auto answer = service_.get("/v1/introspection", query);
    if (!answer) return fail(answer.error());
    std::string last;
    listing.begin_page(marker);
    const auto end = read_collection(
        answer->body, kFormat, [&](const nlohmann::json& item) -> Result<> {
          const ItemFields fields("introspection", item);
          auto uuid = fields.uuid("uuid");
          if (!uuid) return fail(uuid.error());
          const auto finished = fields.boolean("finished");
          if (!finished) return fail(finished.error());
          if (auto added = listing.add(*uuid); !added) return added;
          last = *uuid;
          if (!*finished) uuids.insert(*std::move(uuid));
          return {};
        });
    if (!end) return fail(end.error().within(answer->request));
    if (last.empty()) return uuids;
    listing.end_page(false);
    marker = last;
  }
}

}  // namespace pxegate
