// An agent at work (serving.md section 2): a conversation that grows turn by turn, with tools, is
// computed once. "repeated" are prompt tokens that an earlier turn had processed or generated and
// that had to be computed again.

#include "base/temporary_directory_for_test.h"
#include "http/client_for_test.h"
#include "serve_builtin.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTurns = 30;
constexpr const char* kScript = R"({"answers": [{"when": "Look at file", "say":
  "I look.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"read\">\n<｜DSML｜parameter name=\"path\" string=\"true\">src/a  b.txt</｜DSML｜parameter>\n<｜DSML｜parameter name=\"lines\" string=\"false\">[1,  20]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>"}]})";

/// Words of a file or a question, `n` of them.
std::string words(std::size_t n, std::size_t seed) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text += fmt::format(" w{}", (i * i + seed) % 97);
  return text;
}

struct Counters {
  std::size_t n_restored, n_repeated, n_new;
};

class AgentTrace : public testing::Test {
 protected:
  static ApiServerOptions options() {
    ApiServerOptions options;
    options.script = *AnswerScript::parse(kScript, "script");
    return options;
  }
  static Counters counters(std::uint16_t port) {
    const Json prefix = monitor(port)["prefix"];
    return {prefix["restored_tokens"], prefix["repeated_tokens"], prefix["new_tokens"]};
  }
  static Json first_request() {
    return {
        {"model", "m"},
        {"max_tokens", 120},
        {"tools",
         {{{"type", "function"},
           {"function",
            {{"name", "read"},
             {"description", "Reads lines of a file"},
             {"parameters",
              {{"type", "object"},
               {"properties",
                {{"path", {{"type", "string"}}}, {"lines", {{"type", "array"}}}}}}}}}}}},
        {"messages",
         {{{"role", "system"}, {"content", fmt::format("You work on files.{}", words(60, 1))}}}}};
  }
  /// Sends, and appends what came; the size of the prompt.
  static std::size_t answer(std::uint16_t port, Json& request) {
    const auto response = exchange(port, "POST", "/v1/chat/completions", request.dump());
    EXPECT_EQ(response.status, 200) << response.body;
    const Json json = Json::parse(response.body);
    request["messages"].push_back(json["choices"][0]["message"]);
    return json["usage"]["prompt_tokens"];
  }
  /// A question, or a request to look at a file, which the script answers by a call; so that the
  /// prompt grows by some `n_words` words. The model, untrained in this, may call by itself: as an
  /// agent would, this answers what it is asked, twice at most.
  static std::size_t turn(std::uint16_t port, Json& request, std::size_t t, std::size_t n_words) {
    const bool calls = t % 3 == 1;
    const std::string text = calls ? fmt::format("Look at file {}", t)
                                   : fmt::format("Question {}:{}", t, words(n_words, t));
    request["messages"].push_back({{"role", "user"}, {"content", text}});
    std::size_t n = answer(port, request);
    EXPECT_TRUE(request["messages"].back().contains("tool_calls") || !calls);
    for (int round = 0; round < 2; ++round) {
      const Json last = request["messages"].back();
      if (!last.contains("tool_calls")) break;
      for (const Json& call : last["tool_calls"]) {
        request["messages"].push_back(
            {{"role", "tool"},
             {"tool_call_id", call["id"]},
             {"content", fmt::format("lines:{}", words(calls ? n_words : 5, 3 * t))}});
      }
      n = answer(port, request);
    }
    return n;
  }
  /// Words a turn, so that 30 of them come to 8,000 tokens or nine tenths of what the model takes.
  static std::size_t words_per_turn() {
    const auto tokens = BuiltinServer::tokenizer().encode(words(200, 1), SpecialTokens::as_text);
    const std::size_t most = std::min<std::size_t>(
        9500, BuiltinServer::engine().config().max_position_embeddings * 9 / 10);
    const std::size_t of_words = (most - 1500) / kTurns;
    return of_words * 200 / tokens.size();
  }
};

TEST_F(AgentTrace, ThirtyTurnsAreComputedOnce) {
  Json request = first_request();
  std::size_t n_prompt = 0;
  {
    const BuiltinServer server(options());
    for (std::size_t t = 0; t < kTurns; ++t)
      n_prompt = turn(server.port(), request, t, words_per_turn());
    const Counters total = counters(server.port());
    const std::size_t n_known = total.n_restored + total.n_repeated;
    fmt::print("{} turns, last prompt {} tokens; known {}, repeated {} ({:.2f} %), new {}\n",
               kTurns, n_prompt, n_known, total.n_repeated,
               100.0 * static_cast<double>(total.n_repeated) / static_cast<double>(n_known),
               total.n_new);
    EXPECT_LT(total.n_repeated * 100, n_known * 3);
    EXPECT_GT(n_known, n_prompt * 10);
  }
  // The bytes are those of a cold server.
  const BuiltinServer cold(options());
  Json again = request;
  const Json last = again["messages"].back();
  again["messages"].erase(again["messages"].size() - 1);
  answer(cold.port(), again);
  EXPECT_EQ(again["messages"].back()["content"], last["content"]);
}

TEST_F(AgentTrace, AnEditIsComputedFromThere) {
  const BuiltinServer server(options());
  Json request = first_request();
  for (std::size_t t = 0; t < 12; ++t) turn(server.port(), request, t, words_per_turn() / 2);
  const Counters before = counters(server.port());
  Json edited = request;
  auto& messages = edited["messages"];
  const std::size_t n_kept = messages.size() / 2;
  while (messages.size() > n_kept || messages.back()["role"] != "user")
    messages.erase(messages.size() - 1);
  messages.back()["content"] = "Something else.";

  const std::size_t n_prompt = answer(server.port(), edited);

  const Counters after = counters(server.port());
  const std::size_t n_restored = after.n_restored - before.n_restored;
  EXPECT_GT(n_restored + 300, n_prompt) << "snapshots stand at most 256 tokens apart at messages";
  EXPECT_LT(after.n_repeated - before.n_repeated, 300u);
}

TEST_F(AgentTrace, ARestartedServerGoesOn) {
  const TemporaryDirectory folder;
  ApiServerOptions stored = options();
  stored.store = folder.path().string();
  Json request = first_request();
  {
    const BuiltinServer server(stored);
    for (std::size_t t = 0; t < 12; ++t) turn(server.port(), request, t, words_per_turn());
  }
  Json cold_request = request;
  std::size_t n_prompt = 0;
  {
    const BuiltinServer server(stored);
    n_prompt = turn(server.port(), request, 12, 20);
    const Counters total = counters(server.port());
    EXPECT_LT(total.n_repeated * 100, (total.n_restored + total.n_repeated) * 3);
    EXPECT_GT(total.n_restored, n_prompt * 9 / 10);
  }
  // A cold server that remembers no sampled tokens: what it says is the same.
  const BuiltinServer cold(options());
  turn(cold.port(), cold_request, 12, 20);
  EXPECT_EQ(request["messages"].back()["content"], cold_request["messages"].back()["content"]);
}

}  // namespace
}  // namespace hadal
