#include "serve/monitor_routes.h"

#include "base/memory_info.h"
#include "base/seconds.h"
#include "protocol/json_text.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <utility>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

Json slots_json(const SchedulerState& state) {
  Json slots = Json::array();
  for (std::size_t i = 0; i < state.slots.size(); ++i) {
    const SchedulerState::Slot& slot = state.slots[i];
    slots.push_back({{"id", i},
                     {"busy", slot.job != 0},
                     {"client", slot.client},
                     {"n_prompt", slot.n_prompt},
                     {"n_prompt_done", slot.n_prompt_done},
                     {"n_decoded", slot.n_decoded},
                     {"max_tokens", slot.max_tokens}});
  }
  return slots;
}

Json state_json(const SchedulerState& state) {
  return {{"limit_bytes", state.state_limit},
          {"page_bytes", state.page_bytes},
          {"snapshot_bytes", state.snapshot_bytes},
          {"n_snapshots", state.n_snapshots},
          {"n_evicted", state.n_evicted}};
}

Json totals_json(const SchedulerTotals& totals, const ServerSums& sums) {
  return {{"requests", sums.outcomes},
          {"prompt_tokens", totals.n_prompt_tokens},
          {"decoded_tokens", totals.n_decoded_tokens},
          {"passes", totals.n_passes},
          {"busy_seconds", totals.busy_seconds},
          {"prefill_seconds", totals.prefill_seconds},
          {"decode_seconds", totals.decode_seconds},
          {"preemptions", totals.n_preemptions}};
}

Json prefix_json(const ServerSums& sums) {
  return {{"restored_tokens", sums.n_restored},
          {"repeated_tokens", sums.n_repeated},
          {"new_tokens", sums.n_prompt - sums.n_restored - sums.n_repeated},
          {"misses", sums.misses}};
}

Json disk_json(const SnapshotStore* snapshots) {
  if (snapshots == nullptr) return nullptr;
  const SnapshotStore::Numbers numbers = snapshots->numbers();
  return {{"limit_bytes", numbers.max_bytes},   {"bytes", numbers.n_bytes},
          {"n_snapshots", numbers.n_snapshots}, {"n_loaded", numbers.n_loaded},
          {"n_damaged", numbers.n_damaged},     {"n_unwritten", numbers.n_unwritten}};
}

}  // namespace

void MonitorRoutes::add_to(Router& router) {
  router.add("GET", "/monitor", this, &MonitorRoutes::show);
}

void MonitorRoutes::show(Exchange& exchange) {
  const SchedulerState state = context_.scheduler.state();
  const ServerSums sums = context_.metrics.sums();
  Json experts = nullptr;
  if (experts_ != nullptr) experts = {{"layers", experts_->counts()}};
  exchange.reply(json_text({{"model", options_.model_name},
                            {"uptime_seconds", unix_seconds() - options_.started_seconds},
                            {"context", context_.context},
                            {"slots", slots_json(state)},
                            {"queue", state.n_waiting},
                            {"state", state_json(state)},
                            {"disk", disk_json(snapshots_)},
                            {"process", {{"rss_bytes", process_memory_bytes()}}},
                            {"prefix", prefix_json(sums)},
                            {"totals", totals_json(context_.scheduler.totals(), sums)},
                            {"experts", std::move(experts)}}));
}

}  // namespace hadal
