// Prints sequences of the training stream, one after the other: corpus for
// tools/train_tokenizer.py.

#include "agent/text_options.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fputs(
        "training_text_dump N [SEED [OPTIONS.json]]: prints N training sequences, an empty line "
        "after each\n",
        stderr);
    return 2;
  }
  const std::uint64_t n = std::strtoull(argv[1], nullptr, 10);
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  hadal::TrainingTextOptions options;
  if (argc > 3) {
    std::ifstream file(argv[3]);
    const auto parsed =
        hadal::parse_text_options(std::string(std::istreambuf_iterator<char>(file), {}), argv[3]);
    if (!parsed) {
      std::fprintf(stderr, "%s\n", parsed.error().message.c_str());
      return 1;
    }
    options = *parsed;
  }
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto pieces =
        hadal::training_text(hadal::worlds::Split::train, seed, i, options, options.max_depth);
    std::fputs(hadal::worlds::text_of(pieces).c_str(), stdout);
    std::fputs("\n\n", stdout);
  }
  return 0;
}
