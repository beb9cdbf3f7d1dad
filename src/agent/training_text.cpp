#include "agent/training_text.h"

#include "agent/world_conversation.h"
#include "base/check.h"
#include "base/random.h"
#include "chat/prompt_encoder.h"
#include "worlds/chat_episode.h"
#include "worlds/generator.h"
#include "worlds/narrative.h"
#include "worlds/small_talk.h"

#include <algorithm>
#include <string_view>

namespace hadal {
namespace {

using worlds::Piece;

constexpr std::string_view kAssistantToken = "<｜Assistant｜>";

/// Weighs events: stretches of text and the structure tokens between them (Message::has_events).
/// Headers are random (ids) or given (causes), except in the model's own acts.
class EventWeigher {
 public:
  explicit EventWeigher(const worlds::LossWeights& weights) : weights_(weights) {}

  static bool is_structure_token(const PromptSegment& segment) {
    return segment.is_special && segment.text.starts_with("<|");
  }

  /// @param answer_weight  of what the model itself is to write; negative for everything else
  void add(std::vector<Piece>& pieces, const PromptSegment& segment, float answer_weight) {
    if (segment.is_special) return add_token(pieces, segment.text, answer_weight);
    pieces.push_back({segment.text, weight(answer_weight)});
  }

 private:
  void add_token(std::vector<Piece>& pieces, std::string_view token, float answer_weight) {
    const bool is_opener = token == "<|fact|>" || token == "<|mech|>" || token == "<|goal|>" ||
                           token == "<|act|>" || token == "<|obs|>";
    if (is_opener) {
      in_header_ = true;
      body_ = token == "<|goal|>" || token == "<|obs|>" ? weights_.observation : weights_.text;
    }
    const float own_id = answer_weight > 0.0f ? weights_.act_id : std::min(answer_weight, 0.0f);
    pieces.push_back({std::string(token), weight(after_opener_ ? own_id : answer_weight)});
    if (token == "<|:|>") in_header_ = false;
    if (token == "<|/ev|>") body_ = weights_.text;
    after_opener_ = is_opener;
  }

  float weight(float answer_weight) const {
    if (answer_weight >= 0.0f) return answer_weight;
    return in_header_ ? 0.0f : body_;
  }

