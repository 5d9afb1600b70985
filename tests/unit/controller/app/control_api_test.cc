// SPDX-License-Identifier: Apache-2.0
#include "controller/app/control_api.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "controller/app/control_client.h"
#include "controller/app/json.h"
#include "controller/base/fd.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

UniqueFd connect_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    fd.reset();
  }
  return fd;
}

UniqueFd connect_tcp(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    fd.reset();
  }
  return fd;
}

// Everything that comes back until the other side closes.
std::string exchange(const UniqueFd& fd, std::string_view request) {
  EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(fd.get(), buffer, sizeof(buffer));
    if (count <= 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(count));
  }
}

class ControlApiTest : public ::testing::Test {
 protected:
  std::string socket() const { return folder_ / "run/pxegate.sock"; }

  void start(const std::string& listen = "") {
    ControlApiOptions options{.socket = socket(), .listen = listen};
    options.answer_timeout = answer_timeout_;
    api_ = std::make_unique<ControlApi>(backend_, clock_, options);
    const auto started = api_->start();
    ASSERT_TRUE(started) << started.error().message();
  }

  std::string ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
    return exchange(
        connect_unix(socket()),
        fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
                    "{}",
                    method, path, body.size(), body));
  }

  const testing::TempDir folder_;
  const FakeClock clock_{};
  milliseconds answer_timeout_ = ControlApiOptions().answer_timeout;
  FakeBackend backend_;
  std::unique_ptr<ControlApi> api_;
};

TEST_F(ControlApiTest, AnswersStatus) {
  start();
  const auto body = ControlClient(socket()).get("/v1/status");
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(parse_json(*body).value(),
            status_json(backend_.status(), Origin::kController, now(clock_)));
}

TEST_F(ControlApiTest, AnswersMetricsToThoseWhoReadOnly) {
  start("127.0.0.1:0");
  for (const std::string method : {"GET", "HEAD", "POST", "DELETE"}) {
    const bool reads = method == "GET" || method == "HEAD";
    const std::string request =
        method + " /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const std::string& answer :
         {exchange(connect_unix(socket()), request),
          exchange(connect_tcp(api_->tcp_port()), request)}) {
      EXPECT_THAT(answer, StartsWith(reads ? "HTTP/1.1 200" : "HTTP/1.1 405"));
      if (!reads) continue;
      EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; "
                                    "charset=utf-8\r\n"));
      EXPECT_EQ(answer.find("\npxegate_healthy 1\n") != std::string::npos,
                method == "GET");
    }
  }
}

TEST_F(ControlApiTest, AnswersPolicyOfOneAddress) {
  start();
  const auto body =
      ControlClient(socket()).get("/v1/policy?address=52:54:00:00:00:0B");
  ASSERT_TRUE(body) << body.error().message();
  const Json json = parse_json(*body).value();
  EXPECT_EQ(json["rule"], "not_inspected");
  EXPECT_EQ(json["last_request"]["count"], 7);
}

TEST_F(ControlApiTest, PolicyOfOneAddressOutlivesAFilterThatCannotBeRead) {
  backend_.observe_error_ = Error("map is gone");
  start();
  const auto body =
      ControlClient(socket()).get("/v1/policy?address=52:54:00:00:00:0b");
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_TRUE(parse_json(*body).value()["last_request"].is_null());
}

TEST_F(ControlApiTest, TellsEventsFromAnyPlaceOn) {
  backend_.events_.add(std::vector<EventRecord>(3), clock_.now(),
                       clock_.wall());
  start();
  const auto body = ControlClient(socket()).get("/v1/events?after=1&run=run-1");
  ASSERT_TRUE(body) << body.error().message();
  const Json json = parse_json(*body).value();
  EXPECT_EQ(json["events"].size(), 2u);
  EXPECT_EQ(json["last"], 3);
  EXPECT_EQ(json["try_after"], 0.0);
}

