#include "protocol/field.h"
#include "protocol/request.h"
#include "protocol/request_fields.h"

#include <utility>

namespace hadal {

namespace {

using Json = Field::Json;

constexpr std::size_t kDefaultMaxTokens = 16;  // OpenAI's documentation of /v1/completions

Result<TextPrompt> read_ids(const Field& list) {
  std::vector<std::int32_t> ids;
  ids.reserve(list.json.size());
  for (std::size_t i = 0; i < list.json.size(); ++i) {
    HADAL_ASSIGN(const std::int64_t id, read_integer(list.element(i), 0, INT32_MAX));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return TextPrompt(std::move(ids));
}

/// A string, token ids, or a list of either.
Result<std::vector<TextPrompt>> read_prompts(const Field& body) {
  if (!body.has("prompt"))
    return missing(body, "prompt", "a string, a list of strings, or token ids");
  const Field prompt = body.member("prompt");
  std::vector<TextPrompt> prompts;
  if (prompt.json.is_string()) {
    prompts.emplace_back(prompt.json.get<std::string>());
    return prompts;
  }
  if (!prompt.json.is_array() || prompt.json.empty())
    return unexpected(prompt, "a string, a list of strings, or token ids");
  if (prompt.json.front().is_number()) {
    HADAL_ASSIGN(TextPrompt ids, read_ids(prompt));
    prompts.push_back(std::move(ids));
    return prompts;
  }
  for (std::size_t i = 0; i < prompt.json.size(); ++i) {
    const Field element = prompt.element(i);
    if (element.json.is_array()) {
      HADAL_ASSIGN(TextPrompt ids, read_ids(element));
      prompts.push_back(std::move(ids));
    } else {
      HADAL_ASSIGN(std::string text, read_string(element));
      prompts.emplace_back(std::move(text));
    }
  }
  return prompts;
}

/// A number of alternatives (OpenAI); true and false as in chat.
Result<void> read_completion_logprobs(const Field& body, ApiRequest& request) {
  if (!body.has("logprobs")) return {};
  if (body.member("logprobs").json.is_boolean()) {
    if (body.member("logprobs").json.get<bool>()) request.n_logprobs = 0;
    return {};
  }
  HADAL_ASSIGN(const auto n, optional_integer(body, "logprobs", 0, 20));
  if (n) request.n_logprobs = static_cast<std::size_t>(*n);
  return {};
}

}  // namespace

Result<ApiRequest> parse_completions_request(std::string_view text, const ParseOptions& options) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(ApiRequest request, begin_request(Protocol::completions, body, options));
  if (body.has("suffix") && body.member("suffix").json != "")
    return refused(body.member("suffix"), "the model does not fill gaps; leave it out");
  HADAL_TRY(read_sampling(body, 2, "stop", request));
  HADAL_ASSIGN(const bool has_limit,
               read_first_max_tokens(body, {"max_tokens", "n_predict"}, request));
  if (!has_limit) request.options.max_tokens = kDefaultMaxTokens;
  HADAL_TRY(read_completion_logprobs(body, request));
  HADAL_ASSIGN(const auto echo, optional_bool(body, "echo"));
  request.echo = echo.value_or(false);
  HADAL_ASSIGN(request.prompts, read_prompts(body));
  HADAL_TRY(read_output_format(body, request));
  return request;
}

}  // namespace hadal
