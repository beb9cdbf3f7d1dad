// Requests and bodies of the paths of llama.cpp's server, and of the small ones of OpenAI and
// Anthropic (api.md 3.3, 3.6, 3.7).
#pragma once

#include "base/result.h"
#include "chat/language_model.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// POST /tokenize {content, add_special, parse_special, with_pieces}.
struct TokenizeRequest {
  std::string content;
  bool add_special = false;   ///< begin with BOS
  bool parse_special = true;  ///< texts of special tokens become those tokens
  bool with_pieces = false;   ///< tell the text of each token
};
/// Errors as parse_request in request.h.
Result<TokenizeRequest> parse_tokenize_request(std::string_view body);
/// {tokens: [ids]}, or with `pieces` {tokens: [{id, piece}]}: a piece is a string, or a list of
/// bytes if it is no UTF-8. `pieces` is empty or has one entry per id.
std::string tokenize_body(const std::vector<std::int32_t>& ids,
                          const std::vector<std::string>& pieces);

/// POST /detokenize {tokens} -> {content}
Result<std::vector<std::int32_t>> parse_detokenize_request(std::string_view body);
std::string detokenize_body(std::string_view bytes);

/// POST /apply-template: parse_chat_request reads it -> {prompt}
std::string apply_template_body(std::string_view prompt);

/// POST /v1/messages/count_tokens -> {input_tokens}
std::string count_tokens_body(std::size_t n_tokens);
/// POST /v1/responses/input_tokens -> {object, input_tokens}
std::string input_tokens_body(std::size_t n_tokens);

/// DELETE /v1/responses/{id} -> {id, object, deleted}
std::string deleted_response_body(std::string_view id);
/// GET /v1/responses/{id}/input_items -> {object, data, first_id, last_id, has_more}. `items`: JSON
/// texts with ids; those that are no JSON are left out.
std::string input_items_body(const std::vector<std::string>& items, bool has_more);

struct SlotState {
  std::size_t id = 0;
  std::int64_t task = -1;  ///< of the request it works for; -1: none
  std::size_t context = 0;
  std::size_t n_prompt = 0, n_decoded = 0, n_remain = 0;  ///< tokens
  std::size_t max_tokens = 0;                             ///< of the answer; 0: no limit known
  bool is_processing = false;
  bool is_speculative = false;
};
/// GET /slots
std::string slots_body(const std::vector<SlotState>& slots);

struct ServerProperties {
  std::string model_path, chat_template, build_info;
  std::size_t n_slots = 0, context = 0;
  CompletionOptions defaults{};  ///< for what requests do not say
};
/// GET /props
std::string props_body(const ServerProperties& properties);

/// GET /health
std::string health_body();

/// GET /version (vLLM)
std::string version_body(std::string_view version);
/// GET /load (vLLM): requests that are not answered yet.
std::string load_body(std::size_t n_requests);

}  // namespace hadal
