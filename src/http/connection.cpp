#include "http/connection.h"

#include "base/log.h"
#include "http/url.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <deque>
#include <exception>
#include <optional>

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace hadal {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Parser = http::request_parser<http::string_body>;
using ErrorCodeOf = boost::system::error_code;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  const std::size_t n = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, n};
}

/// No body may follow these (RFC 9110 15.2, 15.3.5, 15.4.5).
bool has_no_body(int status) {
  return status == 204 || status == 304;
}

/// One connection. Everything runs on its strand. `Stream`: beast::tcp_stream, or TLS above it.
template <typename Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(Stream stream, std::shared_ptr<HttpShared> shared)
      : stream_(std::move(stream)),
        shared_(std::move(shared)),
        body_(*shared_),
        watch_timer_(tcp().get_executor()) {
    ++shared_->n_connections;
    ErrorCodeOf failed;
    const auto peer = tcp().socket().remote_endpoint(failed);
    if (!failed) client_ = peer.address().to_string();
    tcp().socket().set_option(asio::ip::tcp::no_delay(true), failed);
  }
  ~Connection() { --shared_->n_connections; }

  void start() {
    if constexpr (kIsTls) {
      tcp().expires_after(options().header_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](ErrorCodeOf failed) {
                                if (!failed) self->read_header();
                              });
    } else {
      asio::dispatch(tcp().get_executor(),
                     [self = this->shared_from_this()] { self->read_header(); });
    }
  }

  asio::any_io_executor executor() { return tcp().get_executor(); }

  // --- Called by the responder of request `id`, on the strand; late calls are ignored.

  void send_head(std::uint64_t id, int status, const HttpHeaders& headers,
                 std::optional<std::string> body) {
    if (id != request_ || phase_ != Phase::waiting) return;
    const bool is_whole = body.has_value();
    if (shared_->closes_after_response) keep_alive_ = false;
    is_chunked_ = !is_whole && http_11_;
    if (!is_whole && !http_11_) keep_alive_ = false;
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, http_reason(status), http_date());
    for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
    if (is_whole && !has_no_body(status))
      head += fmt::format("Content-Length: {}\r\n", body->size());
    if (is_chunked_) head += "Transfer-Encoding: chunked\r\n";
    head += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    if (is_whole && !is_head_ && !has_no_body(status)) head += *body;
    phase_ = Phase::streaming;
    enqueue(std::move(head));
    if (is_whole) finish();
  }

  void send_bytes(std::uint64_t id, const std::string& bytes) {
    if (id != request_ || phase_ != Phase::streaming || bytes.empty() || is_head_) return;
    enqueue(is_chunked_ ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : bytes);
  }

  void end_body(std::uint64_t id) {
    if (id != request_ || phase_ != Phase::streaming) return;
    if (is_chunked_ && !is_head_) enqueue("0\r\n\r\n");
    finish();
  }

  void call_when_gone(std::uint64_t id, std::function<void()> callback) {
    if (id != request_ || phase_ == Phase::done) return;  // complete
    if (is_closed_) return callback();
    gone_ = std::move(callback);
  }

  /// An exception ends this connection, and nothing else.
  template <typename Work>
  void run_safely(Work&& work) {
    try {
      work();
    } catch (const std::exception& e) {
      log_line(LogLevel::error, "http",
               fmt::format("work on an answer failed, its connection is closed: {}", e.what()));
      close();
    }
  }

 private:
  static constexpr bool kIsTls = !std::is_same_v<Stream, beast::tcp_stream>;
  enum class Phase : std::uint8_t { reading, waiting, streaming, done };

  bool is_answering(std::uint64_t id) const {
    return !is_closed_ && id == request_ &&
           (phase_ == Phase::waiting || phase_ == Phase::streaming);
  }
  beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream_); }
  const HttpServerOptions& options() const { return shared_->options; }
  HttpSite& site() const { return *shared_->site; }

  void read_header() {
    phase_ = Phase::reading;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(options().max_header_bytes));
    parser_->body_limit(options().max_body_bytes);
    tcp().expires_after(n_requests_ == 0 ? options().header_timeout : options().idle_timeout);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](ErrorCodeOf failed, std::size_t) {
                              if (failed) return self->refuse(failed);
                              self->read_body();
                            });
  }

  void read_body() {
    const auto& head = parser_->get();
    keep_alive_ = head.keep_alive();
    http_11_ = head.version() >= 11;
    is_head_ = head.method() == http::verb::head;
    if (const auto length = parser_->content_length(); length && *length > options().max_body_bytes)
      return refuse(http::error::body_limit);
    if (const auto refusal = refusal_of_head()) return refuse(*refusal);
    parser_->eager(true);
    tcp().expires_after(options().body_timeout);
    if (beast::iequals(head[http::field::expect], "100-continue")) {
      write_raw("HTTP/1.1 100 Continue\r\n\r\n",
                [self = this->shared_from_this()] { self->read_rest(); });
      return;
    }
    read_rest();
  }

  /// Whoever may not ask, or asks for nothing, sends no body.
  std::optional<HttpResponse> refusal_of_head() {
    request_head_ = head_of(parser_->get());
    if (request_head_.path.empty())
      return error_response(400, "the request names no path", request_head_);
    try {
      return site().refuse_head(request_head_);
    } catch (const std::exception& e) {
      log_line(LogLevel::error, "http", fmt::format("refuse_head failed: {}", e.what()));
      return error_response(500, "internal error", request_head_);
    }
  }

  /// Of the request without its body. The path is empty if it names none.
  HttpRequest head_of(const http::request<http::string_body>& message) const {
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string_view target = origin_form({message.target().data(), message.target().size()});
    const std::size_t question = target.find('?');
    request.path = percent_decoded(target.substr(0, question));
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    for (const auto& field : message)
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    request.client = client_;
    return request;
  }

  /// In pieces, since all bodies that wait are counted together.
  void read_rest() {
    if (parser_->is_done()) return handle();
    http::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](ErrorCodeOf failed, std::size_t) {
                            if (failed) return self->refuse(failed);
                            if (!self->body_.grow_to(self->parser_->get().body().size()))
                              return self->refuse_for_lack_of_room();
                            self->read_rest();
                          });
  }

  void refuse_for_lack_of_room() {
    log_warning("http", "bodies of {} bytes are being received: another one was refused",
                shared_->n_buffered);
    HttpResponse refusal = error_response(
        503, "too many long requests arrive at once; try again later", request_head_);
    refusal.headers.emplace_back("Retry-After", "2");
    refuse(refusal);
  }

  /// Answers a request that has not been read to its end, and lets the connection end with it.
  void refuse(const HttpResponse& refusal) {
    if (!parser_->is_done()) keep_alive_ = false;
    parser_.reset();
    body_.release();
    begin_request();
    send_head(request_, refusal.status, refusal.headers, refusal.body);
  }

  template <typename Done>
  void write_raw(std::string_view text, Done done) {
    asio::async_write(stream_, asio::buffer(text.data(), text.size()),
                      [self = this->shared_from_this(), done](ErrorCodeOf failed, std::size_t) {
                        if (!failed) done();
                      });
  }

  /// What is no request gets an answer where there is somebody to read it, and the connection ends.
  void refuse(ErrorCodeOf failed) {
    int status = 0;
    std::string_view message;
    if (failed == http::error::body_limit) {
      status = 413, message = "the body is larger than this server takes";
    } else if (failed == http::error::header_limit || failed == http::error::buffer_overflow) {
      status = 431, message = "the headers are longer than this server takes";
    } else if (failed == beast::error::timeout && phase_ == Phase::reading && parser_->got_some()) {
      status = 408, message = "the request took too long to arrive";
    } else if (failed.category() == http::make_error_code(http::error::bad_method).category() &&
               failed != http::error::end_of_stream && failed != http::error::partial_message) {
      status = 400, message = "this is no HTTP/1.1 request";
    }
    if (status == 0 || failed == beast::error::timeout) return close();
    keep_alive_ = false;
    http_11_ = true;
    is_head_ = false;
    HttpResponse response = error_response(status, message, head_of(parser_->get()));
    body_.release();
    begin_request();
    send_head(request_, status, response.headers, std::move(response.body));
  }

  /// `request`: as far as it was read; its path and headers tell in whose form to refuse.
  HttpResponse error_response(int status, std::string_view message,
                              const HttpRequest& request) const {
    return site().error_page({status, message, request});
  }

  void begin_request() {
    ++request_;
    ++n_requests_;
    phase_ = Phase::waiting;
    gone_ = nullptr;
  }

  void handle();
  void answer(HttpRequest&& request);

  /// Hears of a client that hangs up while its answer is being made.
  void watch() {
    tcp().socket().async_wait(
        asio::ip::tcp::socket::wait_read,
        [weak = this->weak_from_this(), id = request_](ErrorCodeOf failed) {
          const auto self = weak.lock();
          if (!self || failed || !self->is_answering(id)) return;
          switch (self->peek()) {
            case Peek::closed:
              return self->close();
            case Peek::nothing:  // woken for bytes that the reading of the request has taken
              return self->watch();
            case Peek::bytes:  // the next request, or TLS records: they hide the end behind them
              return self->look_again();
          }
        });
  }

  /// While bytes wait to be read the socket is always readable: looks now and then instead.
  void look_again() {
    watch_timer_.expires_after(std::chrono::seconds(1));
    watch_timer_.async_wait([weak = this->weak_from_this(), id = request_](ErrorCodeOf failed) {
      const auto self = weak.lock();
      if (!self || failed || !self->is_answering(id)) return;
      if (self->has_hung_up()) return self->close();
      self->look_again();
    });
  }

  bool has_hung_up() {
    pollfd socket{.fd = tcp().socket().native_handle(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  enum class Peek : std::uint8_t { bytes, nothing, closed };
  Peek peek() {
    char byte = 0;
    const auto n = ::recv(tcp().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) return Peek::bytes;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? Peek::nothing
                                                                                : Peek::closed;
  }

  void enqueue(std::string bytes) {
    if (is_closed_) return;
    n_unsent_ += bytes.size();
    if (n_unsent_ > options().max_unsent_bytes && !unsent_.empty()) {
      log_info("http", "{} reads too slowly: {} bytes wait; closed", client_, n_unsent_);
      return close();
    }
    unsent_.push_back(std::move(bytes));
    if (!is_writing_) write_next();
  }

  void write_next() {
    is_writing_ = true;
    tcp().expires_after(options().write_timeout);
    writing_.clear();
    while (!unsent_.empty() && writing_.size() < kMostPerWrite) {
      writing_ += unsent_.front();
      unsent_.pop_front();
    }
    asio::async_write(stream_, asio::buffer(writing_),
                      [self = this->shared_from_this()](ErrorCodeOf failed, std::size_t n) {
                        self->is_writing_ = false;
                        if (failed) return self->close();
                        self->tcp().expires_never();
                        self->n_unsent_ -= n;
                        if (!self->unsent_.empty()) return self->write_next();
                        if (self->phase_ == Phase::done) self->next_request();
                      });
  }

  /// The response is complete as soon as what waits is written.
  void finish() {
    phase_ = Phase::done;
    gone_ = nullptr;
    if (!is_writing_ && !is_closed_) next_request();
  }

  void next_request() {
    if (is_closed_) return;
    if (keep_alive_) return read_header();
    ErrorCodeOf ignored;
    tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    drain();
  }

  /// Reads on for a moment, so that a client that is still sending sees the answer instead of a
  /// reset.
  void drain() {
    tcp().expires_after(std::chrono::seconds(2));
    trash_.resize(64 << 10);
    tcp().async_read_some(asio::buffer(trash_),
                          [self = this->shared_from_this()](ErrorCodeOf failed, std::size_t n) {
                            self->n_drained_ += n;
                            if (failed || self->n_drained_ > kMostDrained) return self->close();
                            self->drain();
                          });
  }

  void close() {
    if (is_closed_) return;
    is_closed_ = true;
    tcp().close();
    unsent_.clear();
    if (gone_) std::exchange(gone_, nullptr)();
  }

  static constexpr std::size_t kMostPerWrite = 256 << 10;
  static constexpr std::size_t kMostDrained = 64u << 20;

  Stream stream_;
  std::shared_ptr<HttpShared> shared_;
  std::string client_ = "?";
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_head_;
  BodyShare body_;
  asio::steady_timer watch_timer_;
  Phase phase_ = Phase::reading;
  std::uint64_t request_ = 0;
  std::size_t n_requests_ = 0;
  bool keep_alive_ = false, http_11_ = true, is_head_ = false, is_chunked_ = false;
  std::function<void()> gone_;
  std::deque<std::string> unsent_;
  std::string writing_;
  std::string trash_;
  std::size_t n_unsent_ = 0, n_drained_ = 0;
  bool is_writing_ = false, is_closed_ = false;
};

template <typename Stream>
class StreamResponder final : public HttpResponder {
 public:
  StreamResponder(std::shared_ptr<Connection<Stream>> connection, std::uint64_t id)
      : connection_(std::move(connection)), id_(id) {}

  void respond(int status, HttpHeaders headers, std::string body) override {
    run([status, headers = std::move(headers), body = std::move(body)](auto& c, auto id) mutable {
      c.send_head(id, status, headers, std::move(body));
    });
  }
  void start(int status, HttpHeaders headers) override {
    run([status, headers = std::move(headers)](auto& c, auto id) {
      c.send_head(id, status, headers, std::nullopt);
    });
  }
  void write(std::string bytes) override {
    run([bytes = std::move(bytes)](auto& c, auto id) { c.send_bytes(id, bytes); });
  }
  void end() override {
    run([](auto& c, auto id) { c.end_body(id); });
  }
  void on_gone(std::function<void()> callback) override {
    run([callback = std::move(callback)](auto& c, auto id) mutable {
      c.call_when_gone(id, std::move(callback));
    });
  }
  void post(std::function<void()> work) override {
    asio::post(connection_->executor(),
               [c = connection_, work = std::move(work)] { c->run_safely(work); });
  }

 private:
  /// At once when called from the connection's own strand, so that order is kept.
  template <typename Work>
  void run(Work work) {
    asio::dispatch(connection_->executor(),
                   [c = connection_, id = id_, work = std::move(work)]() mutable {
                     c->run_safely([&] { work(*c, id); });
                   });
  }

  std::shared_ptr<Connection<Stream>> connection_;
  std::uint64_t id_;
};

template <typename Stream>
void Connection<Stream>::handle() {
  tcp().expires_never();
  begin_request();
  HttpRequest request = std::move(request_head_);
  request.body = std::move(parser_->get().body());
  parser_.reset();
  watch();
  if (request.body.empty()) return answer(std::move(request));
  // Making tokens of a text, or a grammar of a schema, may take a thread for seconds.
  shared_->body_requests.enter(
      [self = this->shared_from_this(), taken = std::make_shared<HttpRequest>(std::move(request))] {
        asio::post(self->executor(), [self, taken] {
          const WorkLimit::Place place(self->shared_->body_requests);
          if (!self->is_closed_) self->answer(std::move(*taken));
        });
      });
}

template <typename Stream>
void Connection<Stream>::answer(HttpRequest&& request) {
  auto responder = std::make_shared<StreamResponder<Stream>>(this->shared_from_this(), request_);
  // The handler takes the request; these are what tells in whose form a failure is told.
  HttpRequest asked;
  asked.method = request.method;
  asked.path = request.path;
  asked.headers = request.headers;
  try {
    site().answer(std::move(request), responder);
  } catch (const std::exception& e) {
    log_line(LogLevel::error, "http", fmt::format("a request failed: {}", e.what()));
    HttpResponse response = error_response(500, "internal error", asked);
    responder->respond(500, std::move(response.headers), std::move(response.body));
  }
  body_.release();
}

template <typename Stream>
void run_connection(Stream stream, std::shared_ptr<HttpShared> shared) {
  std::make_shared<Connection<Stream>>(std::move(stream), std::move(shared))->start();
}

}  // namespace

void serve_connection(asio::ip::tcp::socket socket, asio::ssl::context* tls,
                      std::shared_ptr<HttpShared> shared) {
  if (shared->n_connections >= shared->options.max_connections) {
    log_warning("http", "{} connections are open: another one was closed at once",
                shared->options.max_connections);
    return;
  }
  beast::tcp_stream stream(std::move(socket));
  if (tls == nullptr) return run_connection(std::move(stream), std::move(shared));
  run_connection(beast::ssl_stream<beast::tcp_stream>(std::move(stream), *tls), std::move(shared));
}

std::string_view http_reason(int status) {
  return http::obsolete_reason(static_cast<http::status>(status)).data();
}

}  // namespace hadal
