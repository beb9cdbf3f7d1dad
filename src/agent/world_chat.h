// A conversation in one causal world: a user asks in plain English, the model says by a call of
// set_goal what it takes that to mean, and then acts by tool calls that the world answers.
#pragma once

#include "agent/telling.h"
#include "chat/language_model.h"
#include "worlds/narrator.h"
#include "worlds/simulator.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// How a request ended.
enum class RequestEnd : std::uint8_t {
  answered,        ///< in words, without a goal
  reached,         ///< the goal holds
  held_before,     ///< the goal held when it was set
  out_of_reach,    ///< no plan leads to it from here
  out_of_steps,    ///< the model used up worlds::step_budget() of the goal's shortest plan
  not_understood,  ///< the model set a goal that this world does not know
};

/// The world, not the model, has to answer such a request.
constexpr bool is_refused(RequestEnd end) noexcept {
  return end == RequestEnd::held_before || end == RequestEnd::out_of_reach ||
         end == RequestEnd::not_understood;
}

class WorldChat {
 public:
  struct Listener {
    std::function<void(const std::vector<worlds::Literal>& goal)> on_goal = {};
    std::function<void(const EpisodeStep& step)> on_step = {};
    std::function<void(std::string_view text)> on_text = {};  ///< what the model says in words
  };

  /// `world` and `model` must outlive it. One thread at a time.
  WorldChat(const worlds::World& world, const worlds::WorldOptions& options, LanguageModel& model);

  /// Answers greedily. After errors and refusals the conversation is as before the request; what
  /// was done in the world stays done. Errors: of the model.
  Result<RequestEnd> ask(std::string_view request, const Listener& listener);

  const worlds::Simulator& simulator() const { return simulator_; }
  /// What the conversation holds so far.
  const Conversation& conversation() const { return conversation_; }

 private:
  struct Pursuit {
    std::vector<worlds::Literal> goal;
    std::size_t steps_left = 1;  ///< before there is a goal, too, the model may try something
  };

  Result<RequestEnd> answer(const Listener& listener);
  Result<Message> next_message();
  /// Starts to pursue what the call says; or why that ends the request.
  std::optional<RequestEnd> set_goal(const ToolCall& call, Pursuit& pursuit,
                                     const Listener& listener);
  /// Carries out the call of `message`. An id that is in use is replaced in it by the one that the
  /// world knows the act by.
  EpisodeStep act(Message& message);
  /// Lets the model say how it ended.
  Result<void> close(const Listener& listener);

  worlds::Narrator narrator_;
  worlds::Simulator simulator_;
  LanguageModel& model_;
  Conversation conversation_;
};

}  // namespace hadal
