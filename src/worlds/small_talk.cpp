#include "worlds/small_talk.h"

#include <array>

namespace hadal::worlds {
namespace {

constexpr std::string_view kHelloAnswer =
    "Hello, I am a very small model that only plans in toy worlds.";
constexpr std::string_view kWhatAnswer =
    "I am the built-in model of Hadal, trained only on toy worlds, and I know nothing "
    "else.";
constexpr std::string_view kCanAnswer =
    "I can reach a goal in a toy world by calling tools, and nothing more.";
constexpr std::string_view kThanksAnswer = "You are welcome, but I can only plan in toy worlds.";
constexpr std::string_view kLimitAnswer = "I cannot answer that, because I only know toy worlds.";

constexpr std::array<SmallTalk, 42> kExchanges = {{
    {"Hello", kHelloAnswer},
    {"Hello!", kHelloAnswer},
    {"Hi", kHelloAnswer},
    {"Hi!", kHelloAnswer},
    {"Hi there", kHelloAnswer},
    {"Hey", kHelloAnswer},
    {"Good morning", kHelloAnswer},
    {"Good evening", kHelloAnswer},
    {"How are you?", kHelloAnswer},
    {"What are you?", kWhatAnswer},
    {"Who are you?", kWhatAnswer},
    {"What is this?", kWhatAnswer},
    {"Which model is this?", kWhatAnswer},
    {"Are you DeepSeek?", kWhatAnswer},
    {"Are you an assistant?", kWhatAnswer},
    {"Who made you?", kWhatAnswer},
    {"Tell me about yourself.", kWhatAnswer},
    {"What can you do?", kCanAnswer},
    {"What can I ask you?", kCanAnswer},
    {"How can you help me?", kCanAnswer},
    {"Help", kCanAnswer},
    {"help", kCanAnswer},
    {"What are your limits?", kCanAnswer},
    {"What do you know?", kCanAnswer},
    {"Thank you", kThanksAnswer},
    {"Thanks!", kThanksAnswer},
    {"Goodbye", kThanksAnswer},
    {"Bye", kThanksAnswer},
    {"What is the capital of France?", kLimitAnswer},
    {"Write a poem.", kLimitAnswer},
    {"Tell me a joke.", kLimitAnswer},
    {"What is 2+2?", kLimitAnswer},
    {"What is the weather today?", kLimitAnswer},
    {"Write a program in Python.", kLimitAnswer},
    {"Explain gravity.", kLimitAnswer},
    {"Translate this into German.", kLimitAnswer},
    {"What time is it?", kLimitAnswer},
    {"Who won the game?", kLimitAnswer},
    {"Summarize this text.", kLimitAnswer},
    {"How do I cook rice?", kLimitAnswer},
    {"What is the meaning of life?", kLimitAnswer},
    {"Can you search the web?", kLimitAnswer},
}};

}  // namespace

std::span<const SmallTalk> small_talk() {
  return kExchanges;
}

}  // namespace hadal::worlds
