// The built-in model behind a server of this process.
#pragma once

#include "chat/local_model.h"
#include "serve/api_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
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

}  // namespace hadal
