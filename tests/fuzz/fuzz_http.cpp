// Fuzzes the HTTP server over a socket: whatever a client sends, the server answers with HTTP or
// hangs up, and then serves the next one.
#include "base/log.h"
#include "fuzz_target.h"
#include "http/server.h"

#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace hadal;

class Echo final : public HttpSite {
  void answer(HttpRequest&& request, std::shared_ptr<HttpResponder> client) override {
    fuzz::require(!request.path.empty() && request.path.front() == '/', "a path begins with '/'");
    client->respond(200, {{"Content-Type", "text/plain"}}, std::move(request.body));
  }
};

HttpServer& server() {
  static Echo site;
  static const auto server = [] {
    set_log_level(LogLevel::error);
    HttpServerOptions options;
    options.port = 0;
    options.n_threads = 1;
    options.max_header_bytes = 4096;
    options.max_body_bytes = 16384;
    auto started = HttpServer::start(options, site);
    fuzz::require(started.has_value(), "the server listens");
    return std::move(*started);
  }();
  return *server;
}

/// Sends and reads what comes. `ends`: with that direction closed, so that the server does not wait
/// for more; it may take such a client for gone, and then says nothing.
std::string exchange(std::string_view bytes, bool ends) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // From another address each time: one has ports for a minute's connections at half this pace.
  static std::uint32_t n_exchanges = 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + n_exchanges++ % 65536);
  fuzz::require(::bind(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                "there is a port");
  address.sin_port = htons(server().port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fuzz::require(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                "the server takes connections");
  while (!bytes.empty()) {
    const auto n = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) break;  // it has refused already
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (ends) ::shutdown(client, SHUT_WR);
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = ::recv(client, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(n));
  ::close(client);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string answer = exchange({reinterpret_cast<const char*>(data), size}, true);
  fuzz::require(answer.empty() || answer.starts_with("HTTP/1.1 "), "answers are HTTP");
  const std::string next =
      exchange("GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n", false);
  fuzz::require(next.starts_with("HTTP/1.1 200 "), "the next client is served");
  return 0;
}
