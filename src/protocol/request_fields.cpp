#include "protocol/request_fields.h"

#include "chat/python_json.h"
#include "protocol/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;

constexpr std::int64_t kMaxCount = 1'000'000'000;
constexpr std::int64_t kMaxChoices = 128;  // OpenAI's documentation of `n`

/// Settings that would change the answer, are not ours, and mean nothing at one value, which some
/// clients send unasked (llama.cpp's page sends all of its samplers).
struct Neutral {
  std::string_view key;
  double value;
};
constexpr std::array<Neutral, 24> kUnsupportedSettings = {{
    {"typical_p", 1},
    {"typ_p", 1},
    {"xtc_probability", 0},
    {"dry_multiplier", 0},
    {"mirostat", 0},
    {"dynatemp_range", 0},
    {"top_n_sigma", -1},
    {"min_keep", 0},
    {"n_keep", 0},
    {"min_tokens", 0},
    {"min_length", 0},
    {"ignore_eos", 0},
    {"length_penalty", 1},
    {"use_beam_search", 0},
    {"no_repeat_ngram_size", 0},
    {"n_probs", 0},
    {"num_beams", 1},
    {"top_a", 0},
    {"tfs_z", 1},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
    {"n_indent", 0},
    {"include_stop_str_in_output", 0},
    {"add_generation_prompt", 1},
}};

/// Fields that would change the answer whatever their value; null, empty lists and empty texts mean
/// absent.
constexpr std::array<std::string_view, 11> kUnsupportedFields = {
    "stop_token_ids", "bad_words",       "bad_words_ids",         "logits_processors",
    "lora",           "negative_prompt", "allowed_token_ids",     "chat_template",
    "documents",      "prompt_logprobs", "truncate_prompt_tokens"};

/// llama.cpp's `samplers` as its pages send them unasked: its default order, as letters or names.
constexpr std::array<std::string_view, 4> kDefaultSamplers = {
    "edkypmxt", "edskypmxt", "penalties;dry;top_k;typ_p;top_p;min_p;xtc;temperature",
    "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"};

/// Forms of the answer as chat and completions ask for them.
constexpr std::array<std::string_view, 8> kFormatFields = {
    "response_format", "guided_json", "guided_regex", "guided_choice",
    "guided_grammar",  "grammar",     "json_schema",  "structured_outputs"};

bool is_empty(const Json& json) {
  return json.is_string() ? json.get_ref<const std::string&>().empty() : json.empty();
}

bool is_neutral(const Json& json, double value) {
  if (json.is_boolean()) return json.get<bool>() == (value != 0);
  return json.is_number() && json.get<double>() == value;
}

Result<void> check_samplers(const Field& body) {
  if (!body.has("samplers") || is_empty(body.member("samplers").json)) return {};
  const Field field = body.member("samplers");
  std::string order;
  if (field.json.is_string()) order = field.json.get<std::string>();
  if (field.json.is_array()) {
    for (std::size_t i = 0; i < field.json.size(); ++i) {
      HADAL_ASSIGN(const std::string name, read_string(field.element(i)));
      order += order.empty() ? name : fmt::format(";{}", name);
    }
  }
  if (std::find(kDefaultSamplers.begin(), kDefaultSamplers.end(), order) == kDefaultSamplers.end())
    return refused(field, "the order of samplers is fixed here; leave it out");
  return {};
}

Result<void> refuse_unsupported(const Field& body) {
  for (const auto& [key, value] : kUnsupportedSettings)
    if (body.has(key) && !is_neutral(body.member(key).json, value))
      return refused(
          body.member(key),
          fmt::format("this server does not support it; leave it out or send {}", value));
  for (const std::string_view key : kUnsupportedFields)
    if (body.has(key) && !is_empty(body.member(key).json))
      return refused(body.member(key), "this server does not support it; leave it out");
  HADAL_TRY(check_samplers(body));
  HADAL_ASSIGN(const auto time_limit,
               optional_integer(body, "t_max_predict_ms", INT64_MIN, INT64_MAX));
  if (time_limit.value_or(0) > 0)
    return refused(body.member("t_max_predict_ms"),
                   "this server has no limit of time; send max_tokens");
  return {};
}