TEST_F(ControlApiTest, RefusesWhatIsNoPlaceAmongEvents) {
  start();
  for (const char* query : {"after=-1", "after=x", "wait=31", "wait=1.5"}) {
    EXPECT_THAT(ask("GET", std::string("/v1/events?") + query),
                StartsWith("HTTP/1.1 400"))
        << query;
  }
}

TEST_F(ControlApiTest, AnyNumberOfFollowersLeaveRoomForOthers) {
  start();
  constexpr int kFollowers = 20;
  std::vector<std::future<Json>> followers;
  for (int i = 0; i < kFollowers; ++i) {
    followers.push_back(std::async(std::launch::async, [this] {
      const auto body =
          ControlClient(socket()).get("/v1/events?wait=30", seconds(60));
      return body ? parse_json(*body).value() : Json();
    }));
  }
  // Those for whom there is no room are told so at once.
  int put_off = 0;
  while (put_off < kFollowers - 4) {
    for (auto& each : followers) {
      if (!each.valid() ||
          each.wait_for(milliseconds(10)) != std::future_status::ready) {
        continue;
      }
      EXPECT_GT(each.get()["try_after"], 0.0);
      ++put_off;
    }
  }
  EXPECT_EQ(put_off, kFollowers - 4);
  EXPECT_TRUE(ControlClient(socket()).get("/v1/status"));
  backend_.events_.add(std::vector<EventRecord>(1), clock_.now(),
                       clock_.wall());
  for (auto& each : followers) {
    if (each.valid()) {
      EXPECT_EQ(each.get()["events"].size(), 1u);
    }
  }
}

TEST_F(ControlApiTest, AFollowerEndsWithTheLog) {
  start();
  auto follower = std::async(std::launch::async, [this] {
    return ControlClient(socket()).get("/v1/events?wait=30", seconds(60));
  });
  backend_.events_.close();
  api_->stop();
  follower.wait();
}

TEST_F(ControlApiTest, AStopLetsGoOfAnAnswerThatIsWaitedFor) {
  start();
  std::stop_source stop;
  auto follower = std::async(std::launch::async, [&] {
    return ControlClient(socket()).get("/v1/events?wait=30", seconds(60),
                                       stop.get_token());
  });
  EXPECT_EQ(follower.wait_for(milliseconds(200)), std::future_status::timeout);
  stop.request_stop();
  const auto body = follower.get();
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), ErrorCode::kCancelled);
  backend_.events_.close();
}

TEST_F(ControlApiTest, RefusesWhatIsNoAddress) {
  start();
  const auto body = ControlClient(socket()).get("/v1/policy?address=eth0");
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(body.error().message(), HasSubstr("\"eth0\""));
}

TEST_F(ControlApiTest, ListsAHundredThousandEntries) {
  constexpr std::uint32_t kCount = 100'000;
  std::vector<Node> nodes;
  std::vector<Port> ports;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const std::string uuid = fmt::format("node-{:06}", i);
    nodes.push_back({uuid, uuid, "active", "agent", {}});
    Port port;
    port.uuid = fmt::format("port-{:06}", i);
    port.node_uuid = uuid;
    port.address = MacAddress({2, 0, 0, static_cast<std::uint8_t>(i >> 16),
                               static_cast<std::uint8_t>(i >> 8),
                               static_cast<std::uint8_t>(i)});
    ports.push_back(std::move(port));
  }
  backend_.set_inventory(
      Inventory::make(std::move(nodes), std::move(ports)).value());
  start();
  const auto body = ControlClient(socket()).get("/v1/policy", seconds(60));
  ASSERT_TRUE(body) << body.error().message();
  // Not parsed into a tree, which takes a sanitized build half a minute.
  EXPECT_TRUE(Json::accept(*body));
  EXPECT_THAT(*body, HasSubstr("\"denied\":100000,"));
  std::size_t entries = 0;
  for (std::size_t at = 0;
       (at = body->find("{\"address\":", at)) != std::string::npos; ++at) {
    ++entries;
  }
  EXPECT_EQ(entries, kCount);
  EXPECT_THAT(*body, HasSubstr("\"name\":\"node-099999\""));
}

