// One connection of the HTTP server; used by server.cpp.
#pragma once

#include "http/server.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace hadal {

/// What all connections of a server have in common.
struct HttpShared {
  HttpShared(HttpServerOptions o, HttpHandler h) : options(std::move(o)), handler(std::move(h)) {}

  const HttpServerOptions options;
  const HttpHandler handler;
  std::atomic<std::size_t> n_connections{0};
  std::atomic<std::size_t> n_buffered{0};          ///< bytes of bodies, by BodyShare
  std::atomic<bool> closes_after_response{false};  ///< the server is about to end
};

/// What one connection holds of max_buffered_bytes.
class BodyShare {
 public:
  explicit BodyShare(HttpShared& shared) : shared_(shared) {}
  ~BodyShare() { release(); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  /// False: there is no room for that much, and the share stays.
  bool grow_to(std::size_t n_bytes) {
    if (n_bytes <= n_bytes_) return true;
    const std::size_t more = n_bytes - n_bytes_;
    if (shared_.n_buffered.fetch_add(more) + more > shared_.options.max_buffered_bytes) {
      shared_.n_buffered -= more;
      return false;
    }
    n_bytes_ = n_bytes;
    return true;
  }
  void release() { shared_.n_buffered -= std::exchange(n_bytes_, 0); }

 private:
  HttpShared& shared_;
  std::size_t n_bytes_ = 0;
};

/// Reads and answers requests until either side closes. `tls` may be null; it must outlive the
/// connection. The socket's executor is a strand.
void serve_connection(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                      std::shared_ptr<HttpShared> shared);

}  // namespace hadal
