#include "play_prompt.h"

#include "agent/fact_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <string_view>

#include <unistd.h>

namespace hadal {
namespace {

constexpr const char* kPlayHelp =
    "why N            the causes of step N, back to what was told at the start; also why o1, why "
    "g1 ..\n"
    "what if FACT     changes a fact after step 1, and lets the model go on from there;\n"
    "                 what if FACT after N: after step N, 0: before the first\n"
    "facts            what can be changed\n"
    "graph            all events with their causes\n"
    "off, token_causal, on   the same episode once more, without the world model, with one that\n"
    "                 attends to all text, and as usual\n"
    "count N          plays N episodes of each depth and prints how many were solved\n"
    "help             this text\n"
    "quit, Ctrl-D     leave\n";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r?";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

/// Cuts `word`, and blanks behind it, off the front; false when something else stands there.
bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  if (text.size() > word.size() && text[word.size()] != ' ') return false;
  text = trimmed(text.substr(word.size()));
  return true;
}

/// Cuts " after N" off the end.
std::optional<std::size_t> take_moment(std::string_view& text) {
  constexpr std::string_view kAfter = " after ";
  const std::size_t at = text.rfind(kAfter);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view word = trimmed(text.substr(at + kAfter.size()));
  take_word(word, "step");
  std::size_t number = 0;
  const char* end = word.data() + word.size();
  const auto read = std::from_chars(word.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  text = trimmed(text.substr(0, at));
  return number;
}

class Questions {
 public:
  Questions(ToldEpisode& episode, const EpisodePrinter& printer, const PromptActions& actions)
      : episode_(episode), printer_(printer), actions_(actions) {}

  /// @return whether to go on
  Result<bool> answer(std::string_view line) {
    line = trimmed(line);
    if (line.empty()) return true;
    if (line == "quit" || line == "exit" || line == "/quit" || line == "/exit") return false;
    if (line == "help" || line == "/help") {
      fmt::print("{}", kPlayHelp);
    } else if (line == "graph") {
      printer_.graph();
    } else if (line == "facts") {
      fmt::print("{}\n", known_facts(episode_.world()));
    } else if (line == "off" || line == "on" || line == "token_causal") {
      say(actions_.again(std::string(line)));
    } else if (take_word(line, "count")) {
      count(line);
    } else if (take_word(line, "why")) {
      why(line);
    } else if (take_word(line, "what if") || take_word(line, "what-if")) {
      HADAL_TRY(what_if(line));
    } else {
      fmt::print("\"{}\" is no question that can be answered here. There are:\n{}", line,
                 kPlayHelp);
    }
    std::fflush(stdout);
    return true;
  }

 private:
  void why(std::string_view name) {
    const std::string last = fmt::format("{}", episode_.steps().size());
    const auto event = episode_.find_event(name.empty() ? last : name);
    event ? printer_.why(*event) : fmt::print("{}\n", event.error().message);
  }

  static void say(const Result<void>& done) {
    if (!done) fmt::print("{}\n", done.error().message);
  }

  void count(std::string_view text) {
    constexpr std::size_t kFew = 100, kMost = 100000;
    std::size_t n = kFew;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
    const bool is_number = read.ec == std::errc() && read.ptr == text.data() + text.size();
    if (!text.empty() && (!is_number || n == 0 || n > kMost)) {
      fmt::print("count takes a number from 1 to {}, found \"{}\"\n", kMost, text);
      return;
    }
    say(actions_.count(n));
  }

  Result<void> what_if(std::string_view text) {
    const auto moment = take_moment(text);
    const auto fact = read_fact(episode_.world(), text);
    if (!fact) {
      fmt::print("{}\n", fact.error().message);
      return {};
    }
    const auto changed = episode_.what_if(*fact, moment.value_or(default_moment(episode_)));
    if (!changed) {
      fmt::print("{}\n", changed.error().message);
      return {};
    }
    printer_.change();
    if (episode_.done()) return {};
    HADAL_TRY(play_on(episode_, &printer_));
    printer_.ending();
    return {};
  }

  ToldEpisode& episode_;
  const EpisodePrinter& printer_;
  const PromptActions& actions_;
};

}  // namespace

Result<void> play_on(ToldEpisode& episode, const EpisodePrinter* printer,
                     std::optional<std::size_t> n_steps) {
  while (!episode.done() && (!n_steps || episode.steps().size() < *n_steps)) {
    HADAL_TRY(episode.step());
    if (printer != nullptr) printer->step(episode.steps().size());
  }
  return {};
}

std::size_t default_moment(const ToldEpisode& episode) {
  return episode.steps().empty() ? 0 : 1;
}

Result<void> answer_questions(ToldEpisode& episode, const EpisodePrinter& printer,
                              const PromptActions& actions) {
  const bool on_terminal = ::isatty(STDIN_FILENO) != 0;
  if (on_terminal) fmt::print("\nAsk why 1, what if FACT, graph, off, count, help; quit leaves.\n");
  Questions questions(episode, printer, actions);
  for (std::string line;;) {
    if (on_terminal) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    HADAL_ASSIGN(const bool goes_on, questions.answer(line));
    if (!goes_on) return {};
  }
  if (on_terminal) fmt::print("\n");
  return {};
}

}  // namespace hadal
