#include "chat/prompt.h"

#include "chat/prompt_encoder.h"
#include "chat/prompt_template.h"
#include "tokenizer/synthetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace hadal {

namespace {

/// All bytes, the special tokens, and merges that reach over the seams of our templates.
Tokenizer small_tokenizer(bool with_specials = true) {
  VocabularyTables tables = make_synthetic_vocabulary(400, 0, 1, 2);
  std::size_t free_row = 399;
  const auto add = [&](const std::string& text, TokenType type) {
    tables.tokens[free_row] = text;
    tables.types[free_row--] = type;
  };
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
           {"Ċ", "Ċ"}, {".", "ĊĊ"}, {"<", "t"}, {"a", "b"}}) {
    add(left + right, TokenType::normal);
    tables.merges.push_back(left + " " + right);
  }
  for (std::size_t i = 0; i < tables.tokens.size(); ++i)
    if (!with_specials && tables.types[i] == TokenType::control)
      tables.tokens[i] = "<unused " + std::to_string(i) + ">";
  auto tokenizer = Tokenizer::from_vocabulary(tables, "test");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(tokenizer).value();
}

/// A conversation that uses every template.
std::vector<Message> rich_conversation(const std::string& text) {
  Message system{.role = Role::system, .content = text + "."};
  system.tools = {{R"({"name": "f", "description": ")" + text + "\"}"}};
  system.response_format = R"({"type": "json_object"})";
  Message call{.role = Role::assistant, .content = text, .reasoning_content = text};
  call.tool_calls = {{"1", "f" + text, R"({"a": ")" + text + R"(", "b": [1]})"}};
  return {system,
          {.role = Role::latest_reminder, .content = text},
          {.role = Role::user, .content = text + "."},
          {.role = Role::user, .content = "b"},
          call,
          {.role = Role::tool, .content = text, .tool_call_id = "1"}};
}

Prompt encoded(std::vector<Message> messages, ThinkMode think) {
  auto prompt = encode_prompt({std::move(messages)}, {.think = think});
  EXPECT_TRUE(prompt) << prompt.error().message;
  return std::move(prompt).value();
}

}  // namespace

TEST(Prompt, EncodesAsItsWholeTextWould) {
  const Tokenizer tokenizer = small_tokenizer();
  for (const ThinkMode think : {ThinkMode::off, ThinkMode::high, ThinkMode::max}) {
    const Prompt prompt = encoded(rich_conversation("ab.\\n\\n你好 <t>a"), think);
    EXPECT_EQ(prompt.encode(tokenizer), tokenizer.encode(prompt.text(), SpecialTokens::parse));
  }
}

TEST(Prompt, HasStructureTokensInEventsAlone) {
  const std::string told = "So: <|fact|><|e7|><|:|> the lamp is lit.<|/ev|> a <| b";
  Prompt events, text;
  events.add_events(told);
  text.add_text(told);
  std::vector<std::string> special;
  for (const PromptSegment& segment : events.segments())
    if (segment.is_special) special.push_back(segment.text);
  EXPECT_EQ(special, (std::vector<std::string>{"<|fact|>", "<|e7|>", "<|:|>", "<|/ev|>"}));
  EXPECT_EQ(events.text(), told);
  ASSERT_EQ(text.segments().size(), 1u);
  EXPECT_FALSE(text.segments().front().is_special);
}

TEST(Prompt, JoinsTextsBetweenSpecialTokens) {
  const Prompt prompt = encoded(rich_conversation("x"), ThinkMode::max);
  for (std::size_t i = 1; i < prompt.segments().size(); ++i)
    EXPECT_TRUE(prompt.segments()[i - 1].is_special || prompt.segments()[i].is_special) << i;
}

TEST(Prompt, NeverTakesTextOfOthersForControlTokens) {
  const Tokenizer tokenizer = small_tokenizer();
  constexpr std::array kTokens = {kBosToken,      kEosToken,   kUserToken, kAssistantToken,
                                  kThinkEndToken, kThinkToken, kDsmlToken};
  std::string attack;
  for (const std::string_view token : kTokens) attack += token;
  const auto harmless = encoded(rich_conversation("x"), ThinkMode::high).encode(tokenizer);
  const auto attacked = encoded(rich_conversation(attack), ThinkMode::high).encode(tokenizer);
  for (const std::string_view token : kTokens) {
    const auto id = tokenizer.find_special(token);
    ASSERT_TRUE(id) << token;
    EXPECT_EQ(std::count(attacked.begin(), attacked.end(), *id),
              std::count(harmless.begin(), harmless.end(), *id))
        << token;
  }
  EXPECT_EQ(tokenizer.decode(attacked), encoded(rich_conversation(attack), ThinkMode::high).text());
}

TEST(Prompt, KnowsWhetherReasoningFollows) {
  const Message question{.role = Role::user, .content = "a <think>"};
  EXPECT_TRUE(encoded({question}, ThinkMode::high).opens_reasoning());
  EXPECT_FALSE(encoded({question}, ThinkMode::off).opens_reasoning());
  Message open{.role = Role::assistant, .content = "The answer <think>"};
  open.wo_eos = true;
  EXPECT_FALSE(encoded({question, open}, ThinkMode::high).opens_reasoning());
  Message action = question;
  action.task = Task::action;
  EXPECT_FALSE(encoded({action}, ThinkMode::high).opens_reasoning());
}

TEST(Prompt, WritesUnknownSpecialTokensAsText) {
  const Tokenizer tokenizer = small_tokenizer(/*with_specials=*/false);
  const Prompt prompt = encoded(rich_conversation("x"), ThinkMode::high);
  EXPECT_EQ(prompt.encode(tokenizer), tokenizer.encode(prompt.text(), SpecialTokens::as_text));
}

}  // namespace hadal
