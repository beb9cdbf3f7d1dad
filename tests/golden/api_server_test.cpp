// The server over its socket, with the built-in model: each path, each protocol, and the promise
// that an answer does not depend on what happens beside it.

#include "agent/builtin_worlds.h"
#include "agent/told_episode.h"
#include "api_server_for_test.h"
#include "base/temporary_directory_for_test.h"
#include "serve/loading_site.h"
#include "worlds/generator.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

namespace hadal {
namespace {

TEST_F(ApiServerTest, AnswersAsTheModelDoesOnItsOwn) {
  // Gone before the server's thread begins: that alone uses the model then.
  const auto expected =
      LocalModel(*engine_, *tokenizer_, {})
          .complete({.prompt = Conversation{{{.role = Role::user, .content = "What are you?"}}},
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
  // and the model's own token, which may be the end of the text
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

TEST_F(ApiServerTest, FollowsASchemaBesideTools) {
  serve();
  const Json parameters = {{"type", "object"}, {"properties", {{"on", {{"type", "boolean"}}}}}};
  Json request = chat("hello", 300);
  request["tools"] = {
      {{"type", "function"}, {"function", {{"name", "switch"}, {"parameters", parameters}}}}};
  request["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "x"}, {"schema", {{"enum", {"cat", "dog"}}}}}}};

  const Json json = Json::parse(post("/v1/chat/completions", request).body);

  const Json& message = json["choices"][0]["message"];
  if (message.contains("tool_calls")) {
    EXPECT_EQ(message["tool_calls"][0]["function"]["name"], "switch") << json.dump();
  } else {
    const std::string text = message["content"];
    EXPECT_TRUE(text == "\"cat\"" || text == "\"dog\"") << json.dump();
  }
  request["response_format"]["json_schema"]["schema"] = {{"not", {{"type", "string"}}}};
  const TestResponse refused = post("/v1/chat/completions", request);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("response_format"), std::string::npos) << refused.body;
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

TEST_F(ApiServerTest, ListensWhileTheModelIsBeingLoaded) {
  LoadingSite loading("");
  auto http = HttpServer::start({.port = 0}, loading);
  ASSERT_TRUE(http) << http.error().message;
  const std::uint16_t port = (*http)->port();

  const TestResponse health = exchange(port, "GET", "/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_NE(health.head.find("Retry-After: 2"), std::string::npos) << health.head;
  const Json told = Json::parse(health.body)["error"];
  EXPECT_EQ(told["message"], "Loading model") << "llama.cpp's words";
  EXPECT_EQ(told["type"], "unavailable_error");
  EXPECT_EQ(Json::parse(exchange(port, "POST", "/v1/messages", "{}").body)["error"]["type"],
            "overloaded_error");
  EXPECT_NE(exchange(port, "GET", "/").head.find("text/html"), std::string::npos);

  ApiServerOptions options;
  options.scheduler.state_bytes = 64u << 20;
  auto server = ApiServer::take_over(std::move(*http), *engine_, *tokenizer_, options);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ((*server)->port(), port);
  EXPECT_EQ(exchange(port, "GET", "/health").status, 200);
  EXPECT_EQ(exchange(port, "POST", "/v1/chat/completions", chat("Hello").dump()).status, 200);
  server->reset();
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

TEST_F(ApiServerTest, GrammarsOfCustomToolsAreKeptOrRefused) {
  serve();
  Json request = chat("Move.");
  request["tools"] = Json::array(
      {{{"type", "custom"},
        {"custom",
         {{"name", "chess"},
          {"format",
           {{"type", "grammar"}, {"grammar", {{"syntax", "lark"}, {"definition", ""}}}}}}}}});
  request["tool_choice"] = "required";
  request["max_tokens"] = 200;
  // No key is added from here on, which would move it.
  Json& definition = request["tools"][0]["custom"]["format"]["grammar"]["definition"];

  definition = "start: \"move \" /[a-h][1-8]/ | move";
  const TestResponse refused = post("/v1/chat/completions", request);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("'move' is not defined"), std::string::npos) << refused.body;
  definition = "start: \"move \" /[a-h][1-8]/";
  const TestResponse kept = post("/v1/chat/completions", request);
  ASSERT_EQ(kept.status, 200) << kept.body;
  const Json answer = Json::parse(kept.body);
  for (const Json& call : answer["choices"][0]["message"]["tool_calls"])
    EXPECT_EQ(call["custom"]["input"].get<std::string>().rfind("move ", 0), 0u) << call;
  EXPECT_NE(kept.body.find("\"move "), std::string::npos) << kept.body;
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

TEST_F(ApiServerTest, MonitorTellsWhatWasComputed) {
  serve();
  const auto sum_of_layer = [](const Json& monitor, std::size_t layer) {
    std::uint64_t sum = 0;
    if (layer < monitor["experts"]["layers"].size())
      for (const Json& count : monitor["experts"]["layers"][layer])
        sum += count.get<std::uint64_t>();
    return sum;
  };
  const Json before = Json::parse(get("/monitor").body);

  const Json answer = Json::parse(post("/v1/chat/completions", chat("What are you?", 5)).body);
  const Json after = Json::parse(get("/monitor").body);

  const std::size_t n_prompt = answer["usage"]["prompt_tokens"];
  EXPECT_EQ(after["prefix"]["new_tokens"], n_prompt);
  EXPECT_EQ(after["prefix"]["restored_tokens"], 0);
  EXPECT_EQ(after["totals"]["requests"]["length"], 1);
  EXPECT_EQ(after["disk"], nullptr);
  EXPECT_GT(after["process"]["rss_bytes"], 1 << 20);
  const ModelConfig& config = engine_->config();
  ASSERT_GE(after["experts"]["layers"].size(), config.num_hidden_layers);
  for (std::size_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    // The last token of an answer is told, not read.
    EXPECT_EQ(sum_of_layer(after, layer) - sum_of_layer(before, layer),
              (n_prompt + 4) * config.num_experts_per_tok)
        << "layer " << layer;
  }
}

TEST_F(ApiServerTest, ServesThePageWithoutAKey) {
  ApiServerOptions options;
  options.api_keys = {"secret"};
  serve(options);

  const TestResponse page = get("/");

  ASSERT_EQ(page.status, 200);
  EXPECT_NE(page.head.find("Content-Type: text/html; charset=utf-8"), std::string::npos);
  EXPECT_NE(page.head.find("Content-Security-Policy: default-src 'none'; script-src 'self'"),
            std::string::npos);
  EXPECT_NE(page.body.find("/app.js"), std::string::npos) << page.body;
  for (const char* path : {"/app.js", "/app.css", "/icon.svg"})
    EXPECT_EQ(get(path).status, 200) << path;
  EXPECT_EQ(get("/monitor").status, 401);
  const std::size_t at = page.head.find("ETag: ") + 6;
  const std::string etag = page.head.substr(at, page.head.find("\r\n", at) - at);
  const auto again =
      exchange(server_->port(), "GET", "/", "", fmt::format("If-None-Match: {}\r\n", etag));
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
}

TEST_F(ApiServerTest, PlaysWorldsAsTheModelDoesOnItsOwn) {
  const worlds::World world = worlds::generate_world(
      {.split = worlds::Split::test, .domain = 0, .depth = 2, .seed = 3, .index = 0},
      builtin_worlds().world);
  std::vector<std::string> written;
  bool is_solved = false;
  {  // the server's thread alone uses the model from serve() on, its pages' pool included
    ToldEpisode expected(world, builtin_worlds().world,
                         std::move(*model_actor(engine_->model(), *tokenizer_, {})));
    while (!expected.done()) ASSERT_TRUE(expected.step());
    for (const auto& step : expected.steps()) written.push_back(step.step.written);
    is_solved = expected.solved();
  }
  serve();
  EXPECT_EQ(Json::parse(get("/worlds").body)["available"], true);
  const Json asked = {{"domain", "household"}, {"depth", 2}, {"seed", 3}};

  const TestResponse played = post("/worlds/play", asked);

  ASSERT_EQ(played.status, 200) << played.body;
  const Json told = Json::parse(played.body);
  ASSERT_EQ(told["steps"].size(), written.size());
  for (std::size_t i = 0; i < told["steps"].size(); ++i)
    EXPECT_EQ(told["steps"][i]["written"], written[i]);
  EXPECT_EQ(told["solved"], is_solved);
  Json changed = asked;
  const std::string fact = told["facts"][0];
  const auto& all = told["literals"];
  const auto at = std::find(all.begin(), all.end(), fact) - all.begin();
  changed["what_if"] = {{"fact", all[static_cast<std::size_t>(at ^ 1)]}, {"after", 0}};
  const Json what_if = Json::parse(post("/worlds/play", changed).body);
  EXPECT_EQ(what_if["what_if"][0]["fact"], changed["what_if"]["fact"]) << what_if;
  changed["what_if"]["fact"] = "the moon is cheese";
  EXPECT_EQ(post("/worlds/play", changed).status, 400);
  changed["what_if"] = {{"fact", fact}, {"after", 99}};
  EXPECT_EQ(post("/worlds/play", changed).status, 400);
  EXPECT_EQ(post("/worlds/play", {{"depth", 99}}).status, 400);
}

TEST_F(ApiServerTest, ACancelledResponseEndsItsStream) {
  std::string words;
  for (int i = 0; i < 2000; ++i) words += " word";
  ApiServerOptions options;
  const Json script = {{"answers", {{{"when", "talk"}, {"say", words}}}}};
  options.script = *AnswerScript::parse(script.dump(), "script");
  serve(options);
  Json request = {{"model", "m"}, {"input", "talk"}};
  const std::size_t n_whole =
      Json::parse(post("/v1/responses", request).body)["usage"]["output_tokens"];
  ASSERT_GE(n_whole, 2000u);
  request["stream"] = true;
  TestClient client(server_->port());
  client.send(http_text("POST", "/v1/responses", request.dump()));
  const std::string begin = client.read_until("response.output_text.delta");
  const std::size_t at = begin.find("resp_");
  ASSERT_NE(at, std::string::npos) << begin;
  const std::string id = begin.substr(at, begin.find('"', at) - at);

  const TestResponse cancelled = post(fmt::format("/v1/responses/{}/cancel", id), Json::object());

  ASSERT_EQ(cancelled.status, 200) << cancelled.body;
  EXPECT_EQ(Json::parse(cancelled.body)["id"], id);
  const std::string rest = client.read_all();
  const std::size_t usage = rest.find("\"output_tokens\":");
  ASSERT_NE(usage, std::string::npos) << rest;
  EXPECT_LT(std::stoul(rest.substr(usage + 16)), n_whole);
  EXPECT_NE(rest.find("event: response.incomplete"), std::string::npos) << rest;
  EXPECT_EQ(Json::parse(get("/v1/responses/" + id).body)["status"], "cancelled");
  EXPECT_EQ(post("/v1/responses/resp_none/cancel", Json::object()).status, 404);
}

TEST_F(ApiServerTest, TracesPromptAndAnswerForTheOwnerAlone) {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "trace").string();
  ApiServerOptions options;
  options.trace = path;
  serve(options);

  post("/v1/chat/completions", chat("What are you?", 5));

  server_.reset();
  std::ifstream file(path);
  std::string request, answer;
  std::getline(file, request);
  std::getline(file, answer);
  EXPECT_EQ(Json::parse(request)["path"], "/v1/chat/completions");
  EXPECT_NE(Json::parse(answer)["prompt"].get<std::string>().find("<｜User｜>What are you?"),
            std::string::npos)
      << answer;
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

// What the server's end has cut must not look like an answer: an agent would act on it.
TEST_F(ApiServerTest, WhatTheEndOfTheServerCutIsAnError) {
  std::string words;
  for (int i = 0; i < 20000; ++i) words += " word";
  ApiServerOptions options;
  options.scheduler.n_slots = 1;
  options.drain_seconds = 0;
  const Json script = {{"answers", {{{"when", "talk"}, {"say", words}}}}};
  options.script = *AnswerScript::parse(script.dump(), "script");
  serve(options);
  Json request = chat("talk", 30000);
  request["stream"] = true;
  TestClient running(server_->port());
  running.send(http_text("POST", "/v1/chat/completions", request.dump()));
  running.read_until("finish_reason");
  TestClient waiting(server_->port());
  request["stream"] = false;
  waiting.send(http_text("POST", "/v1/chat/completions", request.dump()));
  while (Json::parse(get("/monitor").body)["queue"] == 0) {
  }

  server_->drain();

  const std::string rest = running.read_all();
  EXPECT_NE(rest.find("\"error\""), std::string::npos) << rest.substr(rest.size() / 2);
  EXPECT_EQ(rest.find("\"finish_reason\":\"stop\""), std::string::npos);
  EXPECT_EQ(rest.find("[DONE]"), std::string::npos);
  const std::string refused = waiting.read_all();
  EXPECT_NE(refused.find(" 503 "), std::string::npos) << refused;
}

TEST_F(ApiServerTest, DrainsAndEnds) {
  serve();
  Json request = chat("What are you?", 40);
  request["stream"] = true;
  TestClient client(server_->port());
  client.send(http_text("POST", "/v1/chat/completions", request.dump()));
  client.read_until("finish_reason");

  server_->drain();

  const std::string rest = client.read_all();
  EXPECT_EQ(rest.find("\"error\""), std::string::npos) << rest;
  EXPECT_NE(rest.find("[DONE]"), std::string::npos) << rest;
  EXPECT_ANY_THROW(TestClient{server_->port()}) << "the address is let go";
  server_.reset();
}

}  // namespace
}  // namespace hadal
