#include "eval/ablation_probes.h"

#include "worlds/question.h"

#include <fmt/format.h>

namespace hadal::eval {

std::string percent_text(double share) {
  return fmt::format("{:.1f}", 100 * share);
}

namespace {

std::string percent(const Proportion& p) {
  return fmt::format("{:.1f} ({:.1f}–{:.1f})", 100 * p.share, 100 * p.low, 100 * p.high);
}

std::string name_of(const std::string& arm, const RunData& run) {
  return fmt::format("{}, seed {}", arm, run.seed);
}

}  // namespace

std::string probes_section(const std::map<std::string, ArmData>& arms) {
  std::string rows;
  for (const auto& [name, arm] : arms) {
    for (const RunData& run : arm.runs) {
      const Summary &changed = run.perturbed, &hidden = run.hidden;
      if (changed.n_episodes + hidden.n_episodes == 0) continue;
      rows += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", name_of(name, run),
                          percent(changed.success()), percent_text(changed.share(changed.n_random)),
                          percent_text(changed.share(changed.n_greedy)), percent(hidden.success()),
                          percent_text(hidden.share(hidden.n_random_calls)),
                          percent_text(hidden.share(hidden.n_refusals)));
    }
  }
  if (rows.empty()) return {};
  return "## Probes\n\n| run | after a change from outside, % | random | greedy | mechanisms "
         "hidden, % | random calls | following refusals |\n|---|---|---|---|---|---|---|\n" +
         rows +
         "\nWilson intervals over the episodes of one trained model; random and greedy play the "
         "same worlds without a change. A prompt without its mechanisms should leave a model at "
         "chance: the better of the two players in the last columns, who know the words but never "
         "read a mechanism.\n\n";
}

std::string questions_section(const std::map<std::string, ArmData>& arms) {
  std::string rows, without;
  std::string majority = "| majority answer of the training text |";
  const RunData* last = nullptr;
  for (const auto& [name, arm] : arms) {
    for (const RunData& run : arm.runs) {
      if (run.questions.empty()) continue;
      rows += fmt::format("| {} |", name_of(name, run));
      without += fmt::format("| {} |", name_of(name, run));
      QuestionSummary all;
      for (const worlds::QuestionType type : worlds::kQuestionTypes) {
        const auto found = run.questions.find(type);
        if (found == run.questions.end()) {
          rows += " – |";
          without += " – |";
          continue;
        }
        const QuestionSummary& s = found->second;
        rows += fmt::format(" {} |", percent(s.accuracy()));
        without += fmt::format(" {} |", percent_text(s.share(s.n_context_free)));
        all.n_cited += s.n_cited;
        all.n_causes += s.n_causes;
        all.n_cited_right += s.n_cited_right;
      }
      rows += fmt::format(" {:.3f} | {} | {} |\n", all.causes_f1(),
                          percent_text(run.pairs.consistency().share),
                          percent_text(run.pairs.changed_consistency().share));
      without += "\n";
      last = &run;
    }
  }
  if (last == nullptr) return {};
  std::string head = "| run |", line = "|---|";
  for (const worlds::QuestionType type : worlds::kQuestionTypes) {
    head += fmt::format(" {} |", worlds::name_of(type));
    line += "---|";
    const auto found = last->questions.find(type);
    majority +=
        found == last->questions.end()
            ? std::string(" – |")
            : fmt::format(" {} |", percent_text(found->second.share(found->second.n_majority)));
  }
  return "## Causal questions, right in %\n\n" + head +
         " causes F1 | both of a do(x) pair | of pairs whose answers differ |\n" + line +
         "---|---|---|\n" + rows + majority +
         " | | |\n\nThe same questions without the narrative (what the question's own words give "
         "away):\n\n" +
         head + "\n" + line + "\n" + without + "\nWilson intervals of one trained model.\n\n";
}

std::string texts_section(const std::map<std::string, ArmData>& arms) {
  std::string rows;
  for (const auto& [name, arm] : arms) {
    if (arm.texts.empty()) continue;
    TextSums mean;
    const auto n = static_cast<double>(arm.texts.size());
    for (const TextSums& text : arm.texts) {
      mean.perplexity += text.perplexity / n;
      mean.body_perplexity += text.body_perplexity / n;
      mean.next_action_accuracy += text.next_action_accuracy / n;
    }
    rows += fmt::format("| {} | {:.3f} | {:.3f} | {} |\n", name, mean.perplexity,
                        mean.body_perplexity, percent_text(mean.next_action_accuracy));
  }
  if (rows.empty()) return {};
  return "## Held-out narratives of the trained depths (mean of the seeds)\n\n| arm | perplexity, "
         "all tokens | bodies of events | next action right, % |\n|---|---|---|---|\n" +
         rows + "\n";
}

}  // namespace hadal::eval
