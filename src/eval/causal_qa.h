// Causal questions in held-out worlds (world-model.md 4.2).
//
// A question stands behind a teacher's whole story (worlds/story.h): the prompt is the narrative
// without its end token, the ask event and `<|ans|><|eN|>`; the model writes greedily up to
// `<|/ev|>`. The answer is right when what it says before its reasons is the short answer, word for
// word. Its cause list is compared with the path's, as sets.
//
// Two baselines. Majority: the most frequent short answer to questions of the same type in worlds
// of the training split, whatever the domain. Context-free: the same model is given the beginning
// of the text and its system line (what every narrative starts with), then at once the ask event
// and
// `<|ans|><|eN|>`; the ids in the ask's cause list then name nothing.
//
// Pairs: the question of worlds/counterfactual_pair.h behind both tellings. Consistent is a model
// that answers both right.
#pragma once

#include "engine/model/model.h"
#include "eval/question_table.h"
#include "tokenizer/tokenizer.h"
#include "worlds/options.h"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hadal::eval {

/// Which questions.
struct QuestionSource {
  worlds::WorldOptions world = {};
  worlds::DomainChoice domains = {};
  worlds::Split split = worlds::Split::test;
  std::uint64_t seed = 0;
};

/// One question as a model meets it.
struct Exam {
  worlds::WorldKey key;
  worlds::QuestionType type;
  std::string prompt;
  std::string bare_prompt;  ///< of the context-free baseline
  std::string answer;       ///< the short one
  std::vector<int> causes;
  std::string full_answer;  ///< what the teacher writes behind the prompt
};

/// `n` questions of one type, each in a world of its own: domains in turn, depths 1-4 (those of the
/// training stream). Worlds whose story has no such question are passed over; fewer than n when 20
/// n worlds do not suffice. Deterministic.
std::vector<Exam> draw_exams(const QuestionSource& source, worlds::QuestionType type,
                             std::size_t n);

/// What an answer is worth; the fields of QuestionRow.
struct Grade {
  bool right = false;
  std::size_t cited = 0, causes = 0, cited_right = 0;
};
/// @param written  behind the prompt; an answer that is not closed counts as written
Grade grade(const Exam& exam, std::string_view written);

/// The most frequent of these answers; of equally frequent ones the first by bytes. Empty for none.
std::string most_frequent(std::span<const std::string> answers);

using Majorities = std::map<worlds::QuestionType, std::string>;
/// Per type, over one question in each of `n_worlds` worlds of the training split that has one. Its
/// options but the split are the source's.
Majorities training_majorities(const QuestionSource& source, std::size_t n_worlds = 2000);

struct QaOptions {
  std::size_t batch = 64;  ///< changes the speed, no row
  /// Answers written and to be written; may be empty.
  std::function<void(std::size_t n_done, std::size_t n_all)> on_progress{};
};

/// Rows in the order of the exams. A row depends on its exam and the model alone. Errors:
/// unsupported (the tokenizer lacks structure tokens). Engine thread only.
Result<std::vector<QuestionRow>> answer_exams(Model& model, const Tokenizer& tokenizer,
                                              std::span<const Exam> exams,
                                              const std::string& majority,
                                              const QaOptions& options);

/// `n` pairs, drawn like exams, answered. Errors: as above.
Result<std::vector<QuestionRow>> answer_pairs(Model& model, const Tokenizer& tokenizer,
                                              const QuestionSource& source, std::size_t n,
                                              const QaOptions& options);

}  // namespace hadal::eval
