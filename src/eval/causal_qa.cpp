#include "eval/causal_qa.h"

#include "agent/stop_tokens.h"
#include "base/random.h"
#include "engine/generate.h"
#include "worlds/counterfactual_pair.h"
#include "worlds/narrator.h"
#include "worlds/question_text.h"
#include "worlds/story.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace hadal::eval {
namespace {

constexpr int kDepths = 4;  // those of the training stream
constexpr std::size_t kMaxWorldsPerQuestion = 20;
constexpr std::size_t kMaxAnswerTokens = 128;

worlds::WorldKey key_of(const QuestionSource& source, std::uint64_t index) {
  const auto& domains = source.domains.indices;
  return {.split = source.split,
          .domain = domains[index % domains.size()],
          .depth = 1 + static_cast<int>(index / domains.size() % kDepths),
          .seed = source.seed,
          .index = index};
}

/// Stories leave ids for one question at least, and can have one.
worlds::WorldOptions with_room(worlds::WorldOptions options) {
  options.change_share = 0.0;
  options.max_questions = std::max(options.max_questions, 1);
  return options;
}

std::optional<worlds::Question> draw(const worlds::Story& story, worlds::QuestionType type) {
  const worlds::WorldKey& key = story.world.key;
  RandomStream random(splitmix64_at(
      splitmix64_at(fnv1a64("exam") + static_cast<std::uint64_t>(type), key.seed), key.index));
  return worlds::draw_question(story.world, worlds::history_of(story), type, random);
}

/// What Narrator's history holds: the actions that were meant, all told.
std::string tell(worlds::Narrator& narrator, const worlds::Story& story) {
  std::string text;
  for (const worlds::Chapter& chapter : story.chapters) {
    if (&chapter != &story.chapters.front()) text += text_of(narrator.goal_event(chapter.goal));
    for (const worlds::TeacherStep& step : chapter.steps) {
      text += text_of(narrator.act_prefix());
      text += text_of(narrator.act_body(step.mechanism, step.is_mistake));
      text += text_of(narrator.observation(step.outcome));
    }
  }
  return text;
}

Exam write_exam(const worlds::Story& story, const worlds::Question& question,
                const worlds::WorldOptions& options) {
  worlds::Narrator narrator(story.world, options);
  const auto beginning = narrator.prompt();
  std::string narrative = text_of(beginning);
  narrative += tell(narrator, story);
  const worlds::QuestionText text = narrator.question(question);
  const std::string ask = text_of(text.ask_pieces) + text_of(text.prefix_pieces);
  return {.key = story.world.key,
          .type = question.type,
          .prompt = narrative + ask,
          .bare_prompt = beginning[0].text + beginning[1].text + ask,
          .answer = text.answer,
          .causes = text.causes,
          .full_answer = text_of(text.answer_pieces)};
}

std::vector<int> sorted_set(std::vector<int> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

/// Lets a model finish texts, a number of them side by side.
class Candidate {
 public:
  static Result<Candidate> create(Model& model, const Tokenizer& tokenizer,
                                  const QaOptions& options) {
    HADAL_TRY(find_stop_tokens(tokenizer));
    return Candidate(model, tokenizer, options);
  }

  Result<std::vector<std::string>> finish(std::span<const std::string> prompts) {
    std::vector<std::string> written(prompts.size());
    std::vector<Seat> seats;
    const std::size_t n_seats = std::min(std::max<std::size_t>(options_.batch, 1), prompts.size());
    for (std::size_t i = 0; i < n_seats; ++i) seats.push_back({model_.new_sequence(), i});
    std::vector<GenerationRequest> requests;
    for (Seat& seat : seats) requests.push_back(request(seat, prompts));
    std::size_t next = n_seats, n_done = 0;
    GenerateOptions generation;
    generation.on_end = [&](std::size_t slot,
                            Generation&& ended) -> std::optional<GenerationRequest> {
      Seat& seat = seats[slot];
      written[seat.prompt] = tokenizer_.decode(ended.tokens);
      if (options_.on_progress) options_.on_progress(++n_done, prompts.size());
      if (next == prompts.size()) return std::nullopt;
      seat = {model_.new_sequence(), next++};
      return request(seat, prompts);
    };
    if (!requests.empty()) HADAL_TRY(generate(model_, requests, generation));
    return written;
  }

 private:
  struct Seat {
    SequenceState state;
    std::size_t prompt;
  };

  Candidate(Model& model, const Tokenizer& tokenizer, const QaOptions& options)
      : model_(model), tokenizer_(tokenizer), options_(options) {
    stops_.push_back(*tokenizer.find_special("<|/ev|>"));
    if (const auto eos = tokenizer.find_special(worlds::kEosToken)) stops_.push_back(*eos);
  }

  GenerationRequest request(Seat& seat, std::span<const std::string> prompts) const {
    return {.state = &seat.state,
            .prompt = tokenizer_.encode(prompts[seat.prompt], SpecialTokens::parse),
            .history = {},
            .sampling = {},
            .max_tokens = kMaxAnswerTokens,
            .stop_tokens = stops_,
            .n_drafts = 0,
            .on_token = {}};
  }

  Model& model_;
  const Tokenizer& tokenizer_;
  const QaOptions& options_;
  std::vector<std::int32_t> stops_;
};

bool says(std::string_view written, const std::string& answer) {
  const auto read = worlds::read_answer(written);
  return read && read->answer == answer;
}

QuestionRow row_of(const worlds::WorldKey& key, QuestionSet set, worlds::QuestionType type) {
  return {.set = set, .type = type, .depth = key.depth, .domain = key.domain, .index = key.index};
}

}  // namespace

std::vector<Exam> draw_exams(const QuestionSource& source, worlds::QuestionType type,
                             std::size_t n) {
  const worlds::WorldOptions options = with_room(source.world);
  std::vector<Exam> exams;
  for (std::uint64_t i = 0; exams.size() < n && i < n * kMaxWorldsPerQuestion; ++i) {
    const worlds::Story story = worlds::make_story(key_of(source, i), options);
    if (const auto question = draw(story, type))
      exams.push_back(write_exam(story, *question, options));
  }
  return exams;
}

Grade grade(const Exam& exam, std::string_view written) {
  const auto causes = sorted_set(exam.causes);
  Grade grade{.causes = causes.size()};
  const auto read = worlds::read_answer(written);
  if (!read) return grade;
  const auto cited = sorted_set(read->causes);
  std::vector<int> right;
  std::set_intersection(cited.begin(), cited.end(), causes.begin(), causes.end(),
                        std::back_inserter(right));
  grade.right = read->answer == exam.answer;
  grade.cited = cited.size();
  grade.cited_right = right.size();
  return grade;
}

std::string most_frequent(std::span<const std::string> answers) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& answer : answers) ++counts[answer];
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;  // the first of equals stays
      });
  return most == counts.end() ? std::string() : most->first;
}

