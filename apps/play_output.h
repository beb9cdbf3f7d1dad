// How `hadal play` shows an episode: lines of its causal graph as they come, and the way back of
// "why".
#pragma once

#include "agent/told_episode.h"

#include <cstddef>
#include <string>

namespace hadal {

/// Prints on stdout.
class EpisodePrinter {
 public:
  EpisodePrinter(const ToldEpisode& episode, bool colour) : episode_(episode), colour_(colour) {}

  /// The world as the events told before the first step.
  void world() const;
  /// @param number  from 1
  void step(std::size_t number) const;
  /// The latest change from outside, and what is left to do.
  void change() const;
  void ending() const;
  /// All events so far.
  void graph() const;
  /// The causes of an event, back to what was told at the start.
  void why(std::size_t event) const;

 private:
  void event_line(const std::vector<ToldEvent>& events, std::size_t event, bool leads_to_goal,
                  const std::string& prefix) const;
  void causes(const std::vector<ToldEvent>& events, const ToldStep& step) const;
  std::string strong(const std::string& text) const;
  std::string faint(const std::string& text) const;

  const ToldEpisode& episode_;
  bool colour_;
};

/// stdout is a terminal, and the environment does not say NO_COLOR.
bool colour_on_stdout();

}  // namespace hadal
