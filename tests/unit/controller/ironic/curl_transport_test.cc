// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/curl_transport.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netdb.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "controller/base/command_runner.h"
#include "controller/ironic/ironic_client.h"
#include "raw_server.h"

namespace {

constexpr const char* kSlowName = "slow.invalid";
constexpr std::chrono::milliseconds kSlowNameTakes{2'000};

}  // namespace

// Stands before the C library's, for libcurl too: one name takes its time.
extern "C" int getaddrinfo(const char* name, const char* service,
                           const addrinfo* hints, addrinfo** result) {
  using Function = decltype(&getaddrinfo);
  static const auto real =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name != nullptr && std::string_view(name) == kSlowName) {
    std::this_thread::sleep_for(kSlowNameTakes);
    return EAI_NONAME;
  }
  return real(name, service, hints, result);
}

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOk =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\nok";

// Limits that a test reaches soon, and others that it never does.
CurlOptions patient() {
  return {.connect_timeout = milliseconds{10'000},
          .timeout = milliseconds{60'000},
          .stall_timeout = milliseconds{60'000}};
}

HttpRequest get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

class CurlTransportTest : public testing::Test {
 protected:
  CurlTransportTest() {
    // A TLS peer may be gone when it is written to.
    std::signal(SIGPIPE, SIG_IGN);
  }

  Result<HttpResponse> send(const HttpRequest& request,
                            CurlOptions options = patient(),
                            std::stop_token stop = {}) {
    return (*CurlTransport::make(std::move(options), std::move(stop)))
        ->send(request);
  }

  // The error that a server saying `answer`, then closing, leads to.
  Error error_for(std::string answer, CurlOptions options = patient()) {
    const RawServer server([&](RawServer::Peer& peer) {
      if (peer.read_request()) peer.say(answer);
    });
    const auto response = send(get(server.url("/v1/x")), std::move(options));
    if (response) {
      ADD_FAILURE() << "no error but " << response->status;
      return Error("none");
    }
    EXPECT_THAT(response.error().message(),
                HasSubstr("GET " + server.url("/v1/x") + ": "));
    return response.error();
  }
};

TEST_F(CurlTransportTest, CarriesRequestAndAnswer) {
  std::string head;
  const RawServer server([&](RawServer::Peer& peer) {
    peer.read_request();
    head = peer.head();
    peer.say(
        "HTTP/1.1 503 Later\r\nRetry-After:  7 \r\nX-A: 1\r\nX-a: 2\r\n"
        "Content-Length: 3\r\n\r\nno\n");
  });
  HttpRequest request = get(server.url("/v1/ports?a=b%20c"));
  request.headers = {{"accept", "application/json"}, {"x-empty", ""}};
  const auto response = send(request);
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->headers.at("retry-after"), "7");
  EXPECT_EQ(response->headers.at("x-a"), "2");
  EXPECT_EQ(response->body, "no\n");
  EXPECT_THAT(head,
              AllOf(testing::StartsWith("GET /v1/ports?a=b%20c HTTP/1.1\r\n"),
                    HasSubstr("\r\nUser-Agent: pxegate/"),
                    HasSubstr("\r\naccept: application/json\r\n"),
                    HasSubstr("\r\nx-empty:"), Not(HasSubstr("Expect")),
                    Not(HasSubstr("Accept-Encoding"))));
}

TEST_F(CurlTransportTest, CarriesABody) {
  httplib::Server server;
  server.Post("/echo", [](const httplib::Request& in, httplib::Response& out) {
    out.set_content(in.method + in.body, "text/plain");
  });
  server.Put("/echo", [](const httplib::Request& in, httplib::Response& out) {
    out.set_content(in.method + in.body, "text/plain");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::jthread thread([&] { server.listen_after_bind(); });
  const auto transport = *CurlTransport::make(patient());
  HttpRequest request =
      get("http://127.0.0.1:" + std::to_string(port) + "/echo");
  request.headers["content-type"] = "application/json";
  const std::string large(100'000, 'x');
  for (const char* method : {"POST", "PUT"}) {
    request.method = method;
    request.body = large;
    const auto response = transport->send(request);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_TRUE(response->body == method + large) << response->status;
  }
  // A method and a body of an earlier request are gone.
  EXPECT_EQ(transport->send(get(request.url))->status, 404);
  server.stop();
}

TEST_F(CurlTransportTest, OneConnectionServesManyRequests) {
  const RawServer server([](RawServer::Peer& peer) {
    while (peer.read_request()) peer.say(kOk);
  });
  const auto transport = *CurlTransport::make(patient());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(transport->send(get(server.url())));
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTransportTest, AKeptConnectionThatTheServerClosedIsReplaced) {
  for (const bool reset : {false, true}) {
    const RawServer server([reset](RawServer::Peer& peer) {
      if (reset) peer.reset_on_close();
      if (peer.read_request()) peer.say(kOk);
      // Takes the next request, and answers it by closing.
      if (reset) peer.read_request();
    });
    const auto transport = *CurlTransport::make(patient());
    for (int i = 0; i < 3; ++i) {
      const auto response = transport->send(get(server.url()));
      ASSERT_TRUE(response) << response.error().message();
    }
    EXPECT_EQ(server.connections(), 3);
  }
}

TEST_F(CurlTransportTest, RedirectsAreHandedOverNotFollowed) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    peer.say(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
        "Content-Length: 0\r\n\r\n");
  });
  const auto response = send(get(server.url()));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.at("location"), "http://127.0.0.1:1/");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTransportTest, HeadersOfAnInterimAnswerDoNotCount) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    peer.say("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
    peer.say(kOk);
  });
  const auto response = send(get(server.url()));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_FALSE(response->headers.contains("x-early"));
}

