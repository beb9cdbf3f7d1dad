#include "protocol/openai_parts.h"

#include "protocol/json_text.h"

#include <algorithm>
#include <cmath>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

Json bytes_json(std::string_view bytes) {
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

double rate(double n, double seconds) {
  return seconds > 0 ? n / seconds : 0.0;
}

}  // namespace

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.n_prompt_tokens},
          {"completion_tokens", usage.n_completion_tokens},
          {"total_tokens", usage.n_prompt_tokens + usage.n_completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.n_cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.n_reasoning_tokens}}}};
}

Json timings_json(const Timings& timings, const Usage& usage) {
  const auto n_prompt =
      usage.n_prompt_tokens - std::min(usage.n_cached_tokens, usage.n_prompt_tokens);
  Json json = {{"cache_n", usage.n_cached_tokens},
               {"prompt_n", n_prompt},
               {"prompt_ms", timings.prefill_seconds * 1e3},
               {"prompt_per_second", rate(static_cast<double>(n_prompt), timings.prefill_seconds)},
               {"predicted_n", usage.n_completion_tokens},
               {"predicted_ms", timings.decode_seconds * 1e3},
               {"predicted_per_second",
                rate(static_cast<double>(usage.n_completion_tokens), timings.decode_seconds)}};
  if (timings.n_drafted > 0) {  // as llama.cpp has it
    json["draft_n"] = timings.n_drafted;
    json["draft_n_accepted"] = timings.n_accepted;
  }
  return json;
}

double json_logprob(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0;
}

Json token_logprobs_json(std::span<const TokenLogprob> logprobs) {
  Json list = Json::array();
  for (const TokenLogprob& token : logprobs) {
    Json top = Json::array();
    for (const TokenText& other : token.top)
      top.push_back({{"token", valid_utf8(other.bytes)},
                     {"logprob", json_logprob(other.logprob)},
                     {"bytes", bytes_json(other.bytes)}});
    list.push_back({{"token", valid_utf8(token.bytes)},
                    {"logprob", json_logprob(token.logprob.value_or(0))},
                    {"bytes", bytes_json(token.bytes)},
                    {"top_logprobs", std::move(top)}});
  }
  return list;
}

ApiTool tool_called(const std::vector<ApiTool>& tools, const std::string& name) {
  const auto found =
      std::find_if(tools.begin(), tools.end(), [&](const auto& t) { return t.name == name; });
  if (found != tools.end()) return *found;
  ApiTool unknown;
  unknown.name = name;
  unknown.wire_name = name;
  return unknown;
}

Json progress_json(std::size_t n_done, std::size_t n_total, std::size_t n_cached, double seconds) {
  return {{"total", n_total},
          {"cache", n_cached},
          {"processed", n_done},
          {"time_ms", std::llround(seconds * 1e3)}};
}

}  // namespace hadal
