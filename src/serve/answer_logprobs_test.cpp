#include "serve/answer_logprobs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hadal {
namespace {

std::string spelled(const std::vector<TokenLogprob>& tokens) {
  std::string all;
  for (const TokenLogprob& token : tokens) all += token.bytes;
  return all;
}

class AnswerLogprobsTest : public testing::Test {
 protected:
  /// The tokens that are told with the events that `bytes` brings.
  std::string say(const std::string& bytes, const std::vector<ChatEvent>& events) {
    logprobs_.add({.bytes = bytes, .logprob = -1.0f, .top = {}});
    return spelled(logprobs_.take(events));
  }
  AnswerLogprobs logprobs_;
};

TEST_F(AnswerLogprobsTest, TokensWaitForTheTextThatShowsThem) {
  EXPECT_EQ(say("a", {ContentDelta{"a"}}), "a");
  EXPECT_EQ(say("\xF0", {}), "");
  EXPECT_EQ(say("\x9F\x98\x80", {ContentDelta{"\U0001F600"}}), "\xF0\x9F\x98\x80");
  EXPECT_EQ(say("sto", {}), "");
  EXPECT_EQ(spelled(logprobs_.take_rest()), "sto");
  EXPECT_EQ(spelled(logprobs_.told()), "a\U0001F600sto");
}

TEST_F(AnswerLogprobsTest, CallsAndWhatLeadsToThemAreLeftOut) {
  EXPECT_EQ(say("a.\n", {ContentDelta{"a."}}), "a.\n");
  EXPECT_EQ(say("\n<calls>", {}), "");
  EXPECT_EQ(say("f", {ToolCallBegin{0, "id", "f"}}), "");
  EXPECT_EQ(say("{}", {ToolCallArgumentsDelta{0, "{}"}, ToolCallEnd{0}}), "");
  EXPECT_EQ(say("</calls>", {}), "");
  EXPECT_EQ(say("b", {ContentDelta{"b"}}), "b");
  EXPECT_EQ(say("g", {ContentDelta{"c"}, ToolCallBegin{1, "id", "g"}}), "g");
  EXPECT_EQ(say("</calls>", {}), "");
  EXPECT_TRUE(logprobs_.take_rest().empty());
}

}  // namespace
}  // namespace hadal
