// A client that reads and writes bytes, for tests of the server.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace hadal {

class TestClient {
 public:
  explicit TestClient(std::uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  }
  void send(std::string_view text) {
    boost::system::error_code ignored;  // the server may have closed already
    boost::asio::write(socket_, boost::asio::buffer(text.data(), text.size()), ignored);
  }
  /// Until `end` was read, or the connection was closed.
  std::string read_until(std::string_view end) {
    std::size_t searched = 0;
    while (true) {
      const std::size_t at = unread_.find(end, searched);
      if (at != std::string::npos) {
        std::string text = unread_.substr(0, at + end.size());
        unread_.erase(0, text.size());
        return text;
      }
      searched = unread_.size() - std::min(unread_.size(), end.size());
      if (!read_some()) return std::exchange(unread_, {});
    }
  }
  std::string read_all() {
    while (read_some()) continue;
    return std::exchange(unread_, {});
  }
  void close() { socket_.close(); }

 private:
  bool read_some() {
    char bytes[4096];
    boost::system::error_code failed;
    const std::size_t n = socket_.read_some(boost::asio::buffer(bytes), failed);
    unread_.append(bytes, n);
    return !failed;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string unread_;
};

struct TestResponse {
  int status = 0;
  std::string head, body;  ///< chunks of the body are joined
};

inline std::string join_chunks(std::string_view text) {
  std::string joined;
  while (!text.empty()) {
    const std::size_t n = std::stoul(std::string(text.substr(0, text.find('\r'))), nullptr, 16);
    if (n == 0) break;
    text.remove_prefix(text.find("\r\n") + 2);
    joined += text.substr(0, n);
    text.remove_prefix(std::min(n + 2, text.size()));
  }
  return joined;
}

inline TestResponse parse_test_response(const std::string& text) {
  TestResponse response;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) return response;
  response.status = std::stoi(text.substr(9, 3));
  response.head = text.substr(0, end + 2);
  response.body = text.substr(end + 4);
  if (response.head.find("Transfer-Encoding: chunked") != std::string::npos)
    response.body = join_chunks(response.body);
  return response;
}

inline std::string http_text(std::string_view method, std::string_view path, std::string_view body,
                             std::string_view headers = "") {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{}",
      method, path, headers, body.size(), body);
}

inline TestResponse exchange(std::uint16_t port, std::string_view method, std::string_view path,
                             std::string_view body = "", std::string_view headers = "") {
  TestClient client(port);
  client.send(http_text(method, path, body, headers));
  return parse_test_response(client.read_all());
}

}  // namespace hadal
