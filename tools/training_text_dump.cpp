// Prints sequences of the training stream, one after the other: corpus for
// tools/train_tokenizer.py.

#include "agent/training_text.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs(
        "training_text_dump N [SEED]: prints N training sequences, an empty line after each\n",
        stderr);
    return 2;
  }
  const std::uint64_t n = std::strtoull(argv[1], nullptr, 10);
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const hadal::TrainingTextOptions options;
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto pieces =
        hadal::training_text(hadal::worlds::Split::train, seed, i, options, options.max_depth);
    std::fputs(hadal::worlds::text_of(pieces).c_str(), stdout);
    std::fputs("\n\n", stdout);
  }
  return 0;
}
