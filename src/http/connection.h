// One connection of the HTTP server; used by server.cpp.
#pragma once

#include "http/server.h"

#include <atomic>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace hadal {

/// What all connections of a server have in common.
struct HttpShared {
  HttpShared(HttpServerOptions o, HttpHandler h) : options(std::move(o)), handler(std::move(h)) {}

  const HttpServerOptions options;
  const HttpHandler handler;
  std::atomic<std::size_t> n_connections{0};
  std::atomic<bool> closes_after_response{false};  ///< the server is about to end
};

/// Reads and answers requests until either side closes. `tls` may be null; it must outlive the
/// connection. The socket's executor is a strand.
void serve_connection(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                      std::shared_ptr<HttpShared> shared);

}  // namespace hadal
