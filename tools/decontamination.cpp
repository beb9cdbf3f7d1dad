// Prints, as a table, what the test splits share with the training stream (world-model.md 3.3).
//   decontamination OPTIONS.json [N_TRAIN] [N_TEST] [SEED]
// OPTIONS.json is what key "text" of a training config holds (agent/text_options.h).
#include "worlds/decontamination.h"

#include "agent/text_options.h"
#include "worlds/generator.h"
#include "worlds/narrative.h"
#include "worlds/world_hash.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unordered_set>

namespace {

using namespace hadal;

struct Sizes {
  std::uint64_t n_train = 40000;
  std::uint64_t n_test = 1000;  ///< per split and depth
  std::uint64_t seed = 1;
};

struct Training {
  worlds::NgramIndex ngrams;
  std::unordered_set<std::uint64_t> structures;
};

worlds::WorldKey key_of(const TrainingTextOptions& options, worlds::Split split, int depth,
                        std::uint64_t seed, std::uint64_t index) {
  return {.split = split,
          .domain = worlds::domain_of(options.domains, split, index),
          .depth = depth,
          .seed = seed,
          .index = index};
}

/// The text of the training stream, and the structures of as many worlds of the same split.
Training read_training(const TrainingTextOptions& options, const Sizes& sizes) {
  Training training;
  for (std::uint64_t i = 0; i < sizes.n_train; ++i) {
    training.ngrams.add(worlds::text_of(
        training_text(worlds::Split::train, sizes.seed, i, options, options.max_depth)));
    const int depth = 1 + static_cast<int>(i % static_cast<std::uint64_t>(options.max_depth));
    training.structures.insert(worlds::structure_hash(worlds::generate_world(
        key_of(options, worlds::Split::train, depth, sizes.seed, i), options.world)));
  }
  return training;
}

void print_row(const char* name, worlds::Split split, int depth, const Training& training,
               const TrainingTextOptions& options, const Sizes& sizes) {
  worlds::WorldOptions world_options = options.world;
  world_options.mistake_share = 0.0;  // from the mechanisms to the shortest plan
  world_options.max_episodes = 1;
  world_options.question_share = 0.0;
  std::size_t n_known_structures = 0;
  std::size_t n_dropped = 0;
  for (std::uint64_t i = 0; i < sizes.n_test; ++i) {
    const auto key = key_of(options, split, depth, sizes.seed, i);
    const auto hash = worlds::structure_hash(worlds::generate_world(key, world_options));
    n_known_structures += training.structures.contains(hash) ? 1 : 0;
    const auto text = worlds::text_of(worlds::training_narrative(key, world_options));
    n_dropped += training.ngrams.overlaps(text) ? 1 : 0;
  }
  fmt::print("| {} | {} | {} | {} | {:.2f} % |\n", name, depth, sizes.n_test, n_known_structures,
             100.0 * static_cast<double>(n_dropped) / static_cast<double>(sizes.n_test));
}

void print_report(const TrainingTextOptions& options, const Sizes& sizes) {
  const Training training = read_training(options, sizes);
  fmt::print(
      "{} training sequences (seed {}): {} different 13-grams over two or more events, {} "
      "different "
      "structures.\n\n"
      "| split | depth | worlds | (a) structure also in training | (b) dropped: a 13-gram also in "
      "training |\n|---|---|---|---|---|\n",
      sizes.n_train, sizes.seed, training.ngrams.size(), training.structures.size());
  for (int depth = 1; depth <= worlds::kMaxDepth; ++depth)
    print_row("test", worlds::Split::test, depth, training, options, sizes);
  for (int depth = 1; depth <= 4; ++depth)
    print_row("test_comp", worlds::Split::test_comp, depth, training, options, sizes);
  fmt::print(
      "\n(b) 13 words in a row from the mechanisms to the shortest plan, without structure tokens "
      "and "
      "ids, names kept.\n"
      "(c) N-grams of templates, that is with the names taken out, are shared by design: both "
      "sides "
      "are written by the same grammar and word tables.\n"
      "(d) Memorisation: the success of the same episodes with the mechanisms deleted from the "
      "prompt "
      "must be at chance; the evaluation measures it.\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) {
    std::fputs("decontamination OPTIONS.json [N_TRAIN] [N_TEST per split and depth] [SEED]\n",
               stderr);
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::string json(std::istreambuf_iterator<char>(file), {});
  const auto options = parse_text_options(json, argv[1]);
  if (!options) {
    fmt::print(stderr, "decontamination: {}\n", options.error().message);
    return 2;
  }
  Sizes sizes;
  std::uint64_t* const numbers[] = {&sizes.n_train, &sizes.n_test, &sizes.seed};
  for (int i = 2; i < argc; ++i) *numbers[i - 2] = std::strtoull(argv[i], nullptr, 10);
  print_report(*options, sizes);
  return 0;
}
