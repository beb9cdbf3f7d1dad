#include "questions_output.h"

#include <fmt/format.h>

#include <map>
#include <string>

namespace hadal {
namespace {

using nlohmann::ordered_json;

struct Sums {
  std::map<worlds::QuestionType, eval::QuestionSummary> by_type;  ///< in the order of the types
  eval::QuestionSummary pairs;

  explicit Sums(std::span<const eval::QuestionRow> rows) {
    for (const eval::QuestionRow& row : rows)
      (row.set == eval::QuestionSet::pair ? pairs : by_type[row.type]).add(row);
  }

  double mean_accuracy() const {
    double sum = 0.0;
    for (const auto& [type, s] : by_type) sum += s.accuracy().share;
    return by_type.empty() ? 0.0 : sum / static_cast<double>(by_type.size());
  }
};

}  // namespace

void print_questions(std::span<const eval::QuestionRow> rows) {
  const Sums sums(rows);
  fmt::print("\n{:>15}  {:>9}  {:>8}  {:^15}  {:>9}  {:>10}  {:>9}\n", "question", "asked", "right",
             "95 % interval", "majority", "no context", "causes F1");
  for (const auto& [type, s] : sums.by_type) {
    const Proportion right = s.accuracy();
    fmt::print(
        "{:>15}  {:>9}  {:>6.1f} %  {:>5.1f} - {:>5.1f} %  {:>7.1f} %  {:>8.1f} %  {:>9.3f}\n",
        name_of(type), s.n_questions, 100 * right.share, 100 * right.low, 100 * right.high,
        100 * s.share(s.n_majority), 100 * s.share(s.n_context_free), s.causes_f1());
  }
  fmt::print("mean over the types: {:.1f} %\n", 100 * sums.mean_accuracy());
  const eval::QuestionSummary& p = sums.pairs;
  if (p.n_questions == 0) return;
  fmt::print(
      "{} pairs that differ by do(x): both right {:.1f} % (where x changes the answer: {:.1f} %); "
      "actual {:.1f} %, altered {:.1f} %\n",
      p.n_questions, 100 * p.consistency().share, 100 * p.changed_consistency().share,
      100 * p.accuracy().share, 100 * p.share(p.n_altered_right));
}

ordered_json questions_json(std::span<const eval::QuestionRow> rows) {
  const Sums sums(rows);
  ordered_json types = ordered_json::array();
  for (const auto& [type, s] : sums.by_type) {
    const Proportion right = s.accuracy();
    types.push_back({{"type", name_of(type)},
                     {"questions", s.n_questions},
                     {"accuracy", right.share},
                     {"ci95", {right.low, right.high}},
                     {"majority", s.share(s.n_majority)},
                     {"context_free", s.share(s.n_context_free)},
                     {"causes_f1", s.causes_f1()}});
  }
  const eval::QuestionSummary& p = sums.pairs;
  const Proportion both = p.consistency(), changed = p.changed_consistency();
  return {{"by_type", std::move(types)},
          {"accuracy", sums.mean_accuracy()},
          {"pairs",
           {{"pairs", p.n_questions},
            {"both_right", both.share},
            {"ci95", {both.low, both.high}},
            {"changed", p.n_changed},
            {"changed_both_right", changed.share},
            {"changed_ci95", {changed.low, changed.high}},
            {"actual_right", p.accuracy().share},
            {"altered_right", p.share(p.n_altered_right)}}}};
}

}  // namespace hadal
