// hadal eval worlds: planning and questions in causal worlds (world-model.md 4.1, 4.2), one CSV row
// per episode and per question.
#include "agent/builtin_worlds.h"
#include "agent/text_options.h"
#include "base/random.h"
#include "chat/local_model.h"
#include "common.h"
#include "depth_range.h"
#include "eval.h"
#include "eval/causal_qa.h"
#include "eval/planning.h"
#include "eval/text_scores.h"
#include "formats/json_limits.h"
#include "planning_output.h"
#include "worlds_results.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

namespace hadal {
namespace {

using nlohmann::ordered_json;

struct EvalWorldsFlags {
  EngineFlags engine;
  std::string options;
  std::string domain;
  std::string depths = "1-8";
  std::string split = "test";
  std::size_t episodes = 300;
  std::size_t probe_episodes = 100;
  std::size_t narratives = 200;
  std::size_t questions = 100;
  std::uint64_t seed = 0;
  std::size_t batch = 64;
  std::string json;
  std::string csv;
  std::string questions_csv;
};

constexpr std::pair<std::string_view, worlds::Split> kSplits[] = {
    {"test", worlds::Split::test},
    {"test_names", worlds::Split::test_names},
    {"test_comp", worlds::Split::test_comp},
    {"train", worlds::Split::train}};

/// What rows depend on, beside their keys.
struct Plan {
  worlds::WorldOptions world = builtin_worlds().world;
  worlds::DomainChoice domains = builtin_worlds().domains;
  std::string option_text = "{}";  ///< of --options, on one line
  worlds::Split split = worlds::Split::test;
  DepthRange depths;
};

/// The object of knobs in a file: the whole of it, or key "text" of a training config.
Result<std::string> read_knobs(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(ErrorCode::not_found, "{}: cannot be opened for reading", path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  HADAL_ASSIGN(const nlohmann::json whole, parse_json(text, path));
  const bool is_config = whole.is_object() && whole.contains("text");
  return is_config ? whole["text"].dump() : whole.dump();
}

Result<Plan> plan_of(const EvalWorldsFlags& flags) {
  Plan plan;
  if (!flags.options.empty()) {
    HADAL_ASSIGN(plan.option_text, read_knobs(flags.options));
    HADAL_ASSIGN(const TrainingTextOptions options,
                 parse_text_options(plan.option_text, flags.options));
    plan.world = options.world;
    plan.domains = options.domains;
  }
  if (!flags.domain.empty()) {
    HADAL_ASSIGN(plan.domains, worlds::parse_domain_choice(flags.domain));
  }
  HADAL_ASSIGN(plan.depths, parse_depths(flags.depths));
  for (const auto& [name, split] : kSplits)
    if (name == flags.split) plan.split = split;
  return plan;
}

std::vector<worlds::WorldKey> keys_of(const Plan& plan, std::size_t n, int depth,
                                      std::uint64_t seed) {
  auto keys = episode_keys(n, depth, seed, plan.domains);
  for (worlds::WorldKey& key : keys) key.split = plan.split;
  return keys;
}

/// A hash of names and bytes of all tensors.
std::string fingerprint(const Checkpoint& checkpoint) {
  std::uint64_t hash = 0;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    const MatrixView& view = tensor.view;
    const std::string_view bytes(reinterpret_cast<const char*>(view.data),
                                 view.rows * view.row_stride);
    hash = splitmix64_mix(hash ^ fnv1a64(tensor.name)) ^ fnv1a64(bytes);
  }
  return fmt::format("{:016x}", hash);
}

/// All that the rows depend on; batch and threads are not part of it.
ordered_json settings_of(const EvalWorldsFlags& flags, const Plan& plan, Engine& engine) {
  return {{"weights", fingerprint(engine.checkpoint())},
          {"world_model", world_model_mode(engine.model())},
          {"backend", flags.engine.backend},
          {"exact", flags.engine.exact || flags.engine.fake_quant},
          {"qat", flags.engine.fake_quant},
          {"split", flags.split},
          {"seed", flags.seed},
          {"episodes", flags.episodes},
          {"probe_episodes", flags.probe_episodes},
          {"domains", plan.domains.indices},
          {"options", ordered_json::parse(plan.option_text)}};
}

/// The same for questions, which do not depend on the episodes.
ordered_json question_settings_of(const EvalWorldsFlags& flags, ordered_json settings) {
  settings.erase("episodes");
  settings.erase("probe_episodes");
  settings["questions"] = flags.questions;
  return settings;
}

/// What earlier runs have left.
struct ResultFiles {
  std::optional<eval::EpisodeCsv> episodes;
  std::optional<eval::QuestionCsv> questions;
};

/// Plays and asks what the CSV files lack.
class Evaluation {
 public:
  Evaluation(const EvalWorldsFlags& flags, const Plan& plan, Engine& engine,
             const Tokenizer& tokenizer, ResultFiles files)
      : flags_(flags),
        plan_(plan),
        engine_(engine),
        tokenizer_(tokenizer),
        csv_(std::move(files.episodes)),
        questions_csv_(std::move(files.questions)) {}

