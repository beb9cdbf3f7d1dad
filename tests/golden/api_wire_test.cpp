// What clients read beside the text of an answer: log-probabilities, several choices, errors in
// their protocol's form, and the small paths that they ask unbidden.

#include "api_server_for_test.h"

#include <algorithm>
#include <limits>

namespace hadal {
namespace {

class ApiWireTest : public ApiServerTest {
 protected:
  /// The model says `answer` to whatever has `when` in it.
  void serve_script(std::string_view when, std::string_view answer) {
    ApiServerOptions options;
    const Json script = {{"answers", {{{"when", when}, {"say", answer}}}}};
    options.script = *AnswerScript::parse(script.dump(), "script");
    serve(options);
  }
  std::string eos() const { return std::to_string(engine_->config().eos_token_id); }
  /// The chunks of a stream, without its [DONE].
  std::vector<Json> chunks_of(std::string_view path, Json request) {
    request["stream"] = true;
    std::vector<Json> chunks;
    for (const std::string& data : data_of(post(path, request).body)) {
      if (data == "[DONE]") continue;
      chunks.push_back(Json::parse(data, nullptr, false));
      EXPECT_FALSE(chunks.back().is_discarded()) << data;
    }
    return chunks;
  }
  static std::string message_of(const TestResponse& response) {
    return Json::parse(response.body)["error"]["message"];
  }
};

TEST_F(ApiWireTest, RefusesABiasForATokenThatIsNotThere) {
  serve();
  Json request = chat("hello", 2);
  for (const std::size_t id :
       {engine_->config().vocab_size, std::size_t{std::numeric_limits<std::int32_t>::max()}}) {
    request["logit_bias"] = {{std::to_string(id), 1}};
    const TestResponse refused = post("/v1/chat/completions", request);
    EXPECT_EQ(refused.status, 400) << id;
    EXPECT_NE(refused.body.find("logit_bias"), std::string::npos) << refused.body;
  }
  request["logit_bias"] = {{std::to_string(engine_->config().vocab_size - 1), 1}};
  EXPECT_EQ(post("/v1/chat/completions", request).status, 200);
}

TEST_F(ApiWireTest, CompletionsStreamWholeCharacters) {
  const std::string text = "Gr\u00fc\u00dfe \U0001F600 \u20ac";
  serve_script("smile", text);
  const Json request = {{"prompt", "smile"}, {"max_tokens", 100}, {"logprobs", 0}};

  std::string told;
  std::vector<std::size_t> offsets;
  for (const Json& chunk : chunks_of("/v1/completions", request)) {
    told += chunk["choices"][0]["text"].get<std::string>();
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (const Json& offset : logprobs["text_offset"]) offsets.push_back(offset);
  }

  EXPECT_EQ(told, text);
  const Json whole = Json::parse(post("/v1/completions", request).body)["choices"][0];
  EXPECT_EQ(whole["text"], text);
  EXPECT_EQ(Json(offsets), whole["logprobs"]["text_offset"]);
  // The end token stands behind the text, however its characters were cut into tokens.
  ASSERT_FALSE(offsets.empty());
  EXPECT_EQ(offsets.back(), 9u);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
}

TEST_F(ApiWireTest, ACutCharacterIsStillText) {
  serve_script("smile", "\U0001F600");

  const TestResponse cut = post("/v1/completions", {{"prompt", "smile"}, {"max_tokens", 1}});

  EXPECT_EQ(Json::parse(cut.body)["choices"][0]["text"], "\uFFFD") << cut.body;
}

TEST_F(ApiWireTest, TheEndTokenHasALogprobInCompletionsAlone) {
  serve();
  const std::string prompt = "the steel tube is lit.";
  const std::size_t n = tokenizer_->encode(prompt, SpecialTokens::parse).size();
  const Json bias = {{eos(), 100}};

  const Json scored = Json::parse(post("/v1/completions", {{"prompt", prompt},
                                                           {"echo", true},
                                                           {"logprobs", 1},
                                                           {"max_tokens", 1},
                                                           {"logit_bias", bias}})
                                      .body)["choices"][0];
  Json request = chat("hello", 5);
  request["logprobs"] = true;
  request["logit_bias"] = bias;
  const Json answered = Json::parse(post("/v1/chat/completions", request).body)["choices"][0];

  EXPECT_EQ(scored["text"], prompt);
  EXPECT_EQ(scored["logprobs"]["token_logprobs"].size(), n + 1) << scored.dump();
  EXPECT_EQ(answered["message"]["content"], "");
  EXPECT_TRUE(answered["logprobs"]["content"].empty()) << answered.dump();
}

TEST_F(ApiWireTest, LogprobsSpellTheTextThatWasHeldBack) {
  const std::string text = "one two \U0001F600 three";
  serve_script("count", text);
  Json request = chat("count", 100);
  request["logprobs"] = true;
  request["stop"] = {"two \U0001F601", "three four", "e t!"};
  const auto spelled = [](const Json& logprobs) {
    std::string bytes;
    for (const Json& token : logprobs)
      for (const Json& byte : token["bytes"]) bytes += static_cast<char>(byte.get<int>());
    return bytes;
  };

  const Json whole = Json::parse(post("/v1/chat/completions", request).body)["choices"][0];
  std::string told;
  for (const Json& chunk : chunks_of("/v1/chat/completions", request)) {
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (!logprobs.is_null()) told += spelled(logprobs["content"]);
  }

  EXPECT_EQ(whole["message"]["content"], text);
  EXPECT_EQ(spelled(whole["logprobs"]["content"]), text);
  EXPECT_EQ(told, text);
}

TEST_F(ApiWireTest, CallsHaveNoLogprobs) {
  serve_script("weather",
               "I look.\n\n<\uFF5CDSML\uFF5Ctool_calls>\n<\uFF5CDSML\uFF5Cinvoke name=\"f\">\n"
               "<\uFF5CDSML\uFF5Cparameter name=\"a\" string=\"true\">Paris</\uFF5CDSML\uFF5C"
               "parameter>\n</\uFF5CDSML\uFF5Cinvoke>\n</\uFF5CDSML\uFF5Ctool_calls>");
  Json request = chat("weather", 300);
  request["logprobs"] = true;
  request["tools"] = {{{"type", "function"}, {"function", {{"name", "f"}}}}};
  const auto add = [](std::string& text, const Json& logprobs) {
    if (logprobs.is_null()) return;
    for (const Json& token : logprobs["content"]) text += token["token"].get<std::string>();
  };

  const Json whole = Json::parse(post("/v1/chat/completions", request).body)["choices"][0];
  std::string at_once, streamed;
  add(at_once, whole["logprobs"]);
  for (const Json& chunk : chunks_of("/v1/chat/completions", request))
    add(streamed, chunk["choices"][0]["logprobs"]);

  EXPECT_EQ(whole["finish_reason"], "tool_calls") << whole.dump();
  // A token may hold the end of the text and the line ends before the block.
  EXPECT_EQ(at_once.substr(0, 7), "I look.");
  EXPECT_EQ(at_once.find("DSML"), std::string::npos) << at_once;
  EXPECT_EQ(at_once.find("Paris"), std::string::npos) << at_once;
  EXPECT_EQ(streamed, at_once);
}

TEST_F(ApiWireTest, TooLongPromptsAreToldInTheClientsWords) {
  ApiServerOptions options;
  options.context = 100;
  serve(options);
  const std::string text = std::string(2000, 'x') + " y z";

  const std::string messages = message_of(post("/v1/messages", chat(text, 5)));
  // Claude Code makes its history shorter when it reads these words, and those alone.
  EXPECT_EQ(messages.rfind("prompt is too long: ", 0), 0u) << messages;
  EXPECT_NE(messages.find(" tokens > 99 maximum"), std::string::npos) << messages;
  const auto param = [&](std::string_view path, const Json& body) {
    return Json::parse(post(path, body).body)["error"]["param"];
  };
  EXPECT_EQ(param("/v1/chat/completions", chat(text, 5)), "messages");
  EXPECT_EQ(param("/v1/completions", {{"prompt", text}}), "prompt");
  EXPECT_EQ(param("/v1/responses", {{"input", text}}), "input");
}

TEST_F(ApiWireTest, AnOddSchemaFreesTheArgumentsOfItsToolAlone) {
  serve_script("never said", "x");
  const Json odd = {{"type", "object"}, {"not", {{"required", {"b"}}}}};
  Json request = chat("hello", 400);
  request["tools"] = {{{"type", "function"}, {"function", {{"name", "odd"}, {"parameters", odd}}}}};
  request["tool_choice"] = "required";
  request["parallel_tool_calls"] = false;

  const TestResponse response = post("/v1/chat/completions", request);

  ASSERT_EQ(response.status, 200) << response.body;
  const Json choice = Json::parse(response.body)["choices"][0];
  if (choice["finish_reason"] == "tool_calls") {
    ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u) << choice.dump();
    EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["name"], "odd");
  } else {
    EXPECT_EQ(choice["finish_reason"], "length") << choice.dump();
  }
  request["tools"][0]["function"]["strict"] = true;
  EXPECT_EQ(post("/v1/chat/completions", request).status, 400);
}