TEST_F(CurlTransportTest, RefusedIsUnavailableAndNamesRequestAndReason) {
  int port = 0;
  {
    const RawServer gone([](RawServer::Peer&) {});
    port = gone.port();
  }
  const auto response =
      send(get("http://127.0.0.1:" + std::to_string(port) + "/v1"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(
      response.error().message(),
      AllOf(testing::StartsWith("GET http://127.0.0.1:"), HasSubstr("onnect")));
}

TEST_F(CurlTransportTest, ANameThatDoesNotExistIsUnavailable) {
  const auto response = send(get("http://no-such-host.invalid/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
}

TEST_F(CurlTransportTest, UrlsOfOtherKindsAreRefused) {
  for (const char* url :
       {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "",
        "http://", "http://a b/", "127.0.0.1"}) {
    const auto response = send(get(url));
    ASSERT_FALSE(response) << url;
    EXPECT_EQ(response.error().code(), ErrorCode::kInvalid) << url;
  }
}

TEST_F(CurlTransportTest, UserAndPasswordOfAUrlAreNotInMessages) {
  const auto response = send(get("ftp://admin:s3cret@host.invalid/v1?a=x@y"));
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message(),
              AllOf(HasSubstr("GET ftp://host.invalid/v1?a=x@y: "),
                    Not(HasSubstr("s3cret")), Not(HasSubstr("admin"))));
}

TEST_F(CurlTransportTest, AHeaderWithALineBreakIsNotSent) {
  HttpRequest request = get("http://127.0.0.1:1/");
  request.headers["x-auth-token"] = "a\r\nx-other: b";
  const auto response = send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(response.error().message(), Not(HasSubstr("x-other")));
}

TEST_F(CurlTransportTest, NoAnswerAtAllIsAnError) {
  EXPECT_EQ(error_for("").code(), ErrorCode::kUnavailable);
}

TEST_F(CurlTransportTest, ABodyCutOffIsAnErrorNotAShortBody) {
  const Error error =
      error_for("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ports\"");
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"po");
  error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
}

TEST_F(CurlTransportTest, AHeadCutOffIsAnError) {
  error_for("HTTP/1.1 200 OK\r\nContent-Le");
}

TEST_F(CurlTransportTest, WhatIsNoHttpIsAnError) {
  EXPECT_EQ(error_for("SSH-2.0-OpenSSH_9.2\r\n").code(),
            ErrorCode::kUnavailable);
  error_for("garbage garbage garbage\r\n\r\n");
  error_for(std::string(100'000, '\0'));
  error_for("HTTP/1.1 abc\r\n\r\n");
  error_for("HTTP/9.9 200 OK\r\n\r\n");
  error_for("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx");
  error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n");
}

TEST_F(CurlTransportTest, AResetConnectionIsUnavailable) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.reset_on_close();
    peer.read_request();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
  });
  const auto response = send(get(server.url()));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
}

TEST_F(CurlTransportTest, AnAnnouncedBodyAboveTheLimitIsNotRead) {
  const Error error =
      error_for("HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n");
  EXPECT_EQ(error.code(), ErrorCode::kCapacity);
  EXPECT_THAT(error.message(), HasSubstr("67108864"));
}

TEST_F(CurlTransportTest, ABodyOf200MegabytesIsCutOffAtTheLimit) {
  std::atomic<std::size_t> said = 0;
  const RawServer server([&](RawServer::Peer& peer) {
    peer.read_request();
    peer.say("HTTP/1.1 200 OK\r\n\r\n");
    const std::string block(std::size_t{1} << 20, ' ');
    for (int i = 0; i < 200 && peer.say(block); ++i) said += block.size();
  });
  CurlOptions options = patient();
  options.max_body = std::size_t{8} << 20;
  const auto response = send(get(server.url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kCapacity);
  EXPECT_LT(said, std::size_t{150} << 20);
}

TEST_F(CurlTransportTest, ABodyOfExactlyTheLimitPasses) {
  CurlOptions options = patient();
  options.max_body = 5;
  for (const bool announced : {true, false}) {
    const RawServer server([&](RawServer::Peer& peer) {
      peer.read_request();
      peer.say(announced ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"
                         : "HTTP/1.1 200 OK\r\n\r\n12345");
    });
    const auto response = send(get(server.url()), options);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "12345");
  }
}

TEST_F(CurlTransportTest, EndlessHeadersAreCutOff) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    peer.say("HTTP/1.1 200 OK\r\n");
    const std::string line = "X-Header: " + std::string(1000, 'x') + "\r\n";
    while (!peer.stopped() && peer.say(line)) {
    }
  });
  const auto response = send(get(server.url()));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kCapacity);
}

