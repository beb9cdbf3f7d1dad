// Failures as each protocol tells them (api.md 3.5, 3.6).
#pragma once

#include "base/result.h"
#include "protocol/request.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

/// Anthropic's field of the beta `message-threads`: a server that keeps no threads says so in a
/// form upon which the SDK sends the whole history instead.
inline constexpr std::string_view kThreadField = "thread";

struct ApiError {
  enum class Kind : std::uint8_t {
    invalid_request,          ///< 400
    context_length_exceeded,  ///< 400; the code that agents look for
    authentication,           ///< 401
    permission,               ///< 403
    not_found,                ///< 404: path, stored response
    model_not_found,          ///< 404
    method_not_allowed,       ///< 405
    conflict,                 ///< 409
    too_large,                ///< 413: the body
    rate_limit,               ///< 429, with Retry-After
    server_error,             ///< 500
    not_supported,            ///< 501: an endpoint that this server or model has not
    loading,                  ///< 503: the model is not ready yet
    overloaded,               ///< 503; Anthropic 529
  };

  Kind kind = Kind::server_error;
  std::string message;
  std::string field{};                                 ///< `param` of OpenAI; empty: null
  std::optional<std::uint32_t> retry_after_seconds{};  ///< header Retry-After
  std::string allowed_methods{};  ///< method_not_allowed: header Allow (RFC 9110 15.5.6)

  bool operator==(const ApiError&) const = default;
};

/// From the codes of Hadal: invalid_argument, bad_format and unsupported are the client's fault,
/// out_of_memory is overload; `field` is what field_of finds. Paths of files are not hidden: errors
/// of the engine that may name some should be told as server_error by the caller.
ApiError api_error(const Error& error);

/// In the protocol's own words: agents shorten their history upon these. Prompt and at least one
/// token of the answer must fit into `context`.
ApiError context_length_exceeded(std::size_t n_prompt_tokens, std::size_t context,
                                 Protocol protocol);
/// 429 with a time to wait, at least one second.
ApiError too_many_requests(std::string_view why, std::uint32_t retry_after_seconds);
ApiError unknown_model(std::string_view model);
ApiError unknown_path(std::string_view method, std::string_view path);
/// The answer to POST /v1/embeddings: V4 is no embedding model (api.md 3.4).
ApiError embeddings_refusal();

/// The answer at paths of other servers for things that this one does not do (501).
ApiError unsupported_path(std::string_view path, std::string_view instead);

int http_status(const ApiError& error, Protocol protocol);
/// Headers that belong to the error, such as {"Retry-After", "2"}.
std::vector<std::pair<std::string, std::string>> error_headers(const ApiError& error);

/// The body of the response: OpenAI's for chat, completions, responses and all paths of our own;
/// Anthropic's for messages, with `request_id` in it.
std::string error_body(const ApiError& error, Protocol protocol, std::string_view request_id);

/// OpenAI's `code`: "context_length_exceeded", "rate_limit_exceeded", ...; empty: null.
std::string_view openai_error_code(const ApiError& error);

}  // namespace hadal
