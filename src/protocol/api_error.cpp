#include "protocol/api_error.h"

#include "protocol/field.h"
#include "protocol/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// One row per ApiError::Kind, in its order.
struct Row {
  int status;
  std::string_view openai_type, openai_code, anthropic_type;
  int anthropic_status;
};
constexpr std::array<Row, 14> kRows = {{
    {400, "invalid_request_error", "", "invalid_request_error", 400},
    {400, "invalid_request_error", "context_length_exceeded", "invalid_request_error", 400},
    {401, "authentication_error", "invalid_api_key", "authentication_error", 401},
    {403, "permission_error", "", "permission_error", 403},
    {404, "invalid_request_error", "not_found", "not_found_error", 404},
    {404, "invalid_request_error", "model_not_found", "not_found_error", 404},
    {405, "invalid_request_error", "method_not_allowed", "invalid_request_error", 405},
    {409, "invalid_request_error", "conflict", "invalid_request_error", 409},
    {413, "invalid_request_error", "request_too_large", "request_too_large", 413},
    {429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", 429},
    {500, "server_error", "", "api_error", 500},
    {501, "not_supported_error", "not_supported", "invalid_request_error", 501},
    {503, "unavailable_error", "loading", "overloaded_error", 503},
    {503, "server_error", "overloaded", "overloaded_error", 529},
}};

const Row& row_of(const ApiError& error) {
  return kRows[static_cast<std::size_t>(error.kind)];
}

Json text_or_null(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

ApiError::Kind kind_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::bad_format:
    case ErrorCode::unsupported:
      return ApiError::Kind::invalid_request;
    case ErrorCode::not_found:
      return ApiError::Kind::not_found;
    case ErrorCode::out_of_memory:
      return ApiError::Kind::overloaded;
    case ErrorCode::io_error:
      break;
  }
  return ApiError::Kind::server_error;
}

/// The field of a request that holds what the model reads.
std::string_view prompt_field(Protocol protocol) {
  switch (protocol) {
    case Protocol::completions:
      return "prompt";
    case Protocol::responses:
      return "input";
    case Protocol::chat:
    case Protocol::messages:
      break;
  }
  return "messages";
}

}  // namespace

ApiError api_error(const Error& error) {
  return {.kind = kind_of(error.code),
          .message = valid_utf8(error.message),
          .field = field_of(error),
          .retry_after_seconds = {}};
}

ApiError context_length_exceeded(std::size_t n_prompt_tokens, std::size_t context,
                                 Protocol protocol) {
  const bool is_anthropic = protocol == Protocol::messages;
  return {.kind = ApiError::Kind::context_length_exceeded,
          .message = is_anthropic
                         ? fmt::format("prompt is too long: {} tokens > {} maximum",
                                       n_prompt_tokens, context - 1)
                         : fmt::format("This model's maximum context length is {} tokens, but the "
                                       "prompt has {} tokens. Please shorten the prompt.",
                                       context, n_prompt_tokens),
          .field = std::string(prompt_field(protocol)),
          .retry_after_seconds = {}};
}

ApiError too_many_requests(std::string_view why, std::uint32_t retry_after_seconds) {
  return {.kind = ApiError::Kind::rate_limit,
          .message = std::string(why),
          .field = {},
          .retry_after_seconds = std::max<std::uint32_t>(retry_after_seconds, 1)};
}

ApiError unknown_model(std::string_view model) {
  return {.kind = ApiError::Kind::model_not_found,
          .message = fmt::format("The model `{}` does not exist here; GET /v1/models lists those "
                                 "that do.",
                                 valid_utf8(model)),
          .field = "model",
          .retry_after_seconds = {}};
}

ApiError unknown_path(std::string_view method, std::string_view path) {
  return {.kind = ApiError::Kind::not_found,
          .message = fmt::format("Unknown path: {} {}", valid_utf8(method), valid_utf8(path)),
          .field = {},
          .retry_after_seconds = {}};
}

ApiError embeddings_refusal() {
  return {.kind = ApiError::Kind::not_supported,
          .message =
              "This model writes text and has no embeddings; send embedding requests to a "
              "server with an embedding model.",
          .field = {},
          .retry_after_seconds = {}};
}

ApiError unsupported_path(std::string_view path, std::string_view instead) {
  return {.kind = ApiError::Kind::not_supported,
          .message = fmt::format("This server does not support {}: {}", valid_utf8(path), instead),
          .field = {},
          .retry_after_seconds = {}};
}

int http_status(const ApiError& error, Protocol protocol) {
  const Row& row = row_of(error);
  return protocol == Protocol::messages ? row.anthropic_status : row.status;
}

std::vector<std::pair<std::string, std::string>> error_headers(const ApiError& error) {
  std::vector<std::pair<std::string, std::string>> headers;
  if (error.retry_after_seconds)
    headers.emplace_back("Retry-After", std::to_string(*error.retry_after_seconds));
  if (!error.allowed_methods.empty()) headers.emplace_back("Allow", error.allowed_methods);
  return headers;
}

std::string_view openai_error_code(const ApiError& error) {
  return row_of(error).openai_code;
}

std::string error_body(const ApiError& error, Protocol protocol, std::string_view request_id) {
  const Row& row = row_of(error);
  if (protocol == Protocol::messages) {
    Json told = {{"type", row.anthropic_type}, {"message", error.message}};
    if (error.field == kThreadField) {
      told["details"] = {{"error_code", "thread_unsupported_request"},
                         {"unsupported", {kThreadField}}};
    }
    return json_text(
        {{"type", "error"}, {"error", std::move(told)}, {"request_id", text_or_null(request_id)}});
  }
  return json_text({{"error",
                     {{"message", error.message},
                      {"type", row.openai_type},
                      {"param", text_or_null(error.field)},
                      {"code", text_or_null(row.openai_code)}}}});
}

}  // namespace hadal