TEST_F(CurlTransportTest, ASilentServerRunsIntoTheTimeout) {
  const RawServer server([](RawServer::Peer& peer) { peer.wait_for_close(); });
  CurlOptions options = patient();
  options.timeout = milliseconds{200};
  const auto response = send(get(server.url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(response.error().message(), HasSubstr("timed out"));
}

TEST_F(CurlTransportTest, AnAnswerThatCrawlsIsGivenUp) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (!peer.stopped() && peer.say("x")) {
      std::this_thread::sleep_for(milliseconds{10});
    }
  });
  CurlOptions options = patient();
  options.stall_timeout = milliseconds{300};
  const auto response = send(get(server.url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(response.error().message(), HasSubstr("stalled"));
}

TEST_F(CurlTransportTest, ThinkingBeforeTheFirstByteIsNoStall) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.read_request();
    std::this_thread::sleep_for(milliseconds{600});
    peer.say(kOk);
  });
  CurlOptions options = patient();
  options.stall_timeout = milliseconds{100};
  EXPECT_TRUE(send(get(server.url()), options));
}

TEST_F(CurlTransportTest, StoppingEndsARequestUnderWay) {
  std::stop_source stop;
  const RawServer server([&](RawServer::Peer& peer) {
    peer.read_request();
    stop.request_stop();
    peer.wait_for_close();
  });
  const auto transport = *CurlTransport::make(patient(), stop.get_token());
  const auto response = transport->send(get(server.url()));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kCancelled);
  // And every later one.
  EXPECT_EQ(transport->send(get(server.url())).error().code(),
            ErrorCode::kCancelled);
}

TEST_F(CurlTransportTest, StoppingDoesNotWaitForAName) {
  std::stop_source stop;
  const auto began = std::chrono::steady_clock::now();
  std::jthread stopper([&stop] {
    std::this_thread::sleep_for(milliseconds{100});
    stop.request_stop();
  });
  {
    const auto transport = *CurlTransport::make(patient(), stop.get_token());
    const auto response =
        transport->send(get(std::string("http://") + kSlowName));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::kCancelled);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, kSlowNameTakes / 2);
  // What still runs must not outlive the test.
  std::this_thread::sleep_for(kSlowNameTakes);
}

TEST_F(CurlTransportTest, ATransportIsUsableAfterEveryError) {
  std::atomic<int> round = 0;
  const std::array<std::string, 4> bad = {
      "garbage\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "",
      "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"};
  const RawServer server([&](RawServer::Peer& peer) {
    if (!peer.read_request()) return;
    const int now = round++;
    peer.say(now % 2 == 0 ? bad[static_cast<std::size_t>(now / 2)] : kOk);
  });
  const auto transport = *CurlTransport::make(patient());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    EXPECT_FALSE(transport->send(get(server.url())));
    const auto response = transport->send(get(server.url()));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "ok");
  }
}

TEST_F(CurlTransportTest, LocalhostIsNotAskedForByProxy) {
  const RawServer server([](RawServer::Peer& peer) {
    if (peer.read_request()) peer.say(kOk);
  });
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("no_proxy", "", 1);
  const auto direct = send(get(server.url()));
  const auto proxied = send(get("http://192.0.2.1/"));
  unsetenv("http_proxy");
  unsetenv("no_proxy");
  EXPECT_TRUE(direct) << direct.error().message();
  ASSERT_FALSE(proxied);
  EXPECT_THAT(proxied.error().message(), HasSubstr("127.0.0.1"));
}

