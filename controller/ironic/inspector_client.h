// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_INSPECTOR_CLIENT_H_
#define PXEGATE_CONTROLLER_IRONIC_INSPECTOR_CLIENT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/http_transport.h"
#include "controller/ironic/ironic_api.h"
#include "controller/ironic/login.h"
#include "controller/ironic/service_client.h"

namespace pxegate {

struct InspectorOptions {
  // [inspector] endpoint_override; empty: by the authenticator's catalogue.
  std::string endpoint{};
  // A list longer than this is taken for one without end.
  std::size_t max_items = 2'000'000;
};

// ironic-inspector's API, microversion 1.8 (lists introspections) and later.
//
// Asks for the states of unfinished introspections, and checks `finished` all
// the same, since a release that does not know the filter lists all. Pages
// have the size that the service chooses (a larger `limit` than its
// api_max_limit would be refused), and there is no `next`: the list ends at
// an empty page. A list that changes between its pages is read again, a few
// times.
class InspectorClient final : public InspectorApi {
 public:
  // As IronicClient::make.
  static Result<std::unique_ptr<InspectorClient>> make(
      InspectorOptions options, HttpTransport& transport,
      Authenticator& authenticator, const Clock& clock);

  using Uuids = std::set<std::string, std::less<>>;
  Result<Uuids> unfinished() override;
  std::string endpoint() const override { return service_.last_endpoint(); }
  std::optional<SourceLogin> login_in_use() const override {
    return service_.login_in_use();
  }
  void retry_login() override { service_.retry_login(); }

  // As IronicClient::login().
  Result<Login> login();

 private:
  InspectorClient(InspectorOptions options, ServiceClient service);
  Result<Uuids> read_list();

  InspectorOptions options_;
  ServiceClient service_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_INSPECTOR_CLIENT_H_
