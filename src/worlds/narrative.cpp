#include "worlds/narrative.h"

#include <algorithm>
#include <utility>

namespace hadal::worlds {
std::vector<Piece> training_narrative(const WorldKey& key, const WorldOptions& options) {
  const Story story = make_story(key, options);
  Narrator narrator(story.world, options);
  std::vector<Piece> pieces = narrator.prompt();
  for (const Chapter& chapter : story.chapters) {
    if (&chapter != &story.chapters.front()) append(pieces, narrator.goal_event(chapter.goal));
    for (const TeacherStep& step : chapter.steps) {
      if (step.change) append(pieces, narrator.intervention(step.change->outcome));
      std::vector<Piece> prefix = narrator.act_prefix();
      prefix.front().optimal_ids = narrator.ids_of(step.optimal);
      append(pieces, std::move(prefix));
      append(pieces, narrator.act_body(step.mechanism, step.is_mistake));
      append(pieces, narrator.observation(step.outcome));
    }
  }
  for (const Question& question : draw_questions(story, options)) {
    QuestionText text = narrator.question(question);
    append(pieces, std::move(text.ask_pieces));
    append(pieces, std::move(text.prefix_pieces));
    append(pieces, std::move(text.answer_pieces));
  }
  append(pieces, narrator.ending());
  return pieces;
}

std::vector<Question> draw_questions(const Story& story, const WorldOptions& options) {
  std::vector<Question> questions;
  const WorldKey& key = story.world.key;
  RandomStream random(splitmix64_at(splitmix64_at(fnv1a64("questions"), key.seed),
                                    key.index * 16 + static_cast<std::uint64_t>(key.depth)));
  if (options.max_questions <= 0 || random.uniform() >= options.question_share) return questions;
  if (has_changes(story)) return questions;  // a History knows the agent's acts alone
  const std::uint32_t n = 1 + random.below(static_cast<std::uint32_t>(options.max_questions));
  const History history = history_of(story);
  auto types = kQuestionTypes;
  for (std::uint32_t i = 0; i < n; ++i) {  // different types
    std::swap(types[i], types[i + random.below(static_cast<std::uint32_t>(types.size()) - i)]);
    if (auto question = draw_question(story.world, history, types[i], random))
      questions.push_back(std::move(*question));
  }
  return questions;
}

}  // namespace hadal::worlds
