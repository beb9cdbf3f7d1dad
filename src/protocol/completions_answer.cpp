#include "protocol/completions_answer.h"

#include "chat/utf8_stream.h"
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

/// How much of a choice's text was told. A character counts once its last token has come.
struct TextPlace {
  Utf8Stream utf8{};
  std::size_t n_characters = 0;
};

/// {tokens, token_logprobs, top_logprobs, text_offset}, lists of one length. Offsets count
/// characters from `place`, which is moved behind the tokens.
Json logprobs_json(std::span<const TokenLogprob> logprobs, TextPlace& place) {
  Json tokens = Json::array(), values = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const TokenLogprob& token : logprobs) {
    tokens.push_back(token_text(token.bytes));
    values.push_back(token.logprob ? Json(json_logprob(*token.logprob)) : Json());
    offsets.push_back(place.n_characters);
    place.n_characters += count_characters(place.utf8.push(token.bytes));
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
        places_(request.prompts.size()) {}

  std::string begin(const Usage&) override { return {}; }

  std::string event(const ChatEvent& event, const EventDetails& details) override {
    const auto* content = std::get_if<ContentDelta>(&event);
    if (content == nullptr) return {};
    return frame(choice_json(details.choice, content->text,
                             logprobs_of(details.choice, details.logprobs), {}));
  }

  std::string end(const Answer& answer) override {
    std::string frames;
    for (std::size_t i = 0; i < answer.choices.size(); ++i) {
      const AnswerChoice& choice = answer.choices[i];
      Json logprobs;
      if (!choice.last_logprobs.empty()) logprobs = logprobs_of(i, choice.last_logprobs);
      frames += frame(choice_json(i, "", std::move(logprobs), reason_name(choice.finish_reason)));
    }
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

  Json logprobs_of(std::size_t choice, std::span<const TokenLogprob> logprobs) {
    if (!wants_logprobs_) return {};
    if (choice >= places_.size()) places_.resize(choice + 1);
    return logprobs_json(logprobs, places_[choice]);
  }

  std::string frame(Json choice) const {
    return sse_data(json_text(object(Json::array({std::move(choice)}))));
  }

  ClientHints hints_;
  bool wants_logprobs_;
  std::string id_;
  AnswerHead head_;
  std::vector<TextPlace> places_;  ///< per choice
};

}  // namespace

std::string completions_answer_body(const ApiRequest& request, const AnswerHead& head,
                                    const Answer& answer) {
  Json choices = Json::array();
  for (const AnswerChoice& choice : answer.choices) {
    Json logprobs;
    TextPlace place;
    if (request.n_logprobs) logprobs = logprobs_json(choice.logprobs, place);
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