Majorities training_majorities(const QuestionSource& source, std::size_t n_worlds) {
  QuestionSource train = source;
  train.split = worlds::Split::train;
  const worlds::WorldOptions options = with_room(source.world);
  std::map<worlds::QuestionType, std::vector<std::string>> answers;
  for (std::uint64_t i = 0; i < n_worlds; ++i) {
    const worlds::Story story = worlds::make_story(key_of(train, i), options);
    const auto actions = worlds::history_of(story).actions;
    for (const worlds::QuestionType type : worlds::kQuestionTypes)
      if (const auto question = draw(story, type))
        answers[type].push_back(
            worlds::question_words(story.world, *question, actions, options.text_form)
                .short_answer);
  }
  Majorities majorities;
  for (const auto& [type, given] : answers) majorities[type] = most_frequent(given);
  return majorities;
}

Result<std::vector<QuestionRow>> answer_exams(Model& model, const Tokenizer& tokenizer,
                                              std::span<const Exam> exams,
                                              const std::string& majority,
                                              const QaOptions& options) {
  HADAL_ASSIGN(Candidate candidate, Candidate::create(model, tokenizer, options));
  std::vector<std::string> prompts;
  for (const Exam& exam : exams) prompts.push_back(exam.prompt);
  for (const Exam& exam : exams) prompts.push_back(exam.bare_prompt);
  HADAL_ASSIGN(const auto written, candidate.finish(prompts));
  std::vector<QuestionRow> rows;
  for (std::size_t i = 0; i < exams.size(); ++i) {
    const Grade graded = grade(exams[i], written[i]);
    QuestionRow row = row_of(exams[i].key, QuestionSet::plain, exams[i].type);
    row.right = graded.right;
    row.context_free = says(written[exams.size() + i], exams[i].answer);
    row.majority = exams[i].answer == majority;
    row.cited = graded.cited;
    row.causes = graded.causes;
    row.cited_right = graded.cited_right;
    rows.push_back(row);
  }
  return rows;
}

Result<std::vector<QuestionRow>> answer_pairs(Model& model, const Tokenizer& tokenizer,
                                              const QuestionSource& source, std::size_t n,
                                              const QaOptions& options) {
  HADAL_ASSIGN(Candidate candidate, Candidate::create(model, tokenizer, options));
  std::vector<worlds::PairQuestion> pairs;
  std::vector<std::string> prompts;
  std::vector<QuestionRow> rows;
  for (std::uint64_t i = 0; pairs.size() < n && i < n * kMaxWorldsPerQuestion; ++i) {
    const worlds::WorldKey key = key_of(source, i);
    auto pair = worlds::counterfactual_pair_question(key, source.world);
    if (!pair) continue;
    rows.push_back(row_of(key, QuestionSet::pair, worlds::QuestionType::effect_of_do));
    prompts.push_back(std::move(pair->actual));
    prompts.push_back(std::move(pair->altered));
    pairs.push_back(std::move(*pair));
  }
  HADAL_ASSIGN(const auto written, candidate.finish(prompts));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].right = says(written[2 * i], pairs[i].actual_answer);
    rows[i].altered_right = says(written[2 * i + 1], pairs[i].altered_answer);
    rows[i].changes = pairs[i].actual_answer != pairs[i].altered_answer;
  }
  return rows;
}

}  // namespace hadal::eval