TEST_F(ControlApiTest, NothingIsCompressed) {
  start();
  const std::string answer =
      exchange(connect_unix(socket()),
               "GET /v1/status HTTP/1.1\r\nAccept-Encoding: br, gzip\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("{\"controller_running\":true,"));
}

TEST_F(ControlApiTest, AnswersClients) {
  start();
  const auto body = ControlClient(socket()).get("/v1/clients");
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(parse_json(*body).value()["clients"].size(), 2U);
}

TEST_F(ControlApiTest, ClientsMayBeLimited) {
  start();
  const auto all = ControlClient(socket()).get("/v1/clients");
  const auto one = ControlClient(socket()).get("/v1/clients?limit=1");
  ASSERT_TRUE(all && one);
  const Json every = parse_json(*all).value();
  const Json limited = parse_json(*one).value();
  ASSERT_GT(every["clients"].size(), 1U);
  EXPECT_EQ(limited["clients"], Json::array({every["clients"][0]}));
  EXPECT_EQ(limited["clients_total"], every["clients"].size());
  EXPECT_THAT(ask("GET", "/v1/clients?limit=-1"), StartsWith("HTTP/1.1 400"));
}

TEST_F(ControlApiTest, ThePageMayRunItsOwnScriptOnly) {
  start();
  const std::string first = ask("GET", "/");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(first, HasSubstr("text/html; charset=utf-8"));
  const std::string mark = "script-src 'nonce-";
  const auto nonce_of = [&](const std::string& answer) {
    return answer.substr(answer.find(mark) + mark.size(), 32);
  };
  EXPECT_THAT(first, HasSubstr("<script nonce=\"" + nonce_of(first) + "\">"));
  EXPECT_EQ(first.find("{{"), std::string::npos);
  EXPECT_NE(nonce_of(first), nonce_of(ask("GET", "/")));
}

TEST_F(ControlApiTest, ClientsOfAFilterThatCannotBeReadAreAnError) {
  backend_.observe_error_ = Error("map is gone", ErrorCode::kNotFound);
  start();
  EXPECT_THAT(ask("GET", "/v1/clients"), StartsWith("HTTP/1.1 500 "));
  const auto body = ControlClient(socket()).get("/v1/clients");
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().message(), "cannot read the filter: map is gone");
}

TEST_F(ControlApiTest, SyncWaitsForItsOutcome) {
  SyncRequest asked;
  backend_.on_sync_ = [&](const SyncRequest& request) {
    asked = request;
    SyncOutcome outcome;
    outcome.forced = request.force;
    outcome.report.upserts = 5;
    outcome.report.repaired = {"eth1: the program was gone"};
    return outcome;
  };
  start();
  const auto body =
      ControlClient(socket()).post("/v1/sync?timeout=7", seconds(10));
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(asked.timeout, seconds(7));
  EXPECT_FALSE(asked.force);
  EXPECT_EQ(*body,
            "{\"took\":0.0,\"forced\":false,\"upserts\":5,\"removals\":0,"
            "\"unknown_changed\":false,"
            "\"repaired\":[\"eth1: the program was gone\"]}\n");
}

TEST_F(ControlApiTest, ASyncMayBeForced) {
  bool forced = false;
  backend_.on_sync_ = [&](const SyncRequest& request) {
    forced = request.force;
    SyncOutcome outcome;
    outcome.forced = request.force;
    return outcome;
  };
  start();
  const auto body =
      ControlClient(socket()).post("/v1/sync?force=1", seconds(10));
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_TRUE(forced);
  EXPECT_EQ(parse_json(*body).value()["forced"], true);
  for (const std::string each : {"2", "-1", "yes", ""}) {
    EXPECT_THAT(ask("POST", "/v1/sync?force=" + each),
                StartsWith("HTTP/1.1 400 "))
        << each;
  }
}

