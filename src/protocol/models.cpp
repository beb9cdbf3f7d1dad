#include "protocol/models.h"

#include "protocol/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// RFC 3339, UTC. Computed from days, since gmtime has limits and state.
std::string rfc3339(std::uint64_t unix_seconds) {
  using namespace std::chrono;
  const sys_seconds time{seconds(static_cast<std::int64_t>(unix_seconds))};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

Json card_json(const ModelCard& card) {
  return {{"id", card.id},
          {"object", "model"},
          {"created", card.created_seconds},
          {"owned_by", card.owned_by},
          {"context_length", card.context},
          {"max_model_len", card.context},
          {"meta", {{"n_ctx_train", card.train_context}}},
          {"type", "model"},
          {"display_name", card.id},
          {"created_at", rfc3339(card.created_seconds)},
          {"max_input_tokens", card.context},
          {"lifecycle", "active"}};
}

}  // namespace

std::string models_body(const std::vector<ModelCard>& cards) {
  Json data = Json::array();
  for (const ModelCard& card : cards) data.push_back(card_json(card));
  const Json first = cards.empty() ? Json() : Json(cards.front().id);
  const Json last = cards.empty() ? Json() : Json(cards.back().id);
  return json_text({{"object", "list"},
                    {"data", std::move(data)},
                    {"has_more", false},
                    {"first_id", first},
                    {"last_id", last}});
}

std::string model_body(const ModelCard& card) {
  return json_text(card_json(card));
}

}  // namespace hadal