TEST_F(ApiWireTest, SeveralChoicesAreThoseOfTheirSeeds) {
  serve();
  Json request = chat("What are you?", 12);
  request["temperature"] = 1;
  std::vector<std::string> expected;
  for (const int seed : {7, 8, 9}) {
    request["seed"] = seed;
    expected.push_back(Json::parse(
        post("/v1/chat/completions", request).body)["choices"][0]["message"]["content"]);
  }
  request["seed"] = 7;
  request["n"] = 3;

  const Json whole = Json::parse(post("/v1/chat/completions", request).body);
  std::vector<std::string> streamed(3);
  std::vector<std::string> reasons(3);
  for (const Json& chunk : chunks_of("/v1/chat/completions", request)) {
    for (const Json& choice : chunk["choices"]) {
      const std::size_t index = choice["index"];
      ASSERT_LT(index, 3u);
      streamed[index] += choice["delta"].value("content", "");
      if (!choice["finish_reason"].is_null()) reasons[index] = choice["finish_reason"];
    }
  }

  ASSERT_EQ(whole["choices"].size(), 3u) << whole.dump();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(whole["choices"][i]["index"], i);
    EXPECT_EQ(whole["choices"][i]["message"]["content"], expected[i]);
    EXPECT_EQ(streamed[i], expected[i]);
    EXPECT_EQ(reasons[i], whole["choices"][i]["finish_reason"]);
  }
  request.erase("n");
  const Json one = Json::parse(post("/v1/chat/completions", request).body);
  EXPECT_EQ(whole["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"]) << "read once";
  const Json monitor = Json::parse(get("/monitor").body);
  EXPECT_LT(monitor["prefix"]["new_tokens"], 10000) << monitor.dump();
}

