// The server over its socket, with the built-in model: each path, each protocol, and the promise
// that an answer does not depend on what happens beside it.

#include "serve/api_server.h"

#include "chat/local_model.h"
#include "http/client_for_test.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <thread>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

class ApiServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto engine = Engine::open("builtin", {});
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

TEST_F(ApiServerTest, AnswersAsTheModelDoesOnItsOwn) {
  LocalModel model(*engine_, *tokenizer_, {});
  const auto expected =
      model.complete({.prompt = Conversation{{{.role = Role::user, .content = "What are you?"}}},
                      .options = {.temperature = 0, .max_tokens = 24}},
                     {});
  ASSERT_TRUE(expected);
  serve();

  const TestResponse response = post("/v1/chat/completions", chat("What are you?"));

  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "test-model");
  EXPECT_EQ(json["choices"][0]["message"]["content"], expected->message.content);
  EXPECT_EQ(json["usage"]["prompt_tokens"], expected->n_prompt_tokens);
  EXPECT_EQ(json["usage"]["completion_tokens"], expected->n_completion_tokens);
  EXPECT_EQ(json["choices"][0]["finish_reason"], finish_reason_name(expected->finish_reason));
}

TEST_F(ApiServerTest, StreamsWhatItWouldAnswerAtOnce) {
  serve();
  Json request = chat("What are you?");
  const Json whole = Json::parse(post("/v1/chat/completions", request).body);
  request["stream"] = true;
  request["stream_options"] = {{"include_usage", true}};

  const TestResponse stream = post("/v1/chat/completions", request);

  EXPECT_NE(stream.head.find("text/event-stream"), std::string::npos) << stream.head;
  const auto data = data_of(stream.body);
  ASSERT_GT(data.size(), 3u) << stream.body;
  EXPECT_EQ(data.back(), "[DONE]");
  std::string text;
  Json usage;
  for (std::size_t i = 0; i + 1 < data.size(); ++i) {
    const Json chunk = Json::parse(data[i]);
    EXPECT_EQ(chunk["id"], Json::parse(data[0])["id"]);
    if (!chunk["choices"].empty()) text += chunk["choices"][0]["delta"].value("content", "");
    if (chunk.contains("usage") && !chunk["usage"].is_null()) usage = chunk["usage"];
  }
  EXPECT_EQ(text, whole["choices"][0]["message"]["content"]);
  EXPECT_EQ(usage["completion_tokens"], whole["usage"]["completion_tokens"]);
}

TEST_F(ApiServerTest, SpeaksAllProtocols) {
  serve();
  const std::string text = Json::parse(
      post("/v1/chat/completions", chat("What are you?")).body)["choices"][0]["message"]["content"];

  const Json messages = Json::parse(post("/v1/messages", chat("What are you?")).body);
  EXPECT_EQ(messages["type"], "message");
  EXPECT_EQ(messages["content"][0]["text"], text);
  const Json responses = Json::parse(
      post("/v1/responses", {{"model", "m"}, {"input", "What are you?"}, {"max_output_tokens", 24}})
          .body);
  EXPECT_EQ(responses["object"], "response");
  EXPECT_EQ(responses["output"][0]["content"][0]["text"], text);
  const Json prompt = Json::parse(post("/apply-template", chat("What are you?")).body);
  const Json completion = Json::parse(
      post("/v1/completions", {{"model", "m"}, {"prompt", prompt["prompt"]}, {"max_tokens", 24}})
          .body);
  EXPECT_EQ(completion["choices"][0]["text"].get<std::string>().rfind(text, 0), 0u)
      << completion.dump();
  const Json counted = Json::parse(post("/v1/messages/count_tokens", chat("What are you?")).body);
  EXPECT_EQ(counted["input_tokens"], messages["usage"]["input_tokens"].get<int>() +
                                         messages["usage"].value("cache_read_input_tokens", 0));
}

