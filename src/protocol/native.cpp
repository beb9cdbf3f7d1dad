#include "protocol/native.h"

#include "chat/python_json.h"
#include "protocol/field.h"
#include "protocol/json_text.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

Json piece_json(const std::string& bytes) {
  if (is_valid_utf8(bytes)) return bytes;
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

/// llama.cpp's n_predict.
Json limit_json(std::size_t max_tokens) {
  return max_tokens == 0 ? Json(-1) : Json(max_tokens);
}

/// Under llama.cpp's names.
Json params_json(const CompletionOptions& options) {
  return {{"n_predict", limit_json(options.max_tokens)},
          {"seed", options.seed},
          {"temperature", options.temperature},
          {"top_k", options.top_k},
          {"top_p", options.top_p},
          {"min_p", options.min_p},
          {"repeat_penalty", options.repetition_penalty},
          {"presence_penalty", options.presence_penalty},
          {"frequency_penalty", options.frequency_penalty},
          {"stop", options.stop}};
}

}  // namespace

Result<TokenizeRequest> parse_tokenize_request(std::string_view text) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  TokenizeRequest request;
  HADAL_ASSIGN(request.content, required_string(body, "content"));
  HADAL_ASSIGN(const auto add_special, optional_bool(body, "add_special"));
  HADAL_ASSIGN(const auto parse_special, optional_bool(body, "parse_special"));
  HADAL_ASSIGN(const auto with_pieces, optional_bool(body, "with_pieces"));
  request.add_special = add_special.value_or(request.add_special);
  request.parse_special = parse_special.value_or(request.parse_special);
  request.with_pieces = with_pieces.value_or(request.with_pieces);
  return request;
}

std::string tokenize_body(const std::vector<std::int32_t>& ids,
                          const std::vector<std::string>& pieces) {
  Json tokens = Json::array();
  for (std::size_t i = 0; i < ids.size(); ++i)
    tokens.push_back(i < pieces.size() ? Json{{"id", ids[i]}, {"piece", piece_json(pieces[i])}}
                                       : Json(ids[i]));
  return json_text({{"tokens", std::move(tokens)}});
}

Result<std::vector<std::int32_t>> parse_detokenize_request(std::string_view text) {
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(const auto elements, required_list(body, "tokens"));
  std::vector<std::int32_t> ids;
  for (const Field& element : elements) {
    HADAL_ASSIGN(const std::int64_t id, read_integer(element, 0, INT32_MAX));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

std::string detokenize_body(std::string_view bytes) {
  return json_text({{"content", valid_utf8(bytes)}});
}

std::string apply_template_body(std::string_view prompt) {
  return json_text({{"prompt", valid_utf8(prompt)}});
}

std::string count_tokens_body(std::size_t n_tokens) {
  return json_text({{"input_tokens", n_tokens}});
}

std::string input_tokens_body(std::size_t n_tokens) {
  return json_text({{"object", "response.input_tokens"}, {"input_tokens", n_tokens}});
}

std::string deleted_response_body(std::string_view id) {
  return json_text({{"id", id}, {"object", "response"}, {"deleted", true}});
}

std::string input_items_body(const std::vector<std::string>& items, bool has_more) {
  Json data = Json::array();
  for (const std::string& text : items) {
    auto item = parse_exact_json(text, "item");
    if (item && item->is_object()) data.push_back(std::move(*item));
  }
  const auto id_of = [&](std::size_t i) {
    return i < data.size() ? data[i].value("id", Json()) : Json();
  };
  const Json first = id_of(0), last = id_of(data.size() - 1);
  return json_text({{"object", "list"},
                    {"data", std::move(data)},
                    {"first_id", first},
                    {"last_id", last},
                    {"has_more", has_more}});
}

std::string slots_body(const std::vector<SlotState>& slots) {
  Json list = Json::array();
  for (const SlotState& slot : slots)
    list.push_back({{"id", slot.id},
                    {"id_task", slot.task},
                    {"n_ctx", slot.context},
                    {"speculative", slot.is_speculative},
                    {"is_processing", slot.is_processing},
                    {"n_prompt_tokens", slot.n_prompt},
                    {"params", {{"n_predict", limit_json(slot.max_tokens)}}},
                    {"next_token", {{"n_decoded", slot.n_decoded}, {"n_remain", slot.n_remain}}}});
  return json_text(list);
}

std::string props_body(const ServerProperties& properties) {
  return json_text({{"default_generation_settings",
                     {{"n_ctx", properties.context}, {"params", params_json(properties.defaults)}}},
                    {"total_slots", properties.n_slots},
                    {"model_path", properties.model_path},
                    {"chat_template", properties.chat_template},
                    {"chat_template_caps",
                     {{"supports_tools", true},
                      {"supports_tool_calls", true},
                      {"supports_system_role", true},
                      {"supports_parallel_tool_calls", true}}},
                    {"modalities", {{"vision", false}, {"audio", false}}},
                    {"build_info", properties.build_info},
                    {"is_sleeping", false}});
}

std::string version_body(std::string_view version) {
  return json_text({{"version", version}});
}

std::string load_body(std::size_t n_requests) {
  return json_text({{"server_load", n_requests}});
}

std::string health_body() {
  return R"({"status":"ok"})";
}

}  // namespace hadal
