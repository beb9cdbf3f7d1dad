// Output items and the response object of /v1/responses (api.md 3.3).
#pragma once

#include "protocol/answer.h"

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

using ResponseJson = nlohmann::ordered_json;

/// How items are told: a part of the request that outlives it.
struct ItemStyle {
  explicit ItemStyle(const ApiRequest& request)
      : tools(request.tools),
        as_summary(request.thinking.as_summary),
        encrypted(request.thinking.encrypted),
        has_logprobs(request.n_logprobs.has_value()) {}

  std::vector<ApiTool> tools;
  bool as_summary;
  bool encrypted;
  bool has_logprobs;
};

/// `status`: in_progress, completed or incomplete. In progress the texts are empty.
ResponseJson reasoning_item(const ItemStyle& style, std::string_view id, std::string_view status,
                            std::string_view text);
ResponseJson text_item(const ItemStyle& style, std::string_view id, std::string_view status,
                       std::string_view text, std::span<const TokenLogprob> logprobs);
/// `text`: the arguments, or the input of a custom tool.
ResponseJson call_item(const ApiTool& tool, std::string_view id, std::string_view status,
                       std::string_view call_id, std::string_view text);

/// A part of a message or of reasoning.
ResponseJson text_part(std::string_view text, std::span<const TokenLogprob> logprobs);
ResponseJson reasoning_part(std::string_view text);
ResponseJson summary_part(std::string_view text);

struct ResponseState {
  std::string_view status;  ///< in_progress, completed, incomplete, cancelled, failed
  ResponseJson output = ResponseJson::array();
  const Usage* usage = nullptr;  ///< none while in progress
  const ApiError* error = nullptr;
};

/// The response object. `fields`: what it repeats of the request, an object.
ResponseJson response_object(std::string_view id, const AnswerHead& head,
                             const ResponseJson& fields, ResponseState state);

/// completed, incomplete when the limit was reached, or cancelled.
std::string_view response_status(const Answer& answer);

}  // namespace hadal