TEST_F(ApiServerTest, EchoesAndScoresPrompts) {
  serve();
  const std::string prompt = "the steel tube is lit.";

  const Json json = Json::parse(
      post("/v1/completions",
           {{"model", "m"}, {"prompt", prompt}, {"echo", true}, {"logprobs", 2}, {"max_tokens", 1}})
          .body);

  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["text"].get<std::string>().rfind(prompt, 0), 0u) << choice.dump();
  const Json& logprobs = choice["logprobs"];
  const std::size_t n = tokenizer_->encode(prompt, SpecialTokens::parse).size();
  ASSERT_EQ(logprobs["token_logprobs"].size(), n + 1) << choice.dump();
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  for (std::size_t i = 1; i < n; ++i) EXPECT_LT(logprobs["token_logprobs"][i], 0.0);
  EXPECT_EQ(logprobs["text_offset"][0], 0);
}

TEST_F(ApiServerTest, FollowsASchema) {
  serve();
  Json request = chat("What are you?", 200);
  request["response_format"] = {
      {"type", "json_schema"},
      {"json_schema",
       {{"name", "x"},
        {"schema",
         {{"type", "object"},
          {"properties", {{"kind", {{"enum", {"cat", "dog"}}}}, {"n", {{"type", "boolean"}}}}},
          {"required", {"kind", "n"}},
          {"additionalProperties", false}}}}}};

  const TestResponse response = post("/v1/chat/completions", request);

  ASSERT_EQ(response.status, 200) << response.body;
  const Json answer = Json::parse(
      Json::parse(response.body)["choices"][0]["message"]["content"].get<std::string>());
  EXPECT_TRUE(answer["kind"] == "cat" || answer["kind"] == "dog") << answer.dump();
  EXPECT_TRUE(answer["n"].is_boolean());
  request["response_format"]["json_schema"]["schema"] = {{"not", {{"type", "string"}}}};
  const TestResponse refused = post("/v1/chat/completions", request);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("not"), std::string::npos) << refused.body;
}

TEST_F(ApiServerTest, ForcesToolCalls) {
  serve();
  Json request = chat("hello", 300);
  request["tools"] = {{{"type", "function"},
                       {"function",
                        {{"name", "switch"},
                         {"parameters",
                          {{"type", "object"},
                           {"properties", {{"on", {{"type", "boolean"}}}}},
                           {"required", {"on"}}}}}}}};
  request["tool_choice"] = "required";

  const Json json = Json::parse(post("/v1/chat/completions", request).body);

  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls") << json.dump();
  const Json& call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["function"]["name"], "switch");
  EXPECT_TRUE(Json::parse(call["function"]["arguments"].get<std::string>())["on"].is_boolean());
}

TEST_F(ApiServerTest, TheNextTurnComputesOnlyWhatIsNew) {
  serve();
  Json request = chat("What are you?", 12);
  const Json first = Json::parse(post("/v1/chat/completions", request).body);
  request["messages"].push_back(first["choices"][0]["message"]);
  request["messages"].push_back({{"role", "user"}, {"content", "Say more."}});

  const Json second = Json::parse(post("/v1/chat/completions", request).body);

  const int cached = second["usage"]["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GE(cached, first["usage"]["prompt_tokens"].get<int>() - 1) << second.dump();
}

TEST_F(ApiServerTest, AnswersDoNotDependOnTheLoad) {
  ApiServerOptions options;
  options.scheduler.n_slots = 8;
  serve(options);
  std::vector<Json> requests;
  std::vector<std::string> expected;
  for (int i = 0; i < 12; ++i) {
    requests.push_back(chat(std::string(static_cast<std::size_t>(1 + 7 * i), 'a') + " what?", 20));
    requests.back()["temperature"] = i % 2;
    requests.back()["seed"] = i;
    expected.push_back(
        Json::parse(post("/v1/chat/completions", requests.back()).body)["choices"][0]["message"]
            .dump());
  }
  std::vector<std::string> actual(requests.size());
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    clients.emplace_back([&, i] {
      actual[i] =
          Json::parse(post("/v1/chat/completions", requests[i]).body)["choices"][0]["message"]
              .dump();
    });
  }
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(actual, expected);
}