TEST_F(ControlApiTest, SyncFailuresHaveTheirStatus) {
  const std::pair<ErrorCode, std::string> cases[] = {
      {ErrorCode::kUnavailable, "503"},  {ErrorCode::kCancelled, "503"},
      {ErrorCode::kInvalidState, "503"}, {ErrorCode::kPermission, "502"},
      {ErrorCode::kFailed, "502"},       {ErrorCode::kCapacity, "502"},
  };
  start();
  for (const auto& [code, status] : cases) {
    backend_.on_sync_ = [error = Error("no", code)](const SyncRequest&) {
      return Result<SyncOutcome>(fail(error));
    };
    EXPECT_THAT(ask("POST", "/v1/sync"), StartsWith("HTTP/1.1 " + status));
    const auto body = ControlClient(socket()).post("/v1/sync", seconds(10));
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code(), code);
    EXPECT_EQ(body.error().message(), "no");
  }
}

TEST_F(ControlApiTest, ASyncThatTakesTooLongIsAGatewayTimeout) {
  class AdvancingClock final : public Clock {
   public:
    Monotonic now() const override { return Monotonic(seconds(calls_++)); }
    WallTime wall() const override { return {}; }

   private:
    mutable std::atomic<int> calls_ = 0;
  };
  const AdvancingClock clock{};
  backend_.on_sync_ = [](const SyncRequest&) {
    return Result<SyncOutcome>(fail("slow", ErrorCode::kUnavailable));
  };
  ControlApi api(backend_, clock, {socket(), ""});
  ASSERT_TRUE(api.start());
  EXPECT_THAT(ask("POST", "/v1/sync?timeout=1"), StartsWith("HTTP/1.1 504 "));
}

TEST_F(ControlApiTest, RefusesATimeoutOutOfRange) {
  start();
  for (const std::string each : {"0", "601", "-1", "1.5", "", "x"}) {
    EXPECT_THAT(ask("POST", "/v1/sync?timeout=" + each),
                StartsWith("HTTP/1.1 400 "))
        << each;
  }
}

TEST_F(ControlApiTest, StatusIsAnsweredWhileSyncsWait) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> waiting = 0;
  backend_.on_sync_ = [&](const SyncRequest&) {
    ++waiting;
    released.wait();
    return SyncOutcome{};
  };
  start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { ask("POST", "/v1/sync"); });
  }
  while (waiting < 3) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_THAT(ask("POST", "/v1/sync"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(ask("GET", "/v1/status"), StartsWith("HTTP/1.1 200 "));
  release.set_value();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ControlApiTest, TearsDown) {
  int calls = 0;
  backend_.on_tear_down_ = [&] {
    ++calls;
    return Result<>();
  };
  start();
  EXPECT_THAT(ask("POST", "/v1/teardown"), HasSubstr("{\"removed\":true}"));
  EXPECT_EQ(calls, 1);
  backend_.on_tear_down_ = [] { return Result<>(fail("eth1: link stays")); };
  const auto body = ControlClient(socket()).post("/v1/teardown", seconds(9));
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().message(), "eth1: link stays");
}

