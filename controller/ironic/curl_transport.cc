// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/curl_transport.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "controller/base/secret.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kSlowestBytesPerSecond = 1024;

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Easy = std::unique_ptr<CURL, Freer<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Freer<curl_multi_cleanup>>;

// A token may be in it.
void wipe_and_free(curl_slist* list) {
  for (curl_slist* item = list; item != nullptr; item = item->next) {
    explicit_bzero(item->data, strlen(item->data));
  }
  curl_slist_free_all(list);
}
using HeaderList = std::unique_ptr<curl_slist, Freer<wipe_and_free>>;
using ParsedUrl = std::unique_ptr<CURLU, Freer<curl_url_cleanup>>;

// What the callbacks of one request fill.
struct Reception {
  const CurlOptions& options;
  HttpResponse response{};
  std::size_t received = 0;  // headers and body
  std::size_t header_bytes = 0;
  bool headers_complete = false;
  bool body_too_large = false;
  bool headers_too_large = false;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::size_t on_header(char* data, std::size_t size, std::size_t count,
                      void* user) {
  auto& reception = *static_cast<Reception*>(user);
  const std::string_view line(data, size * count);
  reception.received += line.size();
  reception.header_bytes += line.size();
  if (reception.header_bytes > reception.options.max_headers) {
    reception.headers_too_large = true;
    return 0;
  }
  // A status line: what came before belonged to a 1xx or to the proxy.
  if (line.starts_with("HTTP/")) {
    reception.response.headers.clear();
    reception.headers_complete = false;
    return line.size();
  }
  if (trimmed(line).empty()) reception.headers_complete = true;
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    reception.response.headers[lower_case(line.substr(0, colon))] =
        trimmed(line.substr(colon + 1));
  }
  return line.size();
}

std::size_t on_body(char* data, std::size_t size, std::size_t count,
                    void* user) {
  auto& reception = *static_cast<Reception*>(user);
  const std::string_view chunk(data, size * count);
  reception.received += chunk.size();
  std::string& body = reception.response.body;
  if (chunk.size() > reception.options.max_body - body.size()) {
    reception.body_too_large = true;
    return 0;
  }
  // Doubling at the end would take three times the limit: once a body gets
  // large, it has room for all it may become. What is not written costs none.
  if (body.size() + chunk.size() > body.capacity() &&
      body.size() > reception.options.max_body / 16) {
    body.reserve(reception.options.max_body);
  }
  body += chunk;
  return chunk.size();
}

// Notices an answer that began and then crawls.
class StallWatch {
 public:
  explicit StallWatch(milliseconds limit) : limit_(limit) {}

  bool stalled(std::size_t received, SteadyTime now) {
    if (received == 0) return false;
    if (!begun_) {
      begun_ = true;
      restart(received, now);
    }
    if (now - since_ < limit_) return false;
    const auto needed = static_cast<std::size_t>(limit_.count()) *
                        kSlowestBytesPerSecond / 1000;
    if (received - counted_ < needed) return true;
    restart(received, now);
    return false;
  }

 private:
  void restart(std::size_t received, SteadyTime now) {
    counted_ = received;
    since_ = now;
  }

  milliseconds limit_;
  bool begun_ = false;
  std::size_t counted_ = 0;
  SteadyTime since_;
};

// "GET http://host/path": without user name and password.
std::string describe(const HttpRequest& request) {
  std::string url = request.url;
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t host_end =
      std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t at = url.rfind('@', host_end);
  if (at != std::string::npos && at >= host && at < host_end) {
    url.erase(host, at + 1 - host);
  }
  return request.method + " " + url;
}

Error curl_error(CURLcode code, const char* detail,
                 const CurlOptions& options) {
  std::string reason = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_SSL_CERTPROBLEM:
      return Error(
          fmt::format("{} (certfile {}, keyfile {})", reason,
                      quoted(options.certfile), quoted(options.keyfile)),
          ErrorCode::kInvalid);
    case CURLE_SSL_CACERT_BADFILE:
      return Error(
          fmt::format("{} (cafile {})", reason, quoted(options.cafile)),
          ErrorCode::kInvalid);
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error(reason +
                   "; set cafile to the certificate of the authority that "
                   "signed the server's");
    case CURLE_FILESIZE_EXCEEDED:
      return Error(
          fmt::format("the answer is longer than {} bytes", options.max_body),
          ErrorCode::kCapacity);
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
      return Error(std::move(reason), ErrorCode::kInvalid);
    case CURLE_OUT_OF_MEMORY:
      return Error(std::move(reason));
    default:
      return Error(std::move(reason), ErrorCode::kUnavailable);
  }
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

// kInvalid unless `url` is one for http or https; else its host.
Result<std::string> host_of(const std::string& url) {
  const ParsedUrl parsed(curl_url());
  if (!parsed) return fail("out of memory");
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail("this is not a URL", ErrorCode::kInvalid);
  }
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    std::string out;
    if (curl_url_get(parsed.get(), which, &text, 0) == CURLUE_OK) out = text;
    curl_free(text);
    return out;
  };
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(quoted(scheme) +
                    " is not a protocol to use here: expected "
                    "http or https",
                ErrorCode::kInvalid);
  }
  return part(CURLUPART_HOST);
}

