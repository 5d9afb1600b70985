// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_KEYSTONE_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_KEYSTONE_H_

#include <fmt/chrono.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/ironic/http_transport.h"
#include "manual_clock.h"

namespace pxegate {

// Gives out tokens "token-1-…", "token-2-…" and so on, with a clock of its own
// that may be off.
class FakeKeystone final : public HttpTransport {
 public:
  explicit FakeKeystone(const Clock& clock) : clock_(clock) {}

  static std::string endpoint(int login) {
    return "http://ironic-" + std::to_string(login) + ":6385";
  }
  static std::string token(int login) {
    return "token-" + std::to_string(login) + "-0123456789";
  }

  Result<HttpResponse> send(const HttpRequest& request) override {
    requests.push_back(request);
    bodies.push_back(nlohmann::json::parse(request.body, nullptr, false));
    if (down) return fail("Connection refused", ErrorCode::kUnavailable);
    if (answer) return *answer;
    ++logins;
    HttpResponse response;
    response.status = 201;
    response.headers["x-subject-token"] = token(logins);
    response.body = token_body().dump();
    return response;
  }

  nlohmann::json token_body() const {
    using std::chrono::floor;
    using std::chrono::seconds;
    const auto issued = floor<seconds>(clock_.wall() + skew);
    const auto text = [](auto time) {
      return fmt::format("{:%Y-%m-%dT%H:%M:%S}.000000Z",
                         fmt::gmtime(std::chrono::system_clock::to_time_t(
                             std::chrono::system_clock::time_point(time))));
    };
    nlohmann::json body = {
        {"issued_at", text(issued)},
        {"expires_at", text(issued + life)},
        {"user", {{"id", "u1"}, {"name", "pxegate"}}},
        {"roles", {{{"id", "r1"}, {"name", "reader"}}}},
        {"catalog",
         catalog.value_or(nlohmann::json::array(
             {{{"type", "identity"}, {"endpoints", nlohmann::json::array()}},
              {{"endpoints",
                {{{"interface", "public"},
                  {"region_id", "RegionOne"},
                  {"url", endpoint(logins)}}}},
               {"type", "baremetal"},
               {"name", "ironic"}}}))}};
    if (project.empty()) {
      body["system"] = {{"all", true}};
    } else {
      body["project"] = {{"id", project}, {"name", "of " + project}};
    }
    return {{"token", body}};
  }

  int logins = 0;
  bool down = false;
  std::optional<HttpResponse> answer;  // instead of a token
  std::chrono::seconds life{3600};
  std::chrono::seconds skew{0};  // of its clock
  std::string project;           // empty: system scope
  std::optional<nlohmann::json> catalog;

  std::vector<HttpRequest> requests;
  std::vector<nlohmann::json> bodies;

 private:
  const Clock& clock_;
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_KEYSTONE_H_
