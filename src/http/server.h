// HTTP/1.1 over TCP (RFC 9110, 9112): reads requests within limits, lets a handler answer at once
// or bit by bit, and tells it when the client has gone. Boost.Asio and Boost.Beast below.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  ///< as sent: "GET"
  std::string path;    ///< percent-decoded, without the query; begins with '/'
  std::string query;   ///< what follows '?', as sent
  HttpHeaders headers;
  std::string body;
  std::string client;  ///< address of the peer

  /// The first header of this name, in any case; empty if absent.
  std::string_view header(std::string_view name) const;
};

/// A whole response.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
};

/// How a handler answers one request. Shared between the connection and whoever works on the
/// answer; any thread. After the client has gone all calls do nothing.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  /// The whole response. Content-Length, Date and Connection are added.
  virtual void respond(int status, HttpHeaders headers, std::string body) = 0;
  /// Begins a response of unknown length; write() and end() follow.
  virtual void start(int status, HttpHeaders headers) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
  /// Called once if the client goes away, or reads too slowly, before the response is complete; at
  /// once if it has gone already. On a thread of the server.
  /// A client that closes its sending direction alone counts as gone: it looks the same here.
  virtual void on_gone(std::function<void()> callback) = 0;
  /// Runs `work` on the connection's own thread of execution, in order with other work of it. When
  /// it throws the connection is closed.
  virtual void post(std::function<void()> work) = 0;
};

struct HttpError {
  int status;
  std::string_view message;
  const HttpRequest& request;  ///< as far as it was read: perhaps path and headers, perhaps nothing
};

/// Who answers the requests of a server. Called on its threads, several at a time for different
/// connections.
class HttpSite {
 public:
  virtual ~HttpSite() = default;

  /// May throw: the client then gets a 500.
  virtual void answer(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) = 0;
  /// Asked when the headers are there, before any of the body is read: the refusal, or nothing. May
  /// throw: the client then gets a 500.
  virtual std::optional<HttpResponse> refuse_head(const HttpRequest& head);
  /// The response to what the server itself refuses, such as 413; plain text unless overridden.
  /// Must not throw.
  virtual HttpResponse error_page(const HttpError& error);
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0: any free one
  /// At most one less answers requests that bring a body, so that of two or more one always has
  /// time for those that bring none: /health, /metrics.
  std::size_t n_threads = 4;
  std::size_t max_connections = 4096;
  std::size_t max_header_bytes = 64 << 10;
  std::size_t max_body_bytes = 64u << 20;
  /// Of all bodies that are being received or parsed; a request that would go beyond gets a 503.
  std::size_t max_buffered_bytes = 512u << 20;
  std::size_t max_unsent_bytes = 8u << 20;  ///< of a response that its client does not read
  std::chrono::seconds header_timeout{15};  ///< from the first byte, or of an idle connection's end
  std::chrono::seconds idle_timeout{75};    ///< between two requests
  std::chrono::seconds body_timeout{120};
  std::chrono::seconds write_timeout{60};    ///< without any progress
  std::string tls_certificate{}, tls_key{};  ///< PEM files; empty: plain HTTP
};

class HttpServer {
 public:
  /// Listens; requests are answered from now on, by `site`, which must outlive the server. Errors:
  /// io_error (address in use, not allowed), bad_format (certificate).
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpSite& site);
  /// Closes all connections.
  virtual ~HttpServer() = default;

  /// Lets another site, which must outlive the server too, answer from now on. Any thread.
  virtual void show(HttpSite& site) = 0;
  virtual std::uint16_t port() const = 0;
  virtual std::size_t n_connections() const = 0;
  /// Takes no new connections; responses that are under way go on.
  virtual void stop_accepting() = 0;
};

/// The reason phrase: "Not Found".
std::string_view http_reason(int status);

}  // namespace hadal
