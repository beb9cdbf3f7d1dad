#include "serve/world_routes.h"

#include "agent/builtin_worlds.h"
#include "agent/episode_json.h"
#include "agent/fact_reader.h"
#include "agent/stop_tokens.h"
#include "agent/told_episode.h"
#include "base/seconds.h"
#include "protocol/field.h"
#include "protocol/json_text.h"
#include "worlds/generator.h"
#include "worlds/phrase.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct WorldRequest {
  worlds::WorldKey key;
  std::string fact;  ///< of what_if; empty: none
  std::size_t after = 0;
};

Result<WorldRequest> parse_world_request(std::string_view text) {
  constexpr std::int64_t kMostSeed = std::int64_t{1} << 53;  // what JavaScript counts exactly
  HADAL_ASSIGN(const Json json, parse_body(text));
  const Field body{json, {}};
  HADAL_ASSIGN(const auto domain, optional_string(body, "domain"));
  HADAL_ASSIGN(const auto depth, optional_integer(body, "depth", 1, worlds::kMaxDepth));
  HADAL_ASSIGN(const auto seed, optional_integer(body, "seed", 0, kMostSeed));
  auto domains = domain ? worlds::parse_domain_choice(*domain) : builtin_worlds().domains;
  if (!domains) return error(ErrorCode::invalid_argument, "domain: {}", domains.error().message);
  WorldRequest request;
  request.key.split = worlds::Split::test;
  request.key.seed = static_cast<std::uint64_t>(seed.value_or(0));
  request.key.domain = domain_of_seed(*domains, request.key.seed);
  request.key.depth = static_cast<int>(depth.value_or(2));
  if (!body.has("what_if")) return request;
  const Field change = body.member("what_if");
  HADAL_TRY(check_object(change, "an object with fact and after"));
  HADAL_ASSIGN(request.fact, required_string(change, "fact"));
  HADAL_ASSIGN(const auto after, optional_integer(change, "after", 0, 1000));
  request.after = static_cast<std::size_t>(after.value_or(0));
  return request;
}

/// An episode that is played step by step between the passes of the server.
class WorldRun : public std::enable_shared_from_this<WorldRun> {
 public:
  WorldRun(Engine& engine, const Tokenizer& tokenizer, Scheduler& scheduler, WorldRequest request,
           Exchange exchange, std::shared_ptr<void> place)
      : engine_(engine),
        tokenizer_(tokenizer),
        scheduler_(scheduler),
        request_(std::move(request)),
        exchange_(std::move(exchange)),
        place_(std::move(place)),
        world_(worlds::generate_world(request_.key, builtin_worlds().world)) {}

  /// Errors: a fact that this world does not know.
  Result<void> start() {
    if (!request_.fact.empty()) {
      auto fact = read_fact(world_, request_.fact);
      if (!fact) return error(fact.error().code, "what_if.fact: {}", fact.error().message);
      change_ = *fact;
    }
    exchange_.responder->on_gone([self = weak_from_this()] {
      if (const auto run = self.lock()) run->is_gone_ = true;
    });
    go_on();
    return {};
  }

 private:
  void go_on() {
    const bool accepted = scheduler_.between_passes([self = shared_from_this()] { self->work(); });
    if (!accepted) {
      exchange_.refuse({.kind = ApiError::Kind::overloaded, .message = "the server is ending"});
    }
  }

  /// One step, on the engine's thread, where the episode's state lives and ends.
  void work() {
    const auto done = step();
    if (done && !*done && !is_gone_) return go_on();
    if (!done) {
      exchange_.refuse(done.error());
    } else if (!is_gone_) {
      Json told = episode_json(*episode_, std::max(seconds_, 1e-9));
      told["literals"] = literals();
      exchange_.reply(told.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    episode_.reset();
  }

  Result<bool> step() {
    const auto begin = Clock::now();
    if (!episode_) {
      HADAL_ASSIGN(auto actor, model_actor(engine_.model(), tokenizer_, {}));
      episode_.emplace(world_, builtin_worlds().world, std::move(actor));
    }
    if (change_ && episode_->steps().size() >= request_.after) {
      HADAL_TRY(episode_->what_if(*change_, request_.after));
      change_.reset();
    }
    if (!episode_->done()) HADAL_TRY(episode_->step());
    seconds_ += seconds_between(begin, Clock::now());
    if (episode_->done() && change_) {
      return error(ErrorCode::invalid_argument, "what_if.after: the episode has only {} steps",
                   episode_->steps().size());
    }
    return episode_->done();
  }

  /// All that can be said of this world: what a change may be.
  Json literals() const {
    Json all = Json::array();
    for (std::size_t v = 0; v < world_.variables.size(); ++v) {
      for (const bool value : {false, true})
        all.push_back(worlds::sentence(world_, {static_cast<std::uint8_t>(v), value}));
    }
    return all;
  }

  Engine& engine_;
  const Tokenizer& tokenizer_;
  Scheduler& scheduler_;
  WorldRequest request_;
  Exchange exchange_;
  std::shared_ptr<void> place_;  ///< held
  worlds::World world_;
  std::optional<worlds::Literal> change_;  ///< still to come
  std::optional<ToldEpisode> episode_;
  double seconds_ = 0;
  std::atomic<bool> is_gone_{false};
};

}  // namespace

WorldRoutes::WorldRoutes(Engine& engine, const Tokenizer& tokenizer, Scheduler& scheduler,
                         std::size_t max_running)
    : engine_(engine), tokenizer_(tokenizer), scheduler_(scheduler), max_running_(max_running) {
  if (const auto stops = find_stop_tokens(tokenizer); !stops) refusal_ = stops.error().message;
}

void WorldRoutes::add_to(Router& router) {
  router.add("GET", "/worlds", this, &WorldRoutes::list);
  router.add("POST", "/worlds/play", this, &WorldRoutes::play);
}

void WorldRoutes::list(Exchange& exchange) {
  Json domains = Json::array();
  for (const std::size_t i : builtin_worlds().domains.indices)
    domains.push_back(worlds::domains()[i].name);
  exchange.reply(json_text({{"available", refusal_.empty()},
                            {"reason", refusal_},
                            {"domains", std::move(domains)},
                            {"max_depth", worlds::kMaxDepth},
                            {"trained_depth", builtin_worlds().trained_depth}}));
}

/// Null: there is none.
std::shared_ptr<void> WorldRoutes::take_place() {
  if (++*n_running_ > max_running_) {
    --*n_running_;
    return nullptr;
  }
  return {n_running_.get(), [n = n_running_](void*) { --*n; }};
}

void WorldRoutes::play(Exchange& exchange) {
  if (!refusal_.empty())
    return exchange.refuse({.kind = ApiError::Kind::not_supported, .message = refusal_});
  auto request = parse_world_request(exchange.request.body);
  if (!request) return exchange.refuse(request.error());
  auto place = take_place();
  if (!place) {
    return exchange.refuse(
        too_many_requests(fmt::format("{} episodes are being played already", max_running_), 2));
  }
  const auto run = std::make_shared<WorldRun>(engine_, tokenizer_, scheduler_, std::move(*request),
                                              exchange, std::move(place));
  const auto started = run->start();
  if (!started) exchange.refuse(started.error());
}

}  // namespace hadal