  Result<std::vector<eval::EpisodeRow>> rows_of(EpisodeKind kind) {
    // A perturbed episode begins in the middle of one: depth 1 has none.
    const int first = std::max(plan_.depths.first, kind == EpisodeKind::perturbed ? 2 : 1);
    const std::size_t n = kind == EpisodeKind::plain
                              ? flags_.episodes
                              : std::min(flags_.probe_episodes, flags_.episodes);
    std::vector<eval::EpisodeRow> all;
    for (int depth = first; n > 0 && depth <= plan_.depths.last; ++depth) {
      HADAL_ASSIGN(const auto rows, rows_of(kind, depth, n));
      all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
  }

  Result<eval::TextScores> text() {
    constexpr int kDepths = 4;  // those of the training stream
    std::vector<worlds::WorldKey> keys = keys_of(plan_, flags_.narratives, 1, flags_.seed);
    for (worlds::WorldKey& key : keys) key.depth = 1 + static_cast<int>(key.index % kDepths);
    auto scores = eval::score_text(
        engine_.model(), tokenizer_, keys, plan_.world,
        [&](std::size_t n_done) { progress_.show("narratives", n_done, keys.size()); });
    progress_.clear();
    return scores;
  }

  /// Of all types, then the pairs.
  Result<std::vector<eval::QuestionRow>> questions() {
    std::vector<eval::QuestionRow> all;
    if (flags_.questions == 0) return all;
    for (const worlds::QuestionType type : worlds::kQuestionTypes) {
      HADAL_ASSIGN(const auto rows, questions(eval::QuestionSet::plain, type));
      all.insert(all.end(), rows.begin(), rows.end());
    }
    HADAL_ASSIGN(const auto rows,
                 questions(eval::QuestionSet::pair, worlds::QuestionType::effect_of_do));
    all.insert(all.end(), rows.begin(), rows.end());
    return all;
  }

  double seconds() const { return progress_.seconds(); }
  std::size_t n_resumed() const { return n_resumed_; }

 private:
  Result<std::vector<eval::EpisodeRow>> rows_of(EpisodeKind kind, int depth, std::size_t n) {
    if (csv_) {
      auto known = csv_->rows(kind, depth);
      n_resumed_ += known.size();
      if (!known.empty()) return known;
    }
    eval::PlanningOptions options{
        .world = plan_.world, .kind = kind, .batch = flags_.batch, .n_drafts = 0};
    options.on_progress = [&](std::size_t n_ended, std::size_t n_all) {
      progress_.show(fmt::format("{} depth {}", name_of(kind), depth), n_ended, n_all);
    };
    HADAL_ASSIGN(auto rows, eval::play_worlds(engine_.model(), tokenizer_,
                                              keys_of(plan_, n, depth, flags_.seed), options));
    progress_.clear();
    if (csv_) HADAL_TRY(csv_->append(rows));
    return rows;
  }

  Result<std::vector<eval::QuestionRow>> questions(eval::QuestionSet set,
                                                   worlds::QuestionType type) {
    if (questions_csv_) {
      auto known = questions_csv_->rows(set, type);
      n_resumed_ += known.size();
      if (!known.empty()) return known;
    }
    HADAL_ASSIGN(auto rows, answer(set, type));
    progress_.clear();
    if (questions_csv_) HADAL_TRY(questions_csv_->append(rows));
    return rows;
  }

  Result<std::vector<eval::QuestionRow>> answer(eval::QuestionSet set, worlds::QuestionType type) {
    const eval::QuestionSource source{
        .world = plan_.world, .domains = plan_.domains, .split = plan_.split, .seed = flags_.seed};
    const bool is_pair = set == eval::QuestionSet::pair;
    eval::QaOptions options{.batch = flags_.batch};
    options.on_progress = [&](std::size_t n_done, std::size_t n_all) {
      progress_.show(is_pair ? "answers to pairs" : fmt::format("answers {}", name_of(type)),
                     n_done, n_all);
    };
    if (is_pair)
      return eval::answer_pairs(engine_.model(), tokenizer_, source, flags_.questions, options);
    if (!majorities_) majorities_ = eval::training_majorities(source);
    return eval::answer_exams(engine_.model(), tokenizer_,
                              eval::draw_exams(source, type, flags_.questions),
                              (*majorities_)[type], options);
  }

  const EvalWorldsFlags& flags_;
  const Plan& plan_;
  Engine& engine_;
  const Tokenizer& tokenizer_;
  std::optional<eval::EpisodeCsv> csv_;
  std::optional<eval::QuestionCsv> questions_csv_;
  std::optional<eval::Majorities> majorities_;
  EvalProgress progress_;
  std::size_t n_resumed_ = 0;
};

Result<void> eval_worlds(const EvalWorldsFlags& flags) {
  HADAL_ASSIGN(const Plan plan, plan_of(flags));
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const Tokenizer tokenizer, open_tokenizer(engine->checkpoint()));
  const ordered_json settings = settings_of(flags, plan, *engine);
  ResultFiles files;
  if (!flags.csv.empty()) {
    HADAL_ASSIGN(files.episodes, eval::EpisodeCsv::open(flags.csv, settings.dump()));
  }
  if (!flags.questions_csv.empty()) {
    HADAL_ASSIGN(
        files.questions,
        eval::QuestionCsv::open(flags.questions_csv, question_settings_of(flags, settings).dump()));
  }
  Evaluation evaluation(flags, plan, *engine, tokenizer, std::move(files));
  WorldsResults results;
  HADAL_ASSIGN(results.plain, evaluation.rows_of(EpisodeKind::plain));
  HADAL_ASSIGN(results.perturbed, evaluation.rows_of(EpisodeKind::perturbed));
  HADAL_ASSIGN(results.hidden, evaluation.rows_of(EpisodeKind::hidden_mechanisms));
  if (flags.narratives > 0) {
    HADAL_ASSIGN(results.text, evaluation.text());
  }
  HADAL_ASSIGN(results.questions, evaluation.questions());
  if (evaluation.n_resumed() > 0)
    fmt::print(stderr, "{} episodes and questions were there already: {} {}\n",
               evaluation.n_resumed(), flags.csv, flags.questions_csv);
  print_worlds_results(results, world_model_mode(engine->model()));
  if (flags.json.empty()) return {};
  const ordered_json json = worlds_results_json(results, settings, *engine, evaluation.seconds());
  return write_text(flags.json, json.dump(2) + "\n");
}

}  // namespace

void add_eval_worlds(CLI::App& eval, int& exit_code) {
  auto flags = std::make_shared<EvalWorldsFlags>();
  CLI::App* task = eval.add_subcommand(
      "worlds",
      "Planning in causal worlds by depth, beside baselines; the same episodes for every "
      "model. With --csv and --questions-csv an interrupted run goes on where it ended");
  add_engine_flags(*task, flags->engine);
  task->add_option("--options", flags->options,
                   "knobs of the worlds: a JSON object, or a training config with the key text "
                   "(default: the worlds of the built-in model)");
  task->add_option("--domain", flags->domain,
                   "domains in turn, as a,b, or all (default: those of --options, or all)");
  task->add_option("--depths", flags->depths, "lengths of the shortest plan")
      ->capture_default_str();
  task->add_option("--episodes,--limit", flags->episodes, "per depth")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  task->add_option(
          "--probe-episodes", flags->probe_episodes,
          "per depth, of each of the two probes: a change from outside in mid episode, and "
          "a prompt without mechanisms")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  task->add_option("--narratives", flags->narratives,
                   "held-out narratives for perplexity and next-action accuracy")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  task->add_option("--questions", flags->questions,
                   "causal questions of each of the six types, and pairs that differ by one do(x)")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  task->add_option("--split", flags->split, "test, test_names, test_comp or train")
      ->check(CLI::IsMember({"test", "test_names", "test_comp", "train"}))
      ->capture_default_str();
  task->add_option("--seed", flags->seed, "which episodes")->capture_default_str();
  task->add_option("--batch", flags->batch, "episodes side by side (changes the speed, no result)")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  task->add_option("--json", flags->json, "file for the sums");
  task->add_option("--csv", flags->csv, "file for the episodes, one a line");
  task->add_option("--questions-csv", flags->questions_csv, "file for the questions, one a line");
  task->callback([flags, &exit_code] {
    if (const auto done = eval_worlds(*flags); !done)
      exit_code = report("eval worlds", done.error());
  });
}

}  // namespace hadal