// A certificate for 127.0.0.1, signed by itself, and its key.
class TlsTest : public CurlTransportTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = testing::TempDir() + "/pxegate-tls-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
    SystemCommandRunner runner;
    for (const char* name : {"server", "other"}) {
      const auto made = runner.run(
          {.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", std::string("/CN=") + name, "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", path(name, "key"),
                    "-out", path(name, "pem")},
           .input = {}});
      ASSERT_TRUE(made) << made.error().message();
      ASSERT_EQ(made->exit_status, 0) << made->err;
    }
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static std::string path(std::string name, const char* kind) {
    return folder_ + "/" + name + "." + kind;
  }

  // `client_ca` empty: any client is welcome.
  void start(const std::string& client_ca = {}) {
    server_.emplace(path("server", "pem").c_str(),
                    path("server", "key").c_str(),
                    client_ca.empty() ? nullptr : client_ca.c_str());
    server_->Get("/", [](const httplib::Request&, httplib::Response& out) {
      out.set_content("ok", "text/plain");
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::jthread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  ~TlsTest() override {
    if (server_) server_->stop();
  }

  Result<HttpResponse> ask(CurlOptions options) {
    return send(get("https://127.0.0.1:" + std::to_string(port_) + "/"),
                std::move(options));
  }

  static inline std::string folder_;
  std::optional<httplib::SSLServer> server_;
  int port_ = 0;
  std::jthread thread_;
};

TEST_F(TlsTest, ACertificateOfAnUnknownAuthorityIsRefused) {
  start();
  const auto response = ask(patient());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kFailed);
  EXPECT_THAT(response.error().message(),
              AllOf(HasSubstr("certificate"), HasSubstr("set cafile")));
}

TEST_F(TlsTest, CafileNamesTheAuthorityToTrust) {
  start();
  CurlOptions options = patient();
  options.cafile = path("server", "pem");
  const auto response = ask(options);
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, "ok");
  options.cafile = path("other", "pem");
  EXPECT_FALSE(ask(options));
}

TEST_F(TlsTest, TheNameInTheCertificateIsChecked) {
  start();
  CurlOptions options = patient();
  options.cafile = path("server", "pem");
  const auto response =
      send(get("https://localhost:" + std::to_string(port_) + "/"), options);
  ASSERT_FALSE(response);
}

TEST_F(TlsTest, InsecureBelievesAnyCertificate) {
  start();
  CurlOptions options = patient();
  options.insecure = true;
  const auto response = ask(options);
  EXPECT_TRUE(response) << response.error().message();
}

TEST_F(TlsTest, AClientCertificateIsShownWhereAsked) {
  start(path("other", "pem"));
  CurlOptions options = patient();
  options.cafile = path("server", "pem");
  EXPECT_FALSE(ask(options));
  options.certfile = path("other", "pem");
  options.keyfile = path("other", "key");
  const auto response = ask(options);
  EXPECT_TRUE(response) << response.error().message();
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
  start();
  CurlOptions options = patient();
  options.cafile = "/nonexistent/ca.pem";
  const auto no_ca = ask(options);
  ASSERT_FALSE(no_ca);
  EXPECT_EQ(no_ca.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(no_ca.error().message(), HasSubstr("/nonexistent/ca.pem"));
  options.cafile = path("server", "pem");
  options.certfile = "/nonexistent/client.pem";
  const auto no_cert = ask(options);
  ASSERT_FALSE(no_cert);
  EXPECT_EQ(no_cert.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(no_cert.error().message(), HasSubstr("/nonexistent/client.pem"));
}

TEST_F(TlsTest, PlainHttpWhereTlsIsExpectedIsAnError) {
  const RawServer server([](RawServer::Peer& peer) {
    peer.say(kOk);
    peer.wait_for_close();
  });
  const auto response =
      send(get("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
}

// The whole way once: sockets, transport, service, client.
TEST_F(CurlTransportTest, IronicClientWorksOverIt) {
  const RawServer server([](RawServer::Peer& peer) {
    while (peer.read_request()) {
      const std::string body = R"({"ports": []})";
      peer.say("HTTP/1.1 200 OK\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  });
  const auto transport = *CurlTransport::make(patient());
  NoAuthenticator none;
  SystemClock clock;
  const auto client =
      *IronicClient::make({.endpoint = server.url()}, *transport, none, clock);
  const auto page = client->ports_page("");
  ASSERT_TRUE(page) << page.error().message();
  EXPECT_TRUE(page->last);
}

}  // namespace
}  // namespace pxegate
