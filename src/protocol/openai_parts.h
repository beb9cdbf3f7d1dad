// Parts that the answers of OpenAI's protocols have in common.
#pragma once

#include "protocol/answer.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace hadal {

/// chat and completions: prompt_tokens, completion_tokens, total_tokens and their details.
nlohmann::ordered_json usage_json(const Usage& usage);

/// llama.cpp: prompt_n, prompt_ms, predicted_n, predicted_ms, tokens per second; draft_n and
/// draft_n_accepted if there were drafts.
nlohmann::ordered_json timings_json(const Timings& timings, const Usage& usage);

/// A list of {token, logprob, bytes, top_logprobs}: chat's `content`, and logprobs in responses.
nlohmann::ordered_json token_logprobs_json(std::span<const TokenLogprob> logprobs);

/// Finite, as JSON needs it: -inf and NaN become -9999.
double json_logprob(float logprob);

/// The kind and names of the tool that the model called by `name`; a function if it is unknown.
ApiTool tool_called(const std::vector<ApiTool>& tools, const std::string& name);

/// llama.cpp's prompt_progress {total, cache, processed, time_ms}.
nlohmann::ordered_json progress_json(std::size_t n_done, std::size_t n_total, std::size_t n_cached,
                                     double seconds);

}  // namespace hadal
