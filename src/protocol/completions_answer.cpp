#include "protocol/completions_answer.h"

#include "protocol/json_text.h"
#include "protocol/openai_parts.h"
#include "protocol/sse.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// Tokens that are no text by themselves are told as OpenAI does: bytes:\xe2\x96
std::string token_text(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::string(bytes);
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}

/// {tokens, token_logprobs, top_logprobs, text_offset}, lists of one length. Offsets count
/// characters from `offset`, which is moved behind the tokens.
Json logprobs_json(std::span<const TokenLogprob> logprobs, std::size_t& offset) {
  Json tokens = Json::array(), values = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const TokenLogprob& token : logprobs) {
    tokens.push_back(token_text(token.bytes));
    values.push_back(token.logprob ? Json(json_logprob(*token.logprob)) : Json());
    offsets.push_back(offset);
    offset += count_characters(valid_utf8(token.bytes));
    Json top = token.logprob ? Json::object() : Json();
    for (const TokenText& other : token.top)
      if (token.logprob) top[token_text(other.bytes)] = json_logprob(other.logprob);
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

/// Texts have no calls.
std::string_view reason_name(FinishReason reason) {
  return reason == FinishReason::length ? "length" : "stop";
}

Json choice_json(std::size_t index, std::string_view text, Json logprobs, Json finish_reason) {
  return {{"text", text},
          {"index", index},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", std::move(finish_reason)}};
}

Json object_json(std::string_view id, const AnswerHead& head, Json choices) {
  return {{"id", id},
          {"object", "text_completion"},
          {"created", head.created_seconds},
          {"model", head.model},
          {"system_fingerprint", head.system_fingerprint},
          {"choices", std::move(choices)}};
}

/// Pieces of text per prompt, the finish reasons, the usage, [DONE].
class CompletionsStream final : public AnswerStream {
 public:
  CompletionsStream(const ApiRequest& request, AnswerHead head)
      : hints_(request.hints),
        wants_logprobs_(request.n_logprobs),
        id_(head.new_id("cmpl-")),
        head_(std::move(head)),
        offsets_(request.prompts.size()) {}

  std::string begin(const Usage&) override { return {}; }

  std::string event(const ChatEvent& event, const EventDetails& details) override {
    const auto* content = std::get_if<ContentDelta>(&event);
    if (content == nullptr) return {};
    if (details.choice >= offsets_.size()) offsets_.resize(details.choice + 1);
    std::size_t& offset = offsets_[details.choice];
    Json logprobs;
    if (wants_logprobs_) logprobs = logprobs_json(details.logprobs, offset);
    return frame(choice_json(details.choice, content->text, std::move(logprobs), {}));
  }

  std::string end(const Answer& answer) override {
    std::string frames;
    for (std::size_t i = 0; i < answer.choices.size(); ++i)
      frames += frame(choice_json(i, "", {}, reason_name(answer.choices[i].finish_reason)));
    if (hints_.include_usage) {
      Json json = object(Json::array());
      json["usage"] = usage_json(answer.usage);
      frames += sse_data(json_text(json));
    }
    return frames + sse_data("[DONE]");
  }

  std::string fail(const ApiError& error) override {
    return sse_data(error_body(error, Protocol::completions, {}));
  }

  std::string keep_alive() override { return sse_comment("keep-alive"); }

  std::string progress(std::size_t n_done, std::size_t n_total, std::size_t n_cached,
                       double seconds) override {
    if (!hints_.return_progress) return keep_alive();
    Json json = object(Json::array({choice_json(0, "", {}, {})}));
    json["prompt_progress"] = progress_json(n_done, n_total, n_cached, seconds);
    return sse_data(json_text(json));
  }

  std::string_view id() const override { return id_; }

 private:
  Json object(Json choices) const {
    Json json = object_json(id_, head_, std::move(choices));
    if (hints_.include_usage) json["usage"] = nullptr;
    return json;
  }

  std::string frame(Json choice) const {
    return sse_data(json_text(object(Json::array({std::move(choice)}))));
  }

  ClientHints hints_;
  bool wants_logprobs_;
  std::string id_;
  AnswerHead head_;
  std::vector<std::size_t> offsets_;  ///< characters told so far, per choice
};

}  // namespace

std::string completions_answer_body(const ApiRequest& request, const AnswerHead& head,
                                    const Answer& answer) {
  Json choices = Json::array();
  for (const AnswerChoice& choice : answer.choices) {
    Json logprobs;
    std::size_t offset = 0;
    if (request.n_logprobs) logprobs = logprobs_json(choice.logprobs, offset);
    choices.push_back(choice_json(choices.size(), choice.message.content, std::move(logprobs),
                                  reason_name(choice.finish_reason)));
  }
  Json json = object_json(head.new_id("cmpl-"), head, std::move(choices));
  json["usage"] = usage_json(answer.usage);
  return json_text(json);
}

std::unique_ptr<AnswerStream> make_completions_stream(const ApiRequest& request, AnswerHead head) {
  return std::make_unique<CompletionsStream>(request, std::move(head));
}

}  // namespace hadal
