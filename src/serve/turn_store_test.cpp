#include "serve/turn_store.h"

#include "base/temporary_directory_for_test.h"
#include "chat/prompt_template.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using Ids = std::vector<std::int32_t>;

/// Bytes as tokens 0 .. 255, "ab" as 256, then the special tokens that prompts need.
Tokenizer tokenizer() {
  VocabularyTables tables;
  // GPT-2's alphabet: printable bytes as themselves, the others from U+0100 on.
  int n_other = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int code = printable ? byte : 256 + n_other++;
    std::string text;
    if (code < 128) {
      text = static_cast<char>(code);
    } else {
      text += static_cast<char>(0xC0 | (code >> 6));
      text += static_cast<char>(0x80 | (code & 63));
    }
    tables.tokens.push_back(text);
    tables.types.push_back(TokenType::normal);
  }
  tables.tokens.push_back("ab");
  tables.types.push_back(TokenType::normal);
  tables.merges.push_back("a b");
  for (const std::string_view special : {kBosToken, kEosToken, kUserToken, kAssistantToken,
                                         kThinkToken, kThinkEndToken, kDsmlToken}) {
    tables.tokens.emplace_back(special);
    tables.types.push_back(TokenType::user_defined);
  }
  auto made = Tokenizer::from_vocabulary(tables, "test");
  EXPECT_TRUE(made) << made.error().message;
  return std::move(made).value();
}

constexpr std::int32_t kA = 'a', kB = 'b', kAb = 256, kThinkEnd = 262;

Message answer(std::string content, std::string reasoning = "") {
  return {.role = Role::assistant,
          .content = std::move(content),
          .reasoning_content = std::move(reasoning)};
}

TEST(TurnStore, RepeatsTheTokensThatWereSampled) {
  const Tokenizer t = tokenizer();
  ASSERT_EQ(t.encode("ab", SpecialTokens::as_text), Ids{kAb}) << "what encoding anew would give";
  TurnStore store(t, 1000);
  store.add(answer("ab"), Ids{kA, kB});

  const auto found = store.find(answer("ab"), false);

  ASSERT_TRUE(found);
  EXPECT_EQ(found->ids, (Ids{kA, kB}));
  EXPECT_EQ(found->text, "ab");
  EXPECT_FALSE(store.find(answer("ab "), false)) << "changed by the client";
}

TEST(TurnStore, ReasoningIsRepeatedOnlyUnchangedAndWhereThePromptHasIt) {
  const Tokenizer t = tokenizer();
  TurnStore store(t, 1000);
  store.add(answer("b", "ab"), Ids{kA, kB, kThinkEnd, kB});

  EXPECT_EQ(store.find(answer("b", "ab"), true)->ids, (Ids{kA, kB, kThinkEnd, kB}));
  EXPECT_EQ(store.find(answer("b", "ab"), false)->ids, Ids{kB});
  EXPECT_EQ(store.find(answer("b"), false)->ids, Ids{kB}) << "a client may leave it out";
  EXPECT_FALSE(store.find(answer("b"), true));
  EXPECT_FALSE(store.find(answer("b", "aB"), true));
}

TEST(TurnStore, CallsAreKnownByIdNameAndValue) {
  const Tokenizer t = tokenizer();
  TurnStore store(t, 1000);
  Message call = answer("");
  call.tool_calls = {{.id = "call_1", .name = "f", .arguments = R"({"x": 1, "y": [2]})"}};
  store.add(call, Ids{kA});

  call.tool_calls[0].arguments = R"({"y":[2],"x":1})";
  EXPECT_TRUE(store.find(call, false));
  call.tool_calls[0].arguments = R"({"y":[2],"x":2})";
  EXPECT_FALSE(store.find(call, false));
  call.tool_calls[0] = {.id = "call_2", .name = "f", .arguments = R"({"x": 1, "y": [2]})"};
  EXPECT_FALSE(store.find(call, false));
}

TEST(TurnStore, ForgetsWhatWasNotUsedForLongest) {
  const Tokenizer t = tokenizer();
  TurnStore store(t, 5);
  store.add(answer("1"), Ids{kA, kA});
  store.add(answer("2"), Ids{kA, kB});
  EXPECT_TRUE(store.find(answer("1"), false));
  store.add(answer("3"), Ids{kB, kB});

  EXPECT_EQ(store.n_turns(), 2u);
  EXPECT_TRUE(store.find(answer("1"), false));
  EXPECT_FALSE(store.find(answer("2"), false));
  store.add(answer("1"), Ids{kB});
  EXPECT_EQ(store.find(answer("1"), false)->ids, Ids{kB}) << "the newest counts";
}

TEST(TurnStore, TurnsOutliveTheStoreInAFile) {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "turns.sqlite").string();
  const Tokenizer t = tokenizer();
  {
    TurnStore store(t, 5);
    ASSERT_TRUE(store.keep_in(path, 7));
    store.add(answer("1"), Ids{kA, kA});
    store.add(answer("2"), Ids{kA, kB});
    store.add(answer("3"), Ids{kB, kB});
    store.add(answer("2"), Ids{kB});
  }
  TurnStore again(t, 5);
  ASSERT_TRUE(again.keep_in(path, 7));
  EXPECT_EQ(again.n_turns(), 2u);
  EXPECT_FALSE(again.find(answer("1"), false)) << "forgotten for lack of room";
  ASSERT_TRUE(again.find(answer("2"), false));
  EXPECT_EQ(again.find(answer("2"), false)->ids, Ids{kB});
  EXPECT_EQ(again.find(answer("3"), false)->ids, (Ids{kB, kB}));

  TurnStore of_another_model(t, 5);
  ASSERT_TRUE(of_another_model.keep_in(path, 8));
  EXPECT_EQ(of_another_model.n_turns(), 0u);
}

TEST(TurnStore, PromptsBeginWithTheTokensOfTheAnswer) {
  const Tokenizer t = tokenizer();
  TurnStore store(t, 1000);
  store.add(answer("ab"), Ids{kA, kB});
  Conversation conversation{
      {{.role = Role::user, .content = "x"}, answer("ab"), {.role = Role::user, .content = "ab"}}};
  const Prompt plain = encode_prompt(conversation, {}).value();

  const Prompt prompt = encode_prompt(conversation, {}, [&](const Message& m, bool with_reasoning) {
                          return store.find(m, with_reasoning);
                        }).value();

  EXPECT_EQ(prompt.text(), plain.text());
  Ids expected = plain.encode(t);
  const auto at = std::find(expected.begin(), expected.end(), kAb);
  ASSERT_NE(at, expected.end());
  *at = kA;
  expected.insert(at + 1, kB);
  EXPECT_EQ(prompt.encode(t), expected) << "the user's text is encoded as ever";
}

TEST(Prompt, TellsWhereTurnsEnd) {
  const Tokenizer t = tokenizer();
  const Conversation conversation{{{.role = Role::system, .content = "s"},
                                   {.role = Role::user, .content = "xy"},
                                   answer("z"),
                                   {.role = Role::user, .content = "u"}}};
  std::vector<std::size_t> ends;

  const Ids ids = encode_prompt(conversation, {}).value().encode(t, &ends);

  // BOS s | User x y | Assistant </think> z EOS | User u | Assistant </think>
  EXPECT_EQ(ends, (std::vector<std::size_t>{2, 5, 9, 11}));
  EXPECT_EQ(ids.size(), 13u);
}

}  // namespace
}  // namespace hadal