TEST_F(ApiWireTest, SeveralChoicesOfSeveralPrompts) {
  serve();

  const Json json = Json::parse(
      post(
          "/v1/completions",
          {{"prompt", {"a b", "c d"}}, {"n", 2}, {"best_of", 2}, {"echo", true}, {"max_tokens", 2}})
          .body);

  ASSERT_EQ(json["choices"].size(), 4u) << json.dump();
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(json["choices"][i]["text"].get<std::string>().substr(0, 3), i < 2 ? "a b" : "c d");
  EXPECT_EQ(post("/v1/completions", {{"prompt", "a"}, {"n", 2}, {"best_of", 3}}).status, 400);
  Json many = chat("hello", 1);
  many["n"] = 129;
  EXPECT_EQ(post("/v1/chat/completions", many).status, 400);
}

TEST_F(ApiWireTest, ErrorsOfHttpAreToldInTheClientsProtocol) {
  ApiServerOptions options;
  options.http.max_body_bytes = 1000;
  options.cors_origin = "https://page.example";
  serve(options);
  const std::string body(2000, 'x');

  const TestResponse anthropic = exchange(server_->port(), "POST", "/v1/messages", body);
  const TestResponse openai = exchange(server_->port(), "POST", "/v1/chat/completions", body);

  EXPECT_EQ(anthropic.status, 413);
  const Json json = Json::parse(anthropic.body);
  EXPECT_EQ(json["type"], "error");
  EXPECT_EQ(json["error"]["type"], "request_too_large");
  ASSERT_TRUE(json["request_id"].is_string()) << json.dump();
  EXPECT_NE(anthropic.head.find("Request-Id: " + json["request_id"].get<std::string>()),
            std::string::npos)
      << anthropic.head;
  EXPECT_NE(anthropic.head.find("Access-Control-Allow-Origin: https://page.example"),
            std::string::npos);
  EXPECT_EQ(Json::parse(openai.body)["error"]["code"], "request_too_large");
}

