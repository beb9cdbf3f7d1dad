#include "serve/answer_script.h"

#include <nlohmann/json.hpp>

#include <variant>

namespace hadal {
namespace {

std::string_view last_text(const ApiRequest& request) {
  if (!request.conversation.messages.empty()) return request.conversation.messages.back().content;
  if (request.prompts.empty()) return {};
  const auto* text = std::get_if<std::string>(&request.prompts.front());
  return text == nullptr ? std::string_view{} : *text;
}

}  // namespace

Result<AnswerScript> AnswerScript::parse(std::string_view json, std::string_view source) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  const auto answers = parsed.is_object() ? parsed.find("answers") : parsed.end();
  if (!parsed.is_object() || answers == parsed.end() || !answers->is_array())
    return error(ErrorCode::bad_format, "{}: expected an object with a list \"answers\"", source);
  AnswerScript script;
  for (const auto& answer : *answers) {
    const bool is_whole = answer.is_object() && answer.contains("when") && answer.contains("say") &&
                          answer["when"].is_string() && answer["say"].is_string();
    if (!is_whole) {
      return error(ErrorCode::bad_format, "{}: answers[{}]: expected strings \"when\" and \"say\"",
                   source, script.entries_.size());
    }
    script.entries_.push_back({answer["when"], answer["say"]});
  }
  return script;
}

std::vector<std::int32_t> AnswerScript::tokens_for(const ApiRequest& request,
                                                   const Tokenizer& tokenizer) const {
  const std::string_view text = last_text(request);
  for (const Entry& entry : entries_) {
    if (text.find(entry.when) != std::string_view::npos)
      return tokenizer.encode(entry.say, SpecialTokens::parse);
  }
  return {};
}

}  // namespace hadal
