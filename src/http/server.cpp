#include "http/server.h"

#include "base/log.h"
#include "base/thread_name.h"
#include "http/connection.h"
#include "http/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/strand.hpp>

namespace hadal {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

class AsioServer final : public HttpServer {
 public:
  AsioServer(HttpServerOptions options, HttpSite& site)
      : shared_(std::make_shared<HttpShared>(std::move(options), site)),
        acceptor_(asio::make_strand(io_)) {}

  ~AsioServer() override {
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    shared_->body_requests.clear();  // they hold connections, which need the io_context
  }

  Result<void> listen() {
    const HttpServerOptions& o = shared_->options;
    if (!o.tls_certificate.empty()) HADAL_TRY(open_certificate());
    boost::system::error_code failed;
    const auto address =
        asio::ip::make_address(o.host == "localhost" ? "127.0.0.1" : o.host, failed);
    const auto fail = [&](std::string_view what) {
      return error(ErrorCode::io_error, "{}:{}: cannot {}: {}", o.host, o.port, what,
                   failed.message());
    };
    if (failed) return fail("read as an address (an IP address or localhost is expected)");
    const Tcp::endpoint endpoint(address, o.port);
    if (acceptor_.open(endpoint.protocol(), failed)) return fail("open a socket");
    acceptor_.set_option(asio::socket_base::reuse_address(true), failed);
    if (acceptor_.bind(endpoint, failed)) return fail("listen there");
    if (acceptor_.listen(asio::socket_base::max_listen_connections, failed)) return fail("listen");
    accept();
    for (std::size_t i = 0; i < std::max<std::size_t>(o.n_threads, 1); ++i)
      threads_.emplace_back([this] {
        name_this_thread("http");
        run();
      });
    return {};
  }

  void show(HttpSite& site) override { shared_->site = &site; }
  std::uint16_t port() const override {
    boost::system::error_code failed;
    const Tcp::endpoint endpoint = acceptor_.local_endpoint(failed);
    return failed ? shared_->options.port : endpoint.port();
  }
  std::size_t n_connections() const override { return shared_->n_connections; }
  void stop_accepting() override {
    shared_->closes_after_response = true;
    asio::post(acceptor_.get_executor(), [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
  }

 private:
  /// What throws out of a connection's own steps (out of memory) takes that connection along.
  void run() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {
        log_line(LogLevel::error, "http", fmt::format("a connection failed: {}", e.what()));
      }
    }
  }

  Result<void> open_certificate() {
    const HttpServerOptions& o = shared_->options;
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
    boost::system::error_code failed;
    if (tls_->use_certificate_chain_file(o.tls_certificate, failed)) {
      return error(ErrorCode::bad_format, "{}: no certificate can be read: {}", o.tls_certificate,
                   failed.message());
    }
    if (tls_->use_private_key_file(o.tls_key, asio::ssl::context::pem, failed)) {
      return error(ErrorCode::bad_format, "{}: no private key can be read: {}", o.tls_key,
                   failed.message());
    }
    return {};
  }

  void accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](auto failed, Tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (failed) {
        // Out of file descriptors, for example: connections that end make room.
        log_warning("http", "accept: {}", failed.message());
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this](auto stopped) {
          if (!stopped) accept();
        });
        return;
      }
      serve_connection(std::move(socket), tls_ ? &*tls_ : nullptr, shared_);
      accept();
    });
  }

  std::shared_ptr<HttpShared> shared_;
  asio::io_context io_;
  Tcp::acceptor acceptor_;
  asio::steady_timer retry_{io_};
  std::optional<asio::ssl::context> tls_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) return value;
  return {};
}

std::optional<HttpResponse> HttpSite::refuse_head(const HttpRequest&) {
  return std::nullopt;
}

HttpResponse HttpSite::error_page(const HttpError& error) {
  return {error.status, {{"Content-Type", "text/plain"}}, std::string(error.message)};
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, HttpSite& site) {
  auto server = std::make_unique<AsioServer>(std::move(options), site);
  HADAL_TRY(server->listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace hadal
