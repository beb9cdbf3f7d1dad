#include "serve/native_routes.h"

#include "http/url.h"
#include "protocol/models.h"
#include "protocol/native.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace hadal {
namespace {

/// Paths of llama.cpp and vLLM that clients may try, and where to go instead.
struct UnsupportedPath {
  const char *method, *path, *instead;
};
constexpr UnsupportedPath kUnsupportedPaths[] = {
    {"POST", "/completion", "send the request to /v1/completions"},
    {"POST", "/infill", "the model does not fill gaps"},
    {"POST", "/slots/{}", "states are kept and found by themselves (--store)"},
    {"GET", "/lora-adapters", "it loads no adapters"},
    {"POST", "/lora-adapters", "it loads no adapters"},
    {"POST", "/v1/chat/completions/control", "send thinking.budget_tokens to bound the reasoning"},
    {"POST", "/reset_prefix_cache",
     "send cache_prompt: false with a request that must not use it"}};

void add_unsupported(Router& router) {
  for (const UnsupportedPath& one : kUnsupportedPaths)
    router.add(one.method, one.path, [instead = one.instead](Exchange& exchange) {
      exchange.refuse(unsupported_path(exchange.request.path, instead));
    });
}

}  // namespace

void NativeRoutes::add_to(Router& router) {
  for (const char* path : {"/health", "/v1/health"})
    router.add("GET", path, [](Exchange& exchange) { exchange.reply(health_body()); });
  router.add("GET", "/v1/models", this, &NativeRoutes::models);
  router.add("GET", "/v1/models/{*}", this, &NativeRoutes::model);
  router.add("GET", "/props", this, &NativeRoutes::props);
  router.add("GET", "/slots", this, &NativeRoutes::slots);
  router.add("GET", "/metrics", this, &NativeRoutes::metrics);
  router.add("POST", "/v1/embeddings",
             [](Exchange& exchange) { exchange.refuse(embeddings_refusal()); });
  router.add("GET", "/version", [version = options_.version](Exchange& exchange) {
    exchange.reply(version_body(version));
  });
  router.add("GET", "/load", this, &NativeRoutes::load);
  for (const char* method : {"GET", "POST"})
    router.add(method, "/ping", [](Exchange& exchange) { exchange.reply(health_body()); });
  add_unsupported(router);
  router.add("POST", "/tokenize", this, &NativeRoutes::tokenize);
  router.add("POST", "/detokenize", this, &NativeRoutes::detokenize);
}

namespace {

ModelCard card(const NativeRouteOptions& options, std::size_t context) {
  return {.id = options.model_name,
          .created_seconds = options.started_seconds,
          .context = context,
          .train_context = options.train_context};
}

}  // namespace

void NativeRoutes::models(Exchange& exchange) {
  exchange.reply(models_body({card(options_, context_.context)}));
}

void NativeRoutes::model(Exchange& exchange) {
  const std::string& name = exchange.parameters.front();
  if (name != options_.model_name) return exchange.refuse(unknown_model(name));
  exchange.reply(model_body(card(options_, context_.context)));
}

void NativeRoutes::props(Exchange& exchange) {
  exchange.reply(props_body({.model_path = options_.model_path,
                             .chat_template = "deepseek-v4 (built in)",
                             .build_info = fmt::format("hadal {}", options_.version),
                             .n_slots = options_.n_slots,
                             .context = context_.context,
                             .defaults = options_.defaults}));
}

void NativeRoutes::slots(Exchange& exchange) {
  const SchedulerState state = context_.scheduler.state();
  std::vector<SlotState> told;
  for (std::size_t i = 0; i < state.slots.size(); ++i) {
    const auto& slot = state.slots[i];
    const bool busy = slot.job != 0;
    told.push_back({.id = i,
                    .task = busy ? static_cast<std::int64_t>(slot.job) : -1,
                    .context = context_.context,
                    .n_prompt = slot.n_prompt,
                    .n_decoded = slot.n_decoded,
                    .n_remain = slot.max_tokens - std::min(slot.max_tokens, slot.n_decoded),
                    .max_tokens = busy ? slot.max_tokens : 0,
                    .is_processing = busy,
                    .is_speculative = context_.n_drafts > 0});
  }
  const bool must_have_one =
      query_value(exchange.request.query, "fail_on_no_slot").value_or("0") == "1";
  const bool all_busy = std::all_of(told.begin(), told.end(),
                                    [](const SlotState& slot) { return slot.is_processing; });
  if (must_have_one && all_busy)
    return exchange.refuse({.kind = ApiError::Kind::overloaded, .message = "no slot is free"});
  exchange.reply(slots_body(told));
}

void NativeRoutes::load(Exchange& exchange) {
  const SchedulerState state = context_.scheduler.state();
  const auto n_busy = std::count_if(state.slots.begin(), state.slots.end(),
                                    [](const auto& slot) { return slot.job != 0; });
  exchange.reply(load_body(state.n_waiting + static_cast<std::size_t>(n_busy)));
}

void NativeRoutes::metrics(Exchange& exchange) {
  exchange.reply(context_.metrics.text(context_.scheduler.state(), context_.scheduler.totals()),
                 "text/plain; version=0.0.4; charset=utf-8");
}

void NativeRoutes::tokenize(Exchange& exchange) {
  const auto asked = parse_tokenize_request(exchange.request.body);
  if (!asked) return exchange.refuse(asked.error());
  std::vector<std::int32_t> ids;
  if (asked->add_special) ids.push_back(options_.bos);
  const auto more = context_.tokenizer.encode(
      asked->content, asked->parse_special ? SpecialTokens::parse : SpecialTokens::as_text);
  ids.insert(ids.end(), more.begin(), more.end());
  std::vector<std::string> pieces;
  if (asked->with_pieces)
    for (const std::int32_t id : ids) pieces.emplace_back(context_.tokenizer.token_bytes(id));
  exchange.reply(tokenize_body(ids, pieces));
}

void NativeRoutes::detokenize(Exchange& exchange) {
  const auto ids = parse_detokenize_request(exchange.request.body);
  if (!ids) return exchange.refuse(ids.error());
  exchange.reply(detokenize_body(context_.tokenizer.decode(*ids)));
}

}  // namespace hadal
