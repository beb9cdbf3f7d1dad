#include "chat/local_model.h"

#include "base/seconds.h"
#include "chat/answer_reader.h"

#include <algorithm>
#include <chrono>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

SamplingOptions sampling_of(const CompletionOptions& options) {
  return {.temperature = options.temperature,
          .top_k = static_cast<std::size_t>(std::max(options.top_k, 0)),
          .top_p = options.top_p,
          .min_p = options.min_p,
          .repetition_penalty = options.repetition_penalty,
          .presence_penalty = options.presence_penalty,
          .frequency_penalty = options.frequency_penalty,
          .seed = options.seed,
          .n_logprobs = 0};
}

Result<Tokenizer> open_tokenizer(const Checkpoint& checkpoint) {
  if (checkpoint.tokenizer_json())
    return Tokenizer::from_json(*checkpoint.tokenizer_json(),
                                checkpoint.name() + ": tokenizer.json");
  if (checkpoint.gguf() != nullptr) return Tokenizer::from_gguf(*checkpoint.gguf());
  return error(ErrorCode::not_found,
               "{}: no tokenizer.json beside the weights; copy the one of the original model there",
               checkpoint.name());
}

Result<std::optional<StructureTokens>> find_structure_tokens(const Tokenizer& tokenizer,
                                                             std::string_view source) {
  std::array<std::int32_t, StructureTokens::kCount> list{};
  std::size_t n_found = 0;
  std::string missing;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = StructureTokens::name(i);
    if (const auto id = tokenizer.find_special(name)) {
      list[i] = *id;
      ++n_found;
    } else if (missing.empty()) {
      missing = name;
    }
  }
  if (n_found == 0) return std::optional<StructureTokens>();
  if (missing.empty()) return std::optional(StructureTokens::from_list(list));
  return error(ErrorCode::bad_format,
               "{}: the tokenizer has {} of the {} structure tokens of the world model, but not "
               "{}; --world-model off does without them",
               source, n_found, list.size(), missing);
}

LocalModel::LocalModel(Engine& engine, const Tokenizer& tokenizer, LocalModelOptions options)
    : engine_(engine), tokenizer_(tokenizer), options_(std::move(options)) {}

Result<LocalModel::PromptTokens> LocalModel::prompt_tokens(const CompletionRequest& request) const {
  if (const auto* ids = std::get_if<std::vector<std::int32_t>>(&request.prompt))
    return PromptTokens{.ids = *ids};
  if (!tokenizer_.can_encode()) {
    return error(ErrorCode::unsupported,
                 "the vocabulary of {} lacks byte tokens: text cannot be encoded",
                 engine_.checkpoint().name());
  }
  HADAL_ASSIGN(const Prompt prompt,
               encode_prompt(std::get<Conversation>(request.prompt), request.prompt_options));
  return PromptTokens{
      .ids = prompt.encode(tokenizer_),
      .answer = prompt.opens_reasoning() ? AnswerStart::reasoning : AnswerStart::content};
}

std::size_t LocalModel::reuse_prefix(std::span<const std::int32_t> prompt) {
  const auto differs =
      std::mismatch(prompt.begin(), prompt.end(), state_tokens_.begin(), state_tokens_.end()).first;
  const std::size_t common =
      std::min(static_cast<std::size_t>(differs - prompt.begin()), prompt.size() - 1);
  if (!state_ || (common < state_->n_tokens() && !state_->roll_back(common))) {
    state_.emplace(engine_.model().new_sequence());
    state_tokens_.clear();
    return 0;
  }
  state_tokens_.resize(common);
  return common;
}

Result<Completion> LocalModel::complete(const CompletionRequest& request,
                                        const OnChatEvent& on_event) {
  HADAL_ASSIGN(const PromptTokens encoded, prompt_tokens(request));
  const std::vector<std::int32_t>& prompt = encoded.ids;
  const ModelConfig& config = engine_.config();
  const std::size_t context = options_.context > 0
                                  ? std::min(options_.context, config.max_position_embeddings)
                                  : config.max_position_embeddings;
  if (prompt.empty()) return error(ErrorCode::invalid_argument, "the prompt has no tokens");
  if (prompt.size() >= context) {
    return error(ErrorCode::invalid_argument,
                 "the prompt has {} tokens, but the context holds {}; shorten it or raise -c",
                 prompt.size(), context);
  }
  const std::size_t room = context - prompt.size();
  AnswerReader answer(tokenizer_, {.start = encoded.answer,
                                   .is_raw = !std::holds_alternative<Conversation>(request.prompt),
                                   .stop = request.options.stop});
  std::vector<ChatEvent> events;
  const auto tell = [&] {
    bool go_on = true;
    for (const ChatEvent& event : events) go_on = (!on_event || on_event(event)) && go_on;
    events.clear();
    return go_on;
  };
  const std::size_t n_reused = reuse_prefix(prompt);
  const auto start = Clock::now();
  auto first_token = start;

  GenerationRequest generation{
      .state = &*state_,
      .prompt = {prompt.begin() + static_cast<std::ptrdiff_t>(n_reused), prompt.end()},
      .history = {prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(n_reused)},
      .sampling = sampling_of(request.options),
      .max_tokens =
          request.options.max_tokens > 0 ? std::min(request.options.max_tokens, room) : room,
      .stop_tokens = {config.eos_token_id},
      .n_drafts = engine_.model().has_mtp() ? options_.n_drafts : 0,
      .drafts_must_pay = true,
      .on_token = [&](const TokenChoice& choice) {
        if (first_token == start) first_token = Clock::now();
        if (choice.token == config.eos_token_id) return true;
        const bool goes_on = answer.take(choice.token, events);
        return tell() && goes_on;
      }};
  HADAL_ASSIGN(auto results,
               generate(engine_.model(), {&generation, 1}, {.on_prefill = options_.on_prefill}));
  const Generation& result = results.front();
  state_tokens_ = prompt;
  state_tokens_.insert(state_tokens_.end(), result.tokens.begin(), result.tokens.end() - 1);

  ParsedCompletion parsed = answer.finish(
      result.stop_reason == StopReason::length ? GenerationEnd::limit : GenerationEnd::stop);
  events = std::move(parsed.last_events);
  tell();
  return Completion{.text = answer.text(),
                    .message = std::move(parsed.message),
                    .finish_reason = parsed.finish_reason,
                    .n_prompt_tokens = prompt.size(),
                    .n_completion_tokens = result.tokens.size(),
                    .prefill_seconds = seconds_between(start, first_token),
                    .decode_seconds = seconds_between(first_token, Clock::now())};
}

}  // namespace hadal