/// Responses and Messages have fields of their own for the form of an answer.
Result<void> refuse_other_formats(Protocol protocol, const Field& body) {
  if (protocol != Protocol::responses && protocol != Protocol::messages) return {};
  for (const std::string_view key : kFormatFields) {
    if (!body.has(key) || is_empty(body.member(key).json)) continue;
    const Field field = body.member(key);
    const Json* type = field.find("type");
    if (key == "response_format" && type != nullptr && *type == "text") continue;
    return refused(field, protocol == Protocol::responses ? "send text.format, which stands for it"
                                                          : "send output_config.format instead");
  }
  return {};
}

/// `n` and `best_of`, which must agree: no choice is thrown away.
Result<void> read_choices(Protocol protocol, const Field& body, ApiRequest& request) {
  const bool has_several = protocol == Protocol::chat || protocol == Protocol::completions;
  HADAL_ASSIGN(const auto n, optional_integer(body, "n", 1, has_several ? kMaxChoices : 1));
  HADAL_ASSIGN(const auto best_of, optional_integer(body, "best_of", 1, kMaxCount));
  request.n_choices = static_cast<std::size_t>(n.value_or(1));
  if (best_of && *best_of != n.value_or(1))
    return refused(body.member("best_of"), "this server tells every choice; send the same as n");
  return {};
}

Result<void> read_hints(const Field& body, ClientHints& hints) {
  HADAL_ASSIGN(const auto stream, optional_bool(body, "stream"));
  HADAL_ASSIGN(const auto cache_prompt, optional_bool(body, "cache_prompt"));
  HADAL_ASSIGN(hints.id_slot, optional_integer(body, "id_slot", -1, kMaxCount));
  HADAL_ASSIGN(const auto progress, optional_bool(body, "return_progress"));
  HADAL_ASSIGN(const auto timings, optional_bool(body, "timings_per_token"));
  HADAL_ASSIGN(hints.sse_ping_seconds, optional_integer(body, "sse_ping_interval", -1, kMaxCount));
  HADAL_ASSIGN(hints.store, optional_bool(body, "store"));
  HADAL_ASSIGN(const auto cache_key, optional_string(body, "prompt_cache_key"));
  HADAL_ASSIGN(const auto user, optional_string(body, "user"));
  HADAL_ASSIGN(const auto safety, optional_string(body, "safety_identifier"));
  hints.stream = stream.value_or(false);
  hints.cache_prompt = cache_prompt.value_or(true);
  hints.return_progress = progress.value_or(false);
  hints.timings_per_token = timings.value_or(false);
  hints.prompt_cache_key = cache_key.value_or("");
  hints.user = user ? *user : safety.value_or("");
  if (body.has("metadata")) {
    const Field metadata = body.member("metadata");
    HADAL_TRY(check_object(metadata, "an object"));
    hints.metadata = json_text(metadata.json);
  }
  if (body.has("stream_options")) {
    const Field stream_options = body.member("stream_options");
    HADAL_TRY(check_object(stream_options, "an object"));
    HADAL_ASSIGN(const auto include_usage, optional_bool(stream_options, "include_usage"));
    hints.include_usage = include_usage.value_or(false);
  }
  return {};
}

Result<void> read_logit_bias(const Field& body, ApiRequest& request) {
  if (!body.has("logit_bias")) return {};
  const Field field = body.member("logit_bias");
  HADAL_TRY(check_object(field, "an object of token ids and numbers"));
  for (const auto& [key, value] : field.json.items()) {
    std::int32_t token = -1;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), token);
    if (end.ec != std::errc() || end.ptr != key.data() + key.size() || token < 0)
      return error(ErrorCode::invalid_argument, "{}: expected token ids as keys, found {}",
                   field.place, python_json(Json(key.substr(0, 40))));
    HADAL_ASSIGN(const double bias, read_number({value, field.place_of(key)}, -100, 100));
    request.logit_bias[token] = static_cast<float>(bias);
  }
  return {};
}

Result<void> read_stop(const Field& body, std::string_view key, ApiRequest& request) {
  if (!body.has(key)) return {};
  const Field field = body.member(key);
  std::vector<std::string> stops;
  if (field.json.is_string()) {
    stops.push_back(field.json.get<std::string>());
  } else if (field.json.is_array()) {
    for (std::size_t i = 0; i < field.json.size(); ++i) {
      HADAL_ASSIGN(std::string stop, read_string(field.element(i)));
      stops.push_back(std::move(stop));
    }
  } else {
    return unexpected(field, "a string or a list of strings");
  }
  std::erase(stops, "");
  constexpr std::size_t kMaxStops = 64;
  if (stops.size() > kMaxStops)
    return unexpected(field, fmt::format("at most {} strings", kMaxStops));
  request.options.stop = std::move(stops);
  return {};
}

