// One connection of the HTTP server; used by server.cpp.
#pragma once

#include "base/log.h"
#include "http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace hadal {

/// Lets some pieces of work run at a time; the others wait in their order. Any thread.
class WorkLimit {
 public:
  /// Gives back a place that enter() has taken.
  class Place {
   public:
    explicit Place(WorkLimit& limit) : limit_(limit) {}
    ~Place() { limit_.leave(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    WorkLimit& limit_;
  };

  /// `n_places`: at least 1.
  explicit WorkLimit(std::size_t n_places) : n_free_(n_places) {}

  /// Calls `begin` when there is a place: at once, or on the thread that gives one back. It lets a
  /// Place be destroyed when its work has ended. What it throws at once comes out of here; what it
  /// throws later drops it.
  void enter(std::function<void()> begin) {
    {
      const std::lock_guard lock(mutex_);
      if (n_free_ == 0) return waiting_.push_back(std::move(begin));
      --n_free_;
    }
    try {
      begin();
    } catch (...) {
      leave();
      throw;
    }
  }
  /// Forgets those that wait.
  void clear() {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }

 private:
  void leave() {
    while (true) {
      std::function<void()> next;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) {
          ++n_free_;
          return;
        }
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      try {
        return next();
      } catch (const std::exception& e) {
        log_line(LogLevel::error, "http", fmt::format("a request was dropped: {}", e.what()));
      }
    }
  }

  std::mutex mutex_;
  std::size_t n_free_;
  std::deque<std::function<void()>> waiting_;
};

/// What all connections of a server have in common.
struct HttpShared {
  HttpShared(HttpServerOptions o, HttpSite& s)
      : options(std::move(o)),
        site(&s),
        body_requests(std::max<std::size_t>(options.n_threads, 2) - 1) {}

  const HttpServerOptions options;
  std::atomic<HttpSite*> site;
  WorkLimit body_requests;  ///< those that bring a body
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
