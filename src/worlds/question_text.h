// Words for questions and answers, in both text forms.
#pragma once

#include "worlds/options.h"
#include "worlds/question.h"

#include <span>
#include <string>

namespace hadal::worlds {

struct QuestionWords {
  std::string ask;
  std::string answer;        ///< short_answer, then why
  std::string short_answer;  ///< "yes", "no", "heat red pan", "red pan hot" (full: a sentence)
};

/// @param actions  History::actions
QuestionWords question_words(const World& world, const Question& question,
                             std::span<const int> actions, TextForm form);

}  // namespace hadal::worlds
