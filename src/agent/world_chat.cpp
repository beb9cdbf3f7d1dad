#include "agent/world_chat.h"

#include "agent/fact_reader.h"
#include "agent/world_conversation.h"
#include "worlds/chat_episode.h"
#include "worlds/plan.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace hadal {
namespace {

constexpr std::size_t kMaxAnswerTokens = 200;  // a call with its header takes about 40

std::vector<worlds::Argument> arguments_of(const ToolCall& call) {
  std::vector<worlds::Argument> arguments;
  const auto object = nlohmann::ordered_json::parse(call.arguments, nullptr, false);
  if (!object.is_object()) return arguments;
  for (const auto& [name, value] : object.items())
    if (value.is_string()) arguments.push_back({name, value.get<std::string>()});
  return arguments;
}

std::string goal_words(const ToolCall& call) {
  for (const worlds::Argument& argument : arguments_of(call))
    if (argument.name == worlds::kGoalParameter) return argument.value;
  return {};
}

}  // namespace

WorldChat::WorldChat(const worlds::World& world, const worlds::WorldOptions& options,
                     LanguageModel& model)
    : narrator_(world, options),
      simulator_(world),
      model_(model),
      conversation_(opening_conversation(worlds::chat_opening(world, narrator_), false)) {}

Result<RequestEnd> WorldChat::ask(std::string_view request, const Listener& listener) {
  const std::size_t n_messages = conversation_.messages.size();
  conversation_.messages.push_back({.role = Role::user, .content = std::string(request)});
  auto end = answer(listener);
  if (!end || is_refused(*end)) conversation_.messages.resize(n_messages);
  return end;
}

Result<RequestEnd> WorldChat::answer(const Listener& listener) {
  Pursuit pursuit;
  while (true) {
    HADAL_ASSIGN(Message message, next_message());
    if (message.tool_calls.empty()) {
      if (listener.on_text) listener.on_text(message.content);
      conversation_.messages.push_back(std::move(message));
      return pursuit.goal.empty() ? RequestEnd::answered : RequestEnd::out_of_steps;
    }
    const ToolCall& call = message.tool_calls.front();
    std::string result;
    if (call.name == worlds::kSetGoalTool) {
      if (const auto end = set_goal(call, pursuit, listener)) return *end;
      result = worlds::text_of(narrator_.goal_event(pursuit.goal));
    } else {
      const EpisodeStep step = act(message);
      result = step.answer;
      if (listener.on_step) listener.on_step(step);
      --pursuit.steps_left;
    }
    message.has_events = true;
    conversation_.messages.push_back(std::move(message));
    conversation_.messages.push_back(
        {.role = Role::tool, .content = std::move(result), .has_events = true});
    if (!pursuit.goal.empty() && worlds::all_hold(pursuit.goal, simulator_.state())) {
      HADAL_TRY(close(listener));
      return RequestEnd::reached;
    }
    if (pursuit.steps_left == 0) {
      conversation_.messages.push_back({.role = Role::assistant, .content = "Not done."});
      return RequestEnd::out_of_steps;
    }
  }
}

Result<Message> WorldChat::next_message() {
  CompletionRequest request{.prompt = conversation_};
  request.options.temperature = 0.0f;
  request.options.max_tokens = kMaxAnswerTokens;
  HADAL_ASSIGN(Completion completion, model_.complete(request, {}));
  if (completion.message.tool_calls.size() > 1)
    completion.message.tool_calls.resize(1);  // the world answers one at a time
  return std::move(completion.message);
}

std::optional<RequestEnd> WorldChat::set_goal(const ToolCall& call, Pursuit& pursuit,
                                              const Listener& listener) {
  const worlds::World& world = simulator_.world();
  auto goal = read_goal(world, goal_words(call));
  if (!goal) return RequestEnd::not_understood;
  if (listener.on_goal) listener.on_goal(*goal);
  const auto plan = worlds::optimal_plan_to(world, *goal, simulator_.state());
  if (!plan) return RequestEnd::out_of_reach;
  if (plan->empty()) return RequestEnd::held_before;
  const int budget = worlds::step_budget(static_cast<int>(plan->size()));
  pursuit = {std::move(*goal), static_cast<std::size_t>(budget)};
  return std::nullopt;
}

EpisodeStep WorldChat::act(Message& message) {
  const ToolCall& call = message.tool_calls.front();
  const worlds::WrittenHeader header = worlds::parse_act_header(message.content);
  const worlds::WrittenAct written{
      .causes = header.causes, .tool = call.name, .arguments = arguments_of(call)};
  narrator_.act_opened(header.id);
  message.content = worlds::with_act_id(std::move(message.content), narrator_.current_act());
  return do_act(&written, narrator_, simulator_);
}

Result<void> WorldChat::close(const Listener& listener) {
  HADAL_ASSIGN(Message message, next_message());
  message.tool_calls.clear();
  if (listener.on_text) listener.on_text(message.content);
  conversation_.messages.push_back(std::move(message));
  return {};
}

}  // namespace hadal
