#include "play_output.h"

#include "worlds/phrase.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace hadal {
namespace {

constexpr float kWorthShowing = 0.05f;  // of the attention; what was named is always shown

/// Where causes begin: behind the longest event that was told before the first act, if it is short
/// enough.
std::size_t column_of(const std::vector<ToldEvent>& events) {
  constexpr std::size_t kFront = 9, kMost = 76;
  std::size_t longest = 0;
  for (const ToldEvent& event : events) {
    if (event.kind == EventKind::act) break;
    if (event.text.size() + kFront <= kMost) longest = std::max(longest, event.text.size());
  }
  return longest + kFront;
}

/// The events that a step named or attended to, most attended first; in the order named without
/// shares.
std::vector<std::size_t> causes_to_show(const std::vector<ToldEvent>& events,
                                        const ToldStep& step) {
  std::vector<std::size_t> shown = events[step.act].causes;
  const auto share = [&](std::size_t event) {
    return event + 1 < step.attended.size() ? step.attended[event + 1] : 0.0f;
  };
  for (std::size_t i = 0; i < step.act; ++i) {
    const bool is_named = std::find(shown.begin(), shown.end(), i) != shown.end();
    if (!is_named && share(i) >= kWorthShowing) shown.push_back(i);
  }
  std::stable_sort(shown.begin(), shown.end(),
                   [&](std::size_t a, std::size_t b) { return share(a) > share(b); });
  return shown;
}

std::string note_of(const std::vector<ToldEvent>& events, const WhyLine& line) {
  const ToldEvent& event = events[line.event];
  if (line.seen_before) return " (as above)";
  if (event.kind == EventKind::fact) return " (true at the start)";
  if (event.name.front() == 'w') return " (changed from outside)";
  if (event.causes.empty() && event.kind == EventKind::act) return " (named no cause)";
  return "";
}

}  // namespace

bool colour_on_stdout() {
  return ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
}

std::string EpisodePrinter::strong(const std::string& text) const {
  return colour_ ? "\033[1m" + text + "\033[0m" : text;
}

std::string EpisodePrinter::faint(const std::string& text) const {
  return colour_ ? "\033[2m" + text + "\033[0m" : text;
}

void EpisodePrinter::event_line(const std::vector<ToldEvent>& events, std::size_t event,
                                bool leads_to_goal, const std::string& prefix) const {
  const ToldEvent& told = events[event];
  std::string line =
      fmt::format("{}{} {:<4}{}", prefix, leads_to_goal ? "*" : " ", told.name, told.text);
  if (told.causes.empty()) {
    fmt::print("{}\n", line);
    return;
  }
  line.resize(std::max(line.size(), column_of(events)), ' ');
  fmt::print("{} {}\n", line,
             faint(fmt::format("<- {}", fmt::join(names_of(events, told.causes), " "))));
}

void EpisodePrinter::world() const {
  const worlds::World& world = episode_.world();
  fmt::print("A {} world, found nowhere in the training data (seed {}).\n", world.domain->name,
             world.key.seed);
  fmt::print("{}\n",
             faint("f fact, m mechanism, g goal, a act, o observation; <- its direct causes, "
                   "part of the text; * leads to the goal (no mark in the text).\n"
                   "World model: an independent implementation of a reported idea, not a "
                   "part of the released V4."));
  const auto events = episode_.graph().events();
  const auto leads_to_goal = episode_.graph().goal_ancestors();
  const auto section = [&](const char* title, EventKind kind) {
    fmt::print("{}\n", title);
    for (std::size_t i = 0; i < events.size(); ++i)
      if (events[i].kind == kind) event_line(events, i, leads_to_goal[i], "  ");
  };
  section("\nTrue at the start:", EventKind::fact);
  section("What can be done, and what follows by itself:", EventKind::mech);
  section("Goal:", EventKind::goal);
  fmt::print("\n");
}

void EpisodePrinter::causes(const std::vector<ToldEvent>& events, const ToldStep& step) const {
  const auto& named = events[step.act].causes;
  const bool has_shares = !step.attended.empty();
  if (has_shares) fmt::print("{}\n", faint("       named  attended to (world model)"));
  float rest = 1.0f;
  for (const std::size_t cause : causes_to_show(events, step)) {
    const ToldEvent& event = events[cause];
    if (!has_shares) {
      fmt::print("       because: {:<4}{}\n", event.name, event.text);
      continue;
    }
    const bool is_named = std::find(named.begin(), named.end(), cause) != named.end();
    const float share = cause + 1 < step.attended.size() ? step.attended[cause + 1] : 0.0f;
    rest -= share;
    fmt::print("       {:<7}{:>3.0f} %  {:<4}{}\n", is_named ? "yes" : "-", 100.0f * share,
               event.name, event.text);
  }
  if (has_shares)
    fmt::print("       {:<7}{:>3.0f} %  {}\n", "", 100.0f * std::max(rest, 0.0f),
               faint("other events, other text, nothing"));
}

void EpisodePrinter::step(std::size_t number) const {
  const ToldStep& step = episode_.steps()[number - 1];
  const auto events = episode_.graph().events();
  const std::string prefix = fmt::format("{:>2}.", number);
  event_line(events, step.act, false, strong(prefix));
  causes(events, step);
  event_line(events, step.observation, false, "   ");
  std::fflush(stdout);
}

void EpisodePrinter::change() const {
  const ToldChange& change = episode_.changes().back();
  fmt::print(
      "\nWhat if {}? ({})\n", worlds::sentence(episode_.world(), change.fact),
      change.after == 0 ? "before the first step" : fmt::format("after step {}", change.after));
  event_line(episode_.graph().events(), change.event, false, "   ");
  if (change.change.goal_holds) {
    fmt::print("The goal holds all the same: there is nothing to do.\n");
  } else if (!change.change.goal_in_reach) {
    fmt::print("Now no plan of up to {} steps reaches the goal.\n", worlds::kMaxPlanLength);
  }
  std::fflush(stdout);
}

void EpisodePrinter::ending() const {
  const auto& changes = episode_.changes();
  const std::size_t n_before = changes.empty() ? 0 : changes.back().after;
  const int optimal = changes.empty() ? episode_.world().key.depth : changes.back().change.optimal;
  const std::size_t n_steps = episode_.steps().size() - n_before;
  fmt::print("\n{} in {} step{}{} (shortest plan: {}, allowed: {}).\n",
             episode_.solved() ? "Solved" : "Not solved", n_steps, n_steps == 1 ? "" : "s",
             changes.empty() ? "" : " from the change on", optimal, episode_.budget() - n_before);
}

void EpisodePrinter::graph() const {
  fmt::print("\nThe causal graph as told (* leads to the goal; <- from these causes):\n");
  const auto events = episode_.graph().events();
  const auto leads_to_goal = episode_.graph().goal_ancestors();
  for (std::size_t i = 0; i < events.size(); ++i)
    event_line(events, i, is_told_at_the_start(events[i].kind) && leads_to_goal[i], "  ");
}

void EpisodePrinter::why(std::size_t event) const {
  const auto events = episode_.graph().events();
  fmt::print("\nWhy {} {}\n", events[event].name, events[event].text);
  for (const WhyLine& line : episode_.graph().why(event)) {
    const std::string note = note_of(events, line);
    if (line.depth == 0 && note.empty()) continue;
    fmt::print("{:{}}{} {}{}\n", "", 3 * std::max<std::size_t>(line.depth, 1),
               strong(events[line.event].name), line.depth == 0 ? "" : events[line.event].text,
               faint(note));
  }
}

}  // namespace hadal
