// A server over its socket, with the built-in model, for tests.
#pragma once

#include "chat/local_model.h"
#include "http/client_for_test.h"
#include "serve/api_server.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

class ApiServerTest : public testing::Test {
 protected:
  using Json = nlohmann::ordered_json;

  static void SetUpTestSuite() {
    EngineOptions options;
    options.counts_experts = true;
    auto engine = Engine::open("builtin", options);
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine).release();
    auto tokenizer = open_tokenizer(engine_->checkpoint());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = new Tokenizer(std::move(*tokenizer));
  }
  static void TearDownTestSuite() {
    delete tokenizer_;
    delete engine_;
  }

  void serve(ApiServerOptions options = {}) {
    options.http.port = 0;
    options.model_name = "test-model";
    options.scheduler.state_bytes = 256u << 20;
    options.defaults.temperature = 0;
    auto server = ApiServer::start(*engine_, *tokenizer_, options);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  TestResponse post(std::string_view path, const Json& body, std::string_view headers = "") {
    return exchange(server_->port(), "POST", path, body.dump(), headers);
  }
  TestResponse get(std::string_view path) { return exchange(server_->port(), "GET", path); }

  static Json chat(std::string_view text, std::size_t max_tokens = 24) {
    return {{"model", "m"},
            {"max_tokens", max_tokens},
            {"messages", {{{"role", "user"}, {"content", text}}}}};
  }
  /// The texts of the `data:` lines of a stream.
  static std::vector<std::string> data_of(const std::string& body) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
      const std::size_t end = body.find('\n', at);
      lines.push_back(body.substr(at + 6, end - at - 6));
      at = end;
    }
    return lines;
  }

  static inline Engine* engine_ = nullptr;
  static inline Tokenizer* tokenizer_ = nullptr;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace hadal
