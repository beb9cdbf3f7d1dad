// Prints the tokenizer.json of the compact text form: one token per word.
//   word_tokenizer [NOUNS_PER_TYPE] > tokenizer.json
#include "agent/word_vocabulary.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fputs("word_tokenizer [NOUNS_PER_TYPE]: 8 unless given; 0 means all\n", stderr);
    return 2;
  }
  const std::size_t nouns_per_type = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 8;
  const hadal::VocabularyTables tables = hadal::word_vocabulary(nouns_per_type);
  std::fputs(hadal::tokenizer_json_from_vocabulary(tables).c_str(), stdout);
  std::fprintf(stderr, "%zu tokens\n", tables.tokens.size());
  return 0;
}