Result<void> set_float(const Field& body, std::string_view key, double min, double max,
                       float& value) {
  HADAL_ASSIGN(const auto number, optional_number(body, key, min, max));
  if (number) value = static_cast<float>(*number);
  return {};
}

/// Our penalties look at all of the text. llama.cpp's page sends its window even where nothing is
/// penalised.
Result<void> check_penalty_window(const Field& body, const CompletionOptions& options) {
  HADAL_ASSIGN(const auto window, optional_integer(body, "repeat_last_n", -1, kMaxCount));
  const bool penalises = options.repetition_penalty != 1 || options.presence_penalty != 0 ||
                         options.frequency_penalty != 0;
  if (window && *window != -1 && penalises)
    return refused(body.member("repeat_last_n"),
                   "penalties look at the whole text here; leave it out or send -1");
  return {};
}

}  // namespace

Result<ApiRequest> begin_request(Protocol protocol, const Field& body,
                                 const ParseOptions& options) {
  HADAL_TRY(refuse_unsupported(body));
  HADAL_TRY(refuse_other_formats(protocol, body));
  ApiRequest request;
  request.protocol = protocol;
  request.options = options.defaults;
  HADAL_ASSIGN(const auto model, optional_string(body, "model"));
  request.model = model.value_or("");
  HADAL_TRY(read_choices(protocol, body, request));
  HADAL_TRY(read_hints(body, request.hints));
  HADAL_ASSIGN(const auto parallel, optional_bool(body, "parallel_tool_calls"));
  request.parallel_tool_calls = parallel.value_or(true);
  return request;
}

Result<void> read_sampling(const Field& body, double max_temperature, std::string_view stop_key,
                           ApiRequest& request) {
  CompletionOptions& options = request.options;
  HADAL_TRY(set_float(body, "temperature", 0, max_temperature, options.temperature));
  HADAL_TRY(set_float(body, "top_p", 0, 1, options.top_p));
  HADAL_TRY(set_float(body, "min_p", 0, 1, options.min_p));
  HADAL_TRY(set_float(body, "repeat_penalty", 0.01, 100, options.repetition_penalty));
  HADAL_TRY(set_float(body, "repetition_penalty", 0.01, 100, options.repetition_penalty));
  HADAL_TRY(set_float(body, "presence_penalty", -2, 2, options.presence_penalty));
  HADAL_TRY(set_float(body, "frequency_penalty", -2, 2, options.frequency_penalty));
  HADAL_TRY(check_penalty_window(body, options));
  HADAL_ASSIGN(const auto top_k, optional_integer(body, "top_k", -1, kMaxCount));
  if (top_k) options.top_k = static_cast<std::int32_t>(std::max<std::int64_t>(*top_k, 0));
  HADAL_ASSIGN(const auto seed, optional_integer(body, "seed", INT64_MIN, INT64_MAX));
  if (seed) {
    request.seed = static_cast<std::uint64_t>(*seed);
    options.seed = *request.seed;
  }
  HADAL_TRY(read_logit_bias(body, request));
  return read_stop(body, stop_key, request);
}

Result<bool> read_max_tokens(const Field& body, std::string_view key, ApiRequest& request) {
  HADAL_ASSIGN(const auto limit, optional_integer(body, key, -1, kMaxCount));
  if (!limit) return false;
  request.options.max_tokens = static_cast<std::size_t>(std::max<std::int64_t>(*limit, 0));
  request.prefill_only = *limit == 0;
  return true;
}

Result<bool> read_first_max_tokens(const Field& body, std::initializer_list<std::string_view> keys,
                                   ApiRequest& request) {
  for (const std::string_view key : keys) {
    HADAL_ASSIGN(const bool is_given, read_max_tokens(body, key, request));
    if (is_given) return true;
  }
  return false;
}

Result<std::optional<ThinkMode>> read_effort(const Field& parent, std::string_view key) {
  HADAL_ASSIGN(
      const auto index,
      optional_name(parent, key, {"none", "minimal", "low", "medium", "high", "xhigh", "max"}));
  constexpr std::array<ThinkMode, 7> kModes = {ThinkMode::off,  ThinkMode::off,  ThinkMode::high,
                                               ThinkMode::high, ThinkMode::high, ThinkMode::max,
                                               ThinkMode::max};
  return index ? std::optional(kModes[*index]) : std::nullopt;
}