Result<HeaderList> header_list(const HttpHeaders& headers) {
  HeaderList list;
  const auto append = [&list](std::string line) {
    curl_slist* grown = curl_slist_append(list.get(), line.c_str());
    wipe(line);
    if (grown == nullptr) return false;
    static_cast<void>(list.release());
    list.reset(grown);
    return true;
  };
  // curl's own habit of asking before it sends a body.
  bool complete = append("Expect:");
  for (const auto& [name, value] : headers) {
    constexpr std::string_view kBreaks("\r\n\0", 3);
    if (name.find_first_of(kBreaks) != std::string::npos ||
        value.find_first_of(kBreaks) != std::string::npos) {
      return fail("header " + quoted(name) + " holds a line break",
                  ErrorCode::kInvalid);
    }
    // curl's spelling of a header without a value is "Name;".
    std::string line;
    line.reserve(name.size() + value.size() + 2);  // leaves no copies behind
    line.append(name).append(value.empty() ? ";" : ": ").append(value);
    complete = complete && append(std::move(line));
  }
  if (!complete) return fail("out of memory");
  return list;
}

}  // namespace

struct CurlTransport::Handles {
  Easy easy;
  Multi multi;  // holds the connections
  std::array<char, CURL_ERROR_SIZE> error{};
};

Result<std::unique_ptr<CurlTransport>> CurlTransport::make(
    CurlOptions options, std::stop_token stop) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail("libcurl could not be initialized");
  }
  auto handles = std::make_unique<Handles>();
  handles->easy.reset(curl_easy_init());
  handles->multi.reset(curl_multi_init());
  if (!handles->easy || !handles->multi) {
    return fail("libcurl could not be initialized");
  }
  return std::unique_ptr<CurlTransport>(new CurlTransport(
      std::move(options), std::move(stop), std::move(handles)));
}

CurlTransport::CurlTransport(CurlOptions options, std::stop_token stop,
                             std::unique_ptr<Handles> handles)
    : options_(std::move(options)),
      stop_(std::move(stop)),
      handles_(std::move(handles)) {
  CURL* easy = handles_->easy.get();
  const auto text_or_default = [easy](CURLoption option,
                                      const std::string& value) {
    if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
  };
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handles_->error.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A name that is being resolved in a thread is not waited for at the end.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "pxegate/" PXEGATE_VERSION);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(options_.timeout.count()));
  curl_easy_setopt(
      easy, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(
          std::min(options_.connect_timeout, options_.timeout).count()));
  curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                   static_cast<curl_off_t>(options_.max_body));
  text_or_default(CURLOPT_CAINFO, options_.cafile);
  text_or_default(CURLOPT_SSLCERT, options_.certfile);
  text_or_default(CURLOPT_SSLKEY, options_.keyfile);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options_.insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options_.insecure ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
}

CurlTransport::~CurlTransport() {
  handles_.reset();
  curl_global_cleanup();
}

Result<HttpResponse> CurlTransport::send(const HttpRequest& request) {
  const std::string what = describe(request);
  const auto failed = [&what](const Error& error) {
    return fail(error.within(what));
  };
  auto host = host_of(request.url);
  if (!host) return failed(host.error());
  auto headers = header_list(request.headers);
  if (!headers) return failed(headers.error());

  CURL* easy = handles_->easy.get();
  CURLM* multi = handles_->multi.get();
  Reception reception{.options = options_};
  handles_->error[0] = '\0';
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers->get());
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &reception);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reception);
  // An empty string turns proxies off, NULL leaves it to the environment.
  curl_easy_setopt(easy, CURLOPT_PROXY, is_loopback(*host) ? "" : nullptr);
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  if (request.method == "POST" || !request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  const bool plain = request.method == "GET" || request.method == "POST";
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
                   plain ? nullptr : request.method.c_str());

  if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
    return failed(Error("libcurl refused the request"));
  }
  const auto remove = [multi](CURL* handle) {
    curl_multi_remove_handle(multi, handle);
  };
  const std::unique_ptr<CURL, decltype(remove)> added(easy, remove);
  const std::stop_callback wake(stop_, [multi] { curl_multi_wakeup(multi); });
  StallWatch watch(options_.stall_timeout);
  const auto nap = static_cast<int>(std::clamp(options_.stall_timeout.count(),
                                               milliseconds::rep{1},
                                               milliseconds::rep{1000}));
  for (int running = 1;;) {
    if (stop_.stop_requested()) {
      return failed(Error("stopped", ErrorCode::kCancelled));
    }
    CURLMcode status = curl_multi_perform(multi, &running);
    if (status == CURLM_OK && running == 0) break;
    if (watch.stalled(reception.received, std::chrono::steady_clock::now())) {
      return failed(Error(
          fmt::format("the answer stalled after {} bytes", reception.received),
          ErrorCode::kUnavailable));
    }
    if (status == CURLM_OK) {
      status = curl_multi_poll(multi, nullptr, 0, nap, nullptr);
    }
    if (status != CURLM_OK) return failed(Error(curl_multi_strerror(status)));
  }

  CURLcode code = CURLE_OK;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  if (reception.body_too_large) code = CURLE_FILESIZE_EXCEEDED;
  if (reception.headers_too_large) {
    return failed(Error(fmt::format("the answer's headers are longer than {} "
                                    "bytes",
                                    options_.max_headers),
                        ErrorCode::kCapacity));
  }
  if (code != CURLE_OK) {
    return failed(curl_error(code, handles_->error.data(), options_));
  }
  // To curl, headers that end with the connection are complete.
  if (!reception.headers_complete) {
    return failed(
        Error("the answer is cut off in its headers", ErrorCode::kUnavailable));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  reception.response.status = static_cast<int>(status);
  return std::move(reception.response);
}

}  // namespace pxegate
