// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_HTTP_TRANSPORT_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_HTTP_TRANSPORT_H_

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controller/ironic/http_transport.h"

namespace pxegate {

// Records each request; answers from a queue, then from `otherwise`.
class FakeHttpTransport final : public HttpTransport {
 public:
  using Answer = Result<HttpResponse>;

  Answer send(const HttpRequest& request) override {
    requests.push_back(request);
    if (!answers.empty()) {
      Answer answer = std::move(answers.front());
      answers.pop_front();
      return answer;
    }
    if (otherwise) return otherwise(request);
    return fail("the test gave no answer for " + request.url);
  }

  void push(int status, std::string body, HttpHeaders headers = {}) {
    answers.emplace_back(
        HttpResponse{status, std::move(headers), std::move(body)});
  }

  std::vector<HttpRequest> requests;
  std::deque<Answer> answers;
  std::function<Answer(const HttpRequest&)> otherwise;
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_FAKE_HTTP_TRANSPORT_H_