TEST_F(ApiWireTest, AnyValidKeyWillDo) {
  ApiServerOptions options;
  options.api_keys = {"secret"};
  serve(options);
  const auto status = [&](std::string_view headers) {
    return exchange(server_->port(), "GET", "/v1/models", "", headers).status;
  };

  EXPECT_EQ(status("Authorization: bearer secret\r\n"), 200) << "schemes have no case (RFC 9110)";
  EXPECT_EQ(status("x-api-key: secret\r\nAuthorization: Bearer other\r\n"), 200);
  EXPECT_EQ(status("x-api-key: other\r\nAuthorization: Bearer secret\r\n"), 200);
  EXPECT_EQ(status("x-api-key: other\r\nAuthorization: Bearer other\r\n"), 401);
  EXPECT_EQ(status("Authorization: Basic secret\r\n"), 401);
}

TEST_F(ApiWireTest, HeadersTellWhatIsAllowed) {
  ApiServerOptions options;
  options.cors_origin = "https://page.example";
  serve(options);

  const TestResponse wrong = get("/v1/chat/completions");
  const TestResponse right = get("/v1/models");

  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: POST\r\n"), std::string::npos) << wrong.head;
  EXPECT_NE(right.head.find("Access-Control-Expose-Headers: X-Request-Id, Request-Id, Retry-After"),
            std::string::npos)
      << right.head;
}

TEST_F(ApiWireTest, TheSmallPathsOfOtherServersAnswer) {
  serve();

  const Json props = Json::parse(get("/props").body);
  const Json& params = props["default_generation_settings"]["params"];
  EXPECT_EQ(params["temperature"], 0.0) << props.dump();
  EXPECT_EQ(params["top_p"], 1.0);
  EXPECT_EQ(params["n_predict"], -1);
  EXPECT_EQ(Json::parse(get("/slots").body)[0]["params"]["n_predict"], -1);
  EXPECT_TRUE(Json::parse(get("/version").body)["version"].is_string());
  EXPECT_EQ(get("/ping").status, 200);
  EXPECT_EQ(post("/ping", Json::object()).status, 200);
  EXPECT_EQ(Json::parse(get("/load").body)["server_load"], 0);
  for (const char* path : {"/completion", "/infill", "/slots/0", "/lora-adapters",
                           "/v1/chat/completions/control", "/reset_prefix_cache"}) {
    const TestResponse refused = post(path, Json::object());
    EXPECT_EQ(refused.status, 501) << path;
    EXPECT_EQ(Json::parse(refused.body)["error"]["type"], "not_supported_error") << path;
  }
  EXPECT_EQ(get("/lora-adapters").status, 501);
}

TEST_F(ApiWireTest, CancelTellsTheResponseItself) {
  std::string words;
  for (int i = 0; i < 2000; ++i) words += " word";
  serve_script("talk", words);
  Json request = {{"input", "talk"}, {"stream", true}, {"metadata", {{"a", "b"}}}};
  TestClient client(server_->port());
  client.send(http_text("POST", "/v1/responses", request.dump()));
  const std::string begin = client.read_until("response.output_text.delta");
  const Json created = Json::parse(data_of(begin).at(0))["response"];
  Json streamed_chat = chat("talk", 3000);
  streamed_chat["stream"] = true;
  TestClient chatting(server_->port());
  chatting.send(http_text("POST", "/v1/chat/completions", streamed_chat.dump()));
  const std::string chat_begin = chatting.read_until("\n\n");
  const std::string chat_id = Json::parse(data_of(chat_begin).at(0))["id"];

  EXPECT_EQ(post("/v1/responses/" + chat_id + "/cancel", Json::object()).status, 404);
  const Json cancelled = Json::parse(
      post("/v1/responses/" + created["id"].get<std::string>() + "/cancel", Json::object()).body);

  EXPECT_EQ(cancelled["status"], "cancelled") << cancelled.dump();
  EXPECT_EQ(cancelled["created_at"], created["created_at"]);
  EXPECT_EQ(cancelled["metadata"], created["metadata"]);
}

}  // namespace
}  // namespace hadal