TEST_F(ControlApiTest, UnknownPathsAndWrongMethodsAreErrorsInJson) {
  start();
  const std::string missing = ask("GET", "/v2/sta\"tus");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(missing, HasSubstr(R"({"error":{"code":"not_found",)"));
  EXPECT_THAT(missing, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(ask("GET", "/v1"), StartsWith("HTTP/1.1 404 "));
  for (const std::string method : {"POST", "PUT", "DELETE", "PATCH"}) {
    const std::string wrong = ask(method, "/v1/status", "body");
    EXPECT_THAT(wrong, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(wrong, HasSubstr("Allow: GET\r\n"));
  }
  EXPECT_THAT(ask("GET", "/v1/sync"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("GET", "/v1/teardown"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(ControlApiTest, HeadHasTheHeadersOnly) {
  start();
  const std::string answer = ask("HEAD", "/v1/status");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(ControlApiTest, NonsenseGetsAnErrorOrNothing) {
  start();
  EXPECT_THAT(exchange(connect_unix(socket()), "EHLO there\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  exchange(connect_unix(socket()),
           "GET /v1/status HTTP/1.1\r\nX: " + std::string(40'000, 'x'));
  exchange(connect_unix(socket()), std::string(20'000, '\0'));
  EXPECT_THAT(ask("GET", "/" + std::string(9'000, 'a')),
              StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(ask("GET", "/v1/status"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ControlApiTest, ALargeBodyDoesNotCostTheAnswer) {
  start();
  EXPECT_THAT(ask("POST", "/v1/sync", std::string(50'000, 'x')),
              StartsWith("HTTP/1.1 200 "));
}

// So many ports that an answer with all of them cannot all sit in the socket's
// buffer.
Inventory large_inventory() {
  std::vector<Port> ports;
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    Port port;
    port.uuid = std::to_string(i);
    port.address = MacAddress({2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8),
                               static_cast<std::uint8_t>(i)});
    ports.push_back(std::move(port));
  }
  return Inventory::make({}, std::move(ports)).value();
}

TEST_F(ControlApiTest, WhoReadsSlowlyHoldsNoThreadForLong) {
  backend_.set_inventory(large_inventory());
  answer_timeout_ = milliseconds(500);
  start();
  const UniqueFd slow = connect_unix(socket());
  const std::string request = "GET /v1/policy HTTP/1.1\r\n\r\n";
  ASSERT_GT(send(slow.get(), request.data(), request.size(), 0), 0);
  std::string answer;
  char buffer[4096];
  for (int reads = 0; true; ++reads) {
    const ssize_t count = read(slow.get(), buffer, sizeof(buffer));
    if (count <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(count));
    if (reads < 50) std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_FALSE(answer.ends_with("\r\n0\r\n\r\n")) << answer.size();
}

TEST_F(ControlApiTest, StopsPromptlyThoughClientsAreSilentOrDoNotRead) {
  backend_.set_inventory(large_inventory());
  start();
  const UniqueFd silent = connect_unix(socket());
  const UniqueFd half = connect_unix(socket());
  ASSERT_EQ(send(half.get(), "GET ", 4, MSG_NOSIGNAL), 4);
  const UniqueFd deaf = connect_unix(socket());
  const std::string request = "GET /v1/policy HTTP/1.1\r\n\r\n";
  ASSERT_GT(send(deaf.get(), request.data(), request.size(), 0), 0);
  pollfd readable{deaf.get(), POLLIN, 0};
  ASSERT_EQ(poll(&readable, 1, 5'000), 1);

  const auto before = std::chrono::steady_clock::now();
  api_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(3));
}

TEST_F(ControlApiTest, StopIsIdempotentAndRemovesTheSocket) {
  start("127.0.0.1:0");
  api_->stop();
  EXPECT_FALSE(std::filesystem::exists(socket()));
  api_->stop();
  EXPECT_EQ(ControlClient(socket()).probe().error().code(),
            ErrorCode::kNotFound);
}

TEST_F(ControlApiTest, AnAnswerUnderWayIsFinishedByStop) {
  std::promise<void> entered;
  std::promise<void> release;
  backend_.on_tear_down_ = [&] {
    entered.set_value();
    release.get_future().wait();
    return Result<>();
  };
  start();
  auto answer = std::async(std::launch::async,
                           [&] { return ask("POST", "/v1/teardown"); });
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { api_->stop(); });
  release.set_value();
  stopped.wait();
  EXPECT_THAT(answer.get(), HasSubstr("{\"removed\":true}"));
}

TEST_F(ControlApiTest, TheSocketIsForOwnerAndGroup) {
  const mode_t before = umask(077);
  start();
  umask(before);
  struct stat info {};
  ASSERT_EQ(stat(socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660U);
}

TEST_F(ControlApiTest, ReplacesTheSocketOfADeadController) {
  std::filesystem::create_directories(folder_ / "run");
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
  }
  ASSERT_TRUE(std::filesystem::exists(socket()));
  start();
  EXPECT_TRUE(ControlClient(socket()).get("/v1/status"));
}

TEST_F(ControlApiTest, DoesNotReplaceALiveController) {
  start();
  ControlApi second(backend_, clock_, {socket(), ""});
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::kConflict);
  EXPECT_EQ(started.error().message(),
            fmt::format("another controller (process {}) answers at {}: stop "
                        "it first, or set another [api] socket",
                        getpid(), socket()));
  second.stop();
  EXPECT_TRUE(ControlClient(socket()).get("/v1/status"));
}

TEST_F(ControlApiTest, DoesNotReplaceWhatIsNoSocket) {
  std::filesystem::create_directories(folder_ / "run");
  folder_.write("run/pxegate.sock", "precious");
  ControlApi api(backend_, clock_, {socket(), ""});
  const auto started = api.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::exists(socket()));
}

TEST_F(ControlApiTest, RefusesAPathTooLongForASocket) {
  ControlApi api(backend_, clock_, {"/tmp/" + std::string(200, 'x'), ""});
  const auto started = api.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(started.error().message(), HasSubstr("[api] socket"));
}

TEST_F(ControlApiTest, TcpIsForReading) {
  start("127.0.0.1:0");
  ASSERT_NE(api_->tcp_port(), 0);
  EXPECT_THAT(exchange(connect_tcp(api_->tcp_port()),
                       "GET /v1/status HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
  for (const std::string path : {"/v1/sync", "/v1/teardown"}) {
    const std::string answer =
        exchange(connect_tcp(api_->tcp_port()),
                 "POST " + path + " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(answer, HasSubstr("for reading only"));
  }
}

TEST_F(ControlApiTest, SilentConnectionsOverTcpKeepNobodyWaiting) {
  start("127.0.0.1:0");
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 16; ++i) {
    silent.push_back(connect_tcp(api_->tcp_port()));
    ASSERT_TRUE(silent.back());
  }
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THAT(exchange(connect_tcp(api_->tcp_port()),
                       "GET /v1/status HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
  // Each would hold a thread for five seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(5));
}

TEST_F(ControlApiTest, ThereIsNoTcpUnlessAskedFor) {
  start();
  EXPECT_EQ(api_->tcp_port(), 0);
}

TEST_F(ControlApiTest, ATakenTcpPortIsToldAndNothingListens) {
  start("127.0.0.1:0");
  const std::string listen = fmt::format("127.0.0.1:{}", api_->tcp_port());
  const std::string other = folder_ / "other.sock";
  ControlApi second(backend_, clock_, {other, listen});
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::kConflict);
  EXPECT_THAT(started.error().message(), HasSubstr(listen));
  EXPECT_FALSE(std::filesystem::exists(other));
}

TEST_F(ControlApiTest, RefusesAListenAddressThatIsNone) {
  for (const std::string each :
       {"8080", "localhost", "::1:80:", "127.0.0.1:99999",
        "127.0.0.1:", "127.0.0.1:http", "::1:80", "[]:80"}) {
    ControlApi api(backend_, clock_, {socket(), each});
    const auto started = api.start();
    ASSERT_FALSE(started) << each;
    EXPECT_THAT(started.error().message(), StartsWith("[api] listen = "));
    EXPECT_FALSE(std::filesystem::exists(socket()));
  }
}

TEST(ControlClient, SaysHowToStartAControllerWhereNoneRuns) {
  const testing::TempDir folder;
  const std::string path = folder / "none.sock";
  const auto body = ControlClient(path).get("/v1/status");
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(body.error().message(),
            "no controller runs at " + path + ": start it with `pxegate run`");
}

TEST(ControlClient, TellsAServerThatIsNoController) {
  const testing::TempDir folder;
  const std::string path = folder / "odd.sock";
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(listener.get(), 5), 0);
  std::thread server([&] {
    { const UniqueFd probe(accept(listener.get(), nullptr, nullptr)); }
    const UniqueFd connection(accept(listener.get(), nullptr, nullptr));
    char buffer[4096];
    EXPECT_GT(read(connection.get(), buffer, sizeof(buffer)), 0);
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off";
    EXPECT_GT(send(connection.get(), answer.data(), answer.size(), 0), 0);
  });
  const auto body = ControlClient(path).get("/v1/status");
  server.join();
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace pxegate