TEST_F(ApiServerTest, AVanishedClientFreesItsSlot) {
  ApiServerOptions options;
  options.scheduler.n_slots = 1;
  serve(options);
  Json request = chat("What are you?", 30000);
  request["stream"] = true;
  request["logit_bias"] = {{std::to_string(engine_->config().eos_token_id), -100}};
  TestClient client(server_->port());
  client.send(http_text("POST", "/v1/chat/completions", request.dump()));
  client.read_until("data: ");

  client.close();

  EXPECT_EQ(post("/v1/chat/completions", chat("hello", 2)).status, 200);
}

TEST_F(ApiServerTest, RefusesClearly) {
  ApiServerOptions options;
  options.context = 100;
  serve(options);

  EXPECT_EQ(exchange(server_->port(), "POST", "/v1/chat/completions", "{\"a\":").status, 400);
  const TestResponse too_long =
      post("/v1/chat/completions", chat(std::string(2000, 'x') + " y z", 5));
  EXPECT_EQ(too_long.status, 400);
  EXPECT_EQ(Json::parse(too_long.body)["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(get("/nowhere").status, 404);
  EXPECT_EQ(get("/v1/chat/completions").status, 405);
  EXPECT_EQ(get("/v1/models/other").status, 404);
  EXPECT_EQ(post("/v1/embeddings", {{"input", "x"}}).status, 501);
  EXPECT_EQ(post("/v1/completions", {{"prompt", {999999}}}).status, 400);
  const Json anthropic = Json::parse(post("/v1/messages", {{"messages", Json::array()}}).body);
  EXPECT_EQ(anthropic["type"], "error");
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(ApiServerTest, KeysAreAskedFor) {
  ApiServerOptions options;
  options.api_keys = {"secret", "other"};
  serve(options);

  EXPECT_EQ(get("/v1/models").status, 401);
  EXPECT_EQ(
      exchange(server_->port(), "GET", "/v1/models", "", "Authorization: Bearer secret\r\n").status,
      200);
  EXPECT_EQ(exchange(server_->port(), "GET", "/v1/models", "", "x-api-key: other\r\n").status, 200);
  EXPECT_EQ(exchange(server_->port(), "GET", "/v1/models", "", "x-api-key: othe\r\n").status, 401);
  EXPECT_EQ(get("/health").status, 200) << "without a key, for supervisors";
}

TEST_F(ApiServerTest, TellsItsState) {
  serve();
  post("/v1/chat/completions", chat("What are you?", 5));

  EXPECT_EQ(Json::parse(get("/v1/models").body)["data"][0]["id"], "test-model");
  EXPECT_EQ(Json::parse(get("/props").body)["total_slots"], 4);
  EXPECT_EQ(Json::parse(get("/slots").body).size(), 4u);
  const std::string metrics = get("/metrics").body;
  EXPECT_NE(metrics.find("hadal_requests_total{model=\"test-model\",outcome=\"length\"} 1"),
            std::string::npos)
      << metrics;
  EXPECT_NE(metrics.find("vllm:generation_tokens_total{model_name=\"test-model\"} 5"),
            std::string::npos);
  const Json ids = Json::parse(post("/tokenize", {{"content", "the tube"}}).body);
  EXPECT_EQ(Json::parse(post("/detokenize", ids).body)["content"], "the tube");
}

TEST_F(ApiServerTest, DrainsAndEnds) {
  serve();
  Json request = chat("What are you?", 40);
  std::thread client([&] { EXPECT_EQ(post("/v1/chat/completions", request).status, 200); });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));

  server_->drain();

  client.join();
  server_.reset();
}

}  // namespace
}  // namespace hadal
