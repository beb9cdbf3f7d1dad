// The built-in model behind a server of this process, and what its monitor says.
#pragma once

#include "chat/local_model.h"
#include "http/client_for_test.h"
#include "serve/api_server.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

namespace hadal {

/// One engine for all servers of a test program, one after the other.
class BuiltinServer {
 public:
  explicit BuiltinServer(ApiServerOptions options = {}) {
    options.http.port = 0;
    options.model_name = "builtin";
    options.scheduler.state_bytes = std::max(options.scheduler.state_bytes, std::size_t{256} << 20);
    options.defaults.temperature = 0;
    auto server = ApiServer::start(engine(), tokenizer(), std::move(options));
    if (server) server_ = std::move(*server);
    EXPECT_TRUE(server_ != nullptr) << server.error().message;
  }

  std::uint16_t port() const { return server_->port(); }
  ApiServer& server() { return *server_; }

  static Engine& engine() {
    static const std::unique_ptr<Engine> engine = [] {
      EngineOptions options;
      options.counts_experts = true;
      auto opened = Engine::open("builtin", options);
      EXPECT_TRUE(opened) << opened.error().message;
      return std::move(*opened);
    }();
    return *engine;
  }
  static const Tokenizer& tokenizer() {
    static const Tokenizer tokenizer = [] {
      auto opened = open_tokenizer(engine().checkpoint());
      EXPECT_TRUE(opened) << opened.error().message;
      return std::move(*opened);
    }();
    return tokenizer;
  }

 private:
  std::unique_ptr<ApiServer> server_;
};

/// GET /monitor
inline nlohmann::ordered_json monitor(std::uint16_t port) {
  return nlohmann::ordered_json::parse(exchange(port, "GET", "/monitor").body, nullptr, false);
}

inline bool is_idle(const nlohmann::ordered_json& monitor) {
  if (!monitor.is_object()) return false;
  const auto& slots = monitor["slots"];
  return monitor["queue"] == 0 && std::none_of(slots.begin(), slots.end(), [](const auto& slot) {
           return slot["busy"] == true;
         });
}

/// Clients that vanish are noticed within a step: waits until nothing runs, or some seconds.
inline nlohmann::ordered_json when_idle(std::uint16_t port) {
  nlohmann::ordered_json state = monitor(port);
  for (int i = 0; i < 100 && !is_idle(state); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    state = monitor(port);
  }
  return state;
}

}  // namespace hadal