  const worlds::LossWeights& weights_;
  float body_ = weights_.text;
  bool in_header_ = false;
  bool after_opener_ = false;
};

/// Weights of a rendered conversation: `turn_weights[i]` for the i-th assistant turn (its end token
/// included).
std::vector<Piece> weigh(const Prompt& prompt, const std::vector<float>& turn_weights,
                         const worlds::LossWeights& weights) {
  std::vector<Piece> pieces;
  std::size_t n_turns = 0;
  bool in_answer = false;
  EventWeigher events(weights);
  for (const PromptSegment& segment : prompt.segments()) {
    const float weight = in_answer ? turn_weights[n_turns - 1] : weights.text;
    if (!segment.is_special || EventWeigher::is_structure_token(segment)) {
      events.add(pieces, segment, in_answer ? weight : -1.0f);
    } else if (segment.text == kAssistantToken) {
      pieces.push_back({segment.text, 0.0f});
      in_answer = true;
      ++n_turns;
    } else {
      const bool is_template = segment.text == "</think>" || segment.text == worlds::kBosToken;
      pieces.push_back({segment.text, is_template ? 0.0f : weight});
      if (segment.text == worlds::kEosToken) in_answer = false;
    }
  }
  return pieces;
}

Prompt encode(const Conversation& conversation) {
  auto prompt = encode_prompt(conversation, {});
  HADAL_CHECK(prompt.has_value(), "our own conversations can be encoded");
  return std::move(prompt).value();
}

/// @param world  a world that the conversation opens with, as those with a request do; may be null
std::vector<Piece> small_talk_text(std::uint64_t draw, const worlds::World* world,
                                   const worlds::WorldOptions& options) {
  const auto exchanges = worlds::small_talk();
  const worlds::SmallTalk& exchange = exchanges[draw % exchanges.size()];
  Conversation conversation;
  if (world != nullptr) {
    worlds::Narrator narrator(*world, options);
    conversation = opening_conversation(worlds::chat_opening(*world, narrator), false);
  }
  conversation.messages.push_back({.role = Role::user, .content = std::string(exchange.user)});
  conversation.messages.push_back(
      {.role = Role::assistant, .content = std::string(exchange.assistant)});
  return weigh(encode(conversation), {options.weights.observation}, options.weights);
}

int draw_depth(RandomStream& random, double depth_one_share, int max_depth) {
  if (max_depth == 1 || random.uniform() < depth_one_share) return 1;
  return 2 + static_cast<int>(random.below(static_cast<std::uint32_t>(max_depth - 1)));
}

worlds::WorldKey draw_world(RandomStream& random, worlds::Split split, std::uint64_t seed,
                            std::uint64_t index, const TrainingTextOptions& options,
                            int max_depth) {
  random.next();  // once drew the domain; the published stream keeps its place
  return {.split = split,
          .domain = worlds::domain_of(options.domains, split, index),
          .depth = draw_depth(random, options.depth_one_share, max_depth),
          .seed = seed,
          .index = index};
}

worlds::WorldOptions options_of_world(std::uint64_t seed, std::uint64_t index,
                                      const TrainingTextOptions& options) {
  worlds::WorldOptions world = options.world;
  // A stream of its own: the others keep their places whatever the share is.
  if (RandomStream(splitmix64_at(seed ^ fnv1a64("sized_world"), index)).uniform() >=
      options.sized_share)
    world.min_mechanisms = world.max_mechanisms = 0;
  return world;
}

RandomStream stream_of(std::uint64_t seed, std::uint64_t index) {
  return RandomStream(splitmix64_at(seed ^ fnv1a64("training_text"), index));
}

}  // namespace

std::vector<Piece> chat_training_text(const worlds::WorldKey& key,
                                      const worlds::WorldOptions& options, bool with_tool_section) {
  const worlds::ChatEpisode episode = worlds::training_chat_episode(key, options);
  Conversation conversation = opening_conversation(episode.opening, with_tool_section);
  std::vector<float> turn_weights;
  std::vector<const worlds::ChatStep*> acts;
  for (const worlds::ChatTurn& turn : episode.turns) {
    conversation.messages.push_back({.role = Role::user, .content = turn.request});
    add_step(conversation, turn.set_goal);
    turn_weights.push_back(options.weights.act);
    for (const worlds::ChatStep& step : turn.steps) {
      add_step(conversation, step);
      turn_weights.push_back(step.is_mistake ? 0.0f : options.weights.act);
      acts.push_back(&step);
    }
    conversation.messages.push_back({.role = Role::assistant, .content = turn.closing});
    turn_weights.push_back(options.weights.observation);
  }
  std::vector<Piece> pieces = weigh(encode(conversation), turn_weights, options.weights);
  auto act = acts.begin();
  for (Piece& piece : pieces)
    if (piece.text == "<|act|>" && act != acts.end()) piece.optimal_ids = (*act++)->optimal_ids;
  HADAL_CHECK(act == acts.end(), "each step is one act of the text");
  return pieces;
}

std::vector<Piece> training_text(worlds::Split split, std::uint64_t seed, std::uint64_t index,
                                 const TrainingTextOptions& options, int max_depth) {
  RandomStream random = stream_of(seed, index);
  const worlds::WorldOptions world_options = options_of_world(seed, index, options);
  const double kind = random.uniform();
  if (kind < options.small_talk_share) {
    const std::uint64_t draw = random.next();
    if (random.below(2) == 0) return small_talk_text(draw, nullptr, world_options);
    const worlds::World world = worlds::generate_world(
        draw_world(random, split, seed, index, options, max_depth), world_options);
    return small_talk_text(draw, &world, world_options);
  }
  const bool as_chat = kind < options.small_talk_share + options.chat_share;
  const bool with_tool_section = random.uniform() < options.tools_share;
  const worlds::WorldKey key = draw_world(random, split, seed, index, options, max_depth);
  return as_chat ? chat_training_text(key, world_options, with_tool_section)
                 : worlds::training_narrative(key, world_options);
}

std::optional<worlds::CounterfactualPair> training_pair(worlds::Split split, std::uint64_t seed,
                                                        std::uint64_t index,
                                                        const TrainingTextOptions& options,
                                                        int max_depth) {
  RandomStream random = stream_of(seed, index);
  random.uniform();  // what kind of text
  random.uniform();  // with tool section?
  return worlds::counterfactual_pair(draw_world(random, split, seed, index, options, max_depth),
                                     options_of_world(seed, index, options));
}

}  // namespace hadal