namespace {

ThinkMode mode_of(bool thinks) {
  return thinks ? ThinkMode::high : ThinkMode::off;
}

/// DeepSeek's {"type": "enabled" | "disabled"}.
Result<void> read_thinking_object(const Field& thinking, Thinking& result) {
  HADAL_TRY(check_object(thinking, "an object with a type"));
  HADAL_ASSIGN(const auto type, optional_name(thinking, "type", {"disabled", "enabled", "auto"}));
  if (!type) return missing(thinking, "type", "enabled or disabled");
  HADAL_ASSIGN(const auto budget, optional_integer(thinking, "budget_tokens", 0, kMaxCount));
  if (*type < 2) result.mode = mode_of(*type == 1);
  if (budget) result.budget_tokens = static_cast<std::size_t>(*budget);
  return {};
}

/// OpenRouter's {effort, enabled, max_tokens, exclude}.
Result<void> read_reasoning_object(const Field& reasoning, Thinking& result) {
  HADAL_TRY(check_object(reasoning, "an object with an effort"));
  HADAL_ASSIGN(const auto enabled, optional_bool(reasoning, "enabled"));
  HADAL_ASSIGN(const auto effort, read_effort(reasoning, "effort"));
  HADAL_ASSIGN(const auto budget, optional_integer(reasoning, "max_tokens", 0, kMaxCount));
  HADAL_ASSIGN(const auto excluded, optional_bool(reasoning, "exclude"));
  if (excluded.value_or(false))
    return refused(reasoning.member("exclude"), "reasoning is told apart from the content");
  if (enabled) result.mode = mode_of(*enabled);
  if (effort && enabled != std::optional(false)) result.mode = effort;
  if (budget) result.budget_tokens = static_cast<std::size_t>(*budget);
  return {};
}

/// llama.cpp's reasoning_format: reasoning goes to reasoning_content, as its default has it.
Result<void> check_reasoning_format(const Field& body) {
  HADAL_ASSIGN(const auto format, optional_string(body, "reasoning_format"));
  if (format == "none" || format == "deepseek-legacy")
    return refused(body.member("reasoning_format"), "reasoning is told apart from the content");
  return {};
}

}  // namespace

Result<void> read_chat_thinking(const Field& body, ApiRequest& request) {
  Thinking& result = request.thinking;
  HADAL_TRY(check_reasoning_format(body));
  HADAL_ASSIGN(const auto enable_thinking, optional_bool(body, "enable_thinking"));
  if (enable_thinking) result.mode = mode_of(*enable_thinking);
  if (body.has("chat_template_kwargs")) {
    const Field arguments = body.member("chat_template_kwargs");
    HADAL_TRY(check_object(arguments, "an object"));
    HADAL_ASSIGN(const auto thinking, optional_bool(arguments, "thinking"));
    HADAL_ASSIGN(const auto enabled, optional_bool(arguments, "enable_thinking"));
    HADAL_ASSIGN(const auto effort, read_effort(arguments, "reasoning_effort"));
    const auto on = thinking ? thinking : enabled;
    if (on) result.mode = mode_of(*on);
    if (effort && on != std::optional(false)) result.mode = effort;
  }
  if (body.has("think") && body.member("think").json.is_boolean()) {
    result.mode = mode_of(body.member("think").json.get<bool>());
  } else {
    HADAL_ASSIGN(const auto effort, read_effort(body, "think"));
    if (effort) result.mode = effort;
  }
  HADAL_ASSIGN(const auto budget, optional_integer(body, "thinking_budget", 0, kMaxCount));
  if (budget) result.budget_tokens = static_cast<std::size_t>(*budget);
  if (body.has("reasoning")) HADAL_TRY(read_reasoning_object(body.member("reasoning"), result));
  bool is_off = false;
  if (body.has("thinking")) {
    HADAL_TRY(read_thinking_object(body.member("thinking"), result));
    is_off = result.mode == ThinkMode::off;
  }
  HADAL_ASSIGN(const auto effort, read_effort(body, "reasoning_effort"));
  if (effort && !is_off) result.mode = effort;
  return {};
}

}  // namespace hadal
