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

}  // namespace
}  // namespace hadal
