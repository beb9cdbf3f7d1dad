// Requests that no client should send: an error that names a field, or a success; never a crash.
#include "chat/prompt_encoder.h"
#include "protocol/field.h"
#include "protocol/json_text.h"
#include "protocol/script_for_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

std::vector<Json> replacements() {
  return {nullptr,
          true,
          0,
          -1,
          1e300,
          UINT64_MAX,
          "",
          "x",
          "\u00e9\u4e16\U0001F600",
          std::string(1, '\0'),
          Json::array(),
          Json::array({1, "a", nullptr, Json::array(), Json::object()}),
          Json::object(),
          {{"type", "text"}, {"name", 1}, {"text", Json::array()}},
          {{"type", "function"}, {"function", {{"name", "f"}}}}};
}

/// What every use of a request does.
void use(const std::string& name, const std::string& body, std::size_t& n_errors) {
  const auto request = parse_named(name, body);
  if (!request) {
    ++n_errors;
    if (body.starts_with('{')) {
      EXPECT_FALSE(field_of(request.error()).empty()) << body << "\n" << request.error().message;
    }
    EXPECT_TRUE(is_valid_utf8(api_error(request.error()).message)) << body;
    EXPECT_TRUE(Json::accept(error_body(api_error(request.error()), Protocol::chat, "r"))) << body;
    return;
  }
  const std::vector<ChatEvent> events = {ReasoningDelta{"r"}, ContentDelta{"c"},
                                         ToolCallBegin{0, "i", "f"}, ToolCallEnd{0}};
  const Answer answer = answer_of(events, FinishReason::tool_calls);
  EXPECT_TRUE(Json::accept(answer_body(*request, test_head(), answer))) << body;
  EXPECT_FALSE(stream_of(*request, events, answer).empty()) << body;
  (void)encode_prompt(request->conversation, {});
}

void replace_everywhere(const std::string& name, Json& root, Json& node, std::size_t& n_tried,
                        std::size_t& n_errors) {
  const Json original = node;
  for (const Json& other : replacements()) {
    node = other;
    use(name, root.dump(), n_errors);
    ++n_tried;
  }
  node = original;
  if (!node.is_structured()) return;
  for (auto& child : node) replace_everywhere(name, root, child, n_tried, n_errors);
}

}  // namespace

TEST(HostileRequest, EveryValueReplacedByEveryTypeIsAnErrorOrASuccess) {
  std::size_t n_tried = 0, n_errors = 0;
  for (const std::string& name : golden_requests()) {
    Json root = Json::parse(read_golden("requests/" + name + ".json"));
    replace_everywhere(name, root, root, n_tried, n_errors);
  }

  EXPECT_GT(n_tried, 5000u);
  EXPECT_GT(n_errors, n_tried / 4);
  EXPECT_LT(n_errors, n_tried);
}

TEST(HostileRequest, EveryValueLeftOutIsAnErrorOrASuccess) {
  std::size_t n_errors = 0;
  for (const std::string& name : golden_requests()) {
    const Json root = Json::parse(read_golden("requests/" + name + ".json"));
    const Json flat = root.flatten();
    for (const auto& [path, value] : flat.items()) {
      Json cut = root;
      const Json::json_pointer place(path);
      Json& parent = cut[place.parent_pointer()];
      if (parent.is_object())
        parent.erase(place.back());
      else if (parent.is_array())
        parent.erase(static_cast<std::size_t>(std::stoul(place.back())));
      use(name, cut.dump(), n_errors);
    }
  }
  EXPECT_GT(n_errors, 10u);
}

TEST(HostileRequest, EveryPrefixOfEveryRequestIsRefused) {
  for (const std::string& name : golden_requests()) {
    const std::string body = Json::parse(read_golden("requests/" + name + ".json")).dump();
    for (std::size_t n = 0; n < body.size(); n += 1 + n / 16)
      EXPECT_FALSE(parse_named(name, std::string_view(body).substr(0, n)).has_value()) << n;
  }
}

TEST(HostileRequest, DeepNestingHugeNumbersAndBadTextAreRefused) {
  std::string deep = R"({"messages": [{"role": "user", "content": )";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + "}]}";
  const std::string head = R"({"prompt": "a", "max_tokens": )";
  const std::vector<std::string> bodies = {
      deep,
      R"({"prompt": )" + std::string(400, '[') + std::string(400, ']') + "}",
      head + std::string(5000, '9') + "}",
      head + "1e999}",
      head + "-0.5}",
      head + "NaN}",
      "{\"prompt\": \"\xFF\"}",
      "{\"prompt\": \"\xED\xA0\x80\"}",
      "{\"prompt\": \"\\ud800\"}",
      "{\"prompt\": \"\xC3",
      "",
      std::string(3, '\0')};

  for (const std::string& body : bodies) {
    EXPECT_FALSE(parse_named("completions-x", body).has_value()) << body.substr(0, 60);
    EXPECT_FALSE(parse_named("chat-x", body).has_value()) << body.substr(0, 60);
  }
}

// A reference costs its sender 50 bytes, and the server what it names.
TEST(HostileRequest, ReferencesBringInNoMoreThanARequestMayHold) {
  std::size_t n_found = 0;
  ParseOptions options;
  options.new_id = [](std::string_view prefix) { return std::string(prefix); };
  options.find_item = [&](std::string_view) -> Result<std::string> {
    ++n_found;
    return fmt::format(R"({{"type": "message", "role": "user", "content": "{}"}})",
                       std::string(20u << 20, 'x'));
  };
  std::string list;
  for (int i = 0; i < 8; ++i)
    list += fmt::format(R"({}{{"type": "item_reference", "id": "msg_1"}})", i == 0 ? "" : ",");

  const auto request = parse_responses_request(fmt::format(R"({{"input": [{}]}})", list), options);

  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(request.error().message.rfind("input[3]: the stored items", 0), 0u)
      << request.error().message;
  EXPECT_EQ(n_found, 4u) << "nothing is looked up beyond";
}

}  // namespace hadal
