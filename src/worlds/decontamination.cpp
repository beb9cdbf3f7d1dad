#include "worlds/decontamination.h"

#include "base/random.h"

#include <algorithm>

namespace hadal::worlds {
namespace {

struct Word {
  std::uint64_t hash;
  std::size_t event;
};

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void add_words(std::string_view text, std::size_t event, std::vector<Word>& words) {
  while (!text.empty()) {
    const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
    const auto end = std::find_if(begin, text.end(), is_space);
    if (begin != end) words.push_back({fnv1a64({begin, end}), event});
    text = {end, text.end()};
  }
}

std::vector<Word> words_of(std::string_view narrative) {
  std::vector<Word> words;
  std::size_t event = 0;
  while (!narrative.empty()) {
    const std::size_t begin = narrative.find("<|");
    const std::size_t end = begin == narrative.npos ? begin : narrative.find("|>", begin);
    add_words(narrative.substr(0, end == narrative.npos ? narrative.size() : begin), event, words);
    if (end == narrative.npos) break;
    if (narrative.substr(begin, end + 2 - begin) == "<|:|>") ++event;  // once per event
    narrative.remove_prefix(end + 2);
  }
  return words;
}

}  // namespace

std::vector<std::uint64_t> spanning_ngrams(std::string_view narrative) {
  const std::vector<Word> words = words_of(narrative);
  std::vector<std::uint64_t> ngrams;
  for (std::size_t i = 0; i + kNgramWords <= words.size(); ++i) {
    if (words[i].event == words[i + kNgramWords - 1].event) continue;
    std::uint64_t hash = 0;
    for (std::size_t k = 0; k < kNgramWords; ++k) hash = splitmix64_mix(hash ^ words[i + k].hash);
    ngrams.push_back(hash);
  }
  return ngrams;
}

void NgramIndex::add(std::string_view narrative) {
  for (std::uint64_t ngram : spanning_ngrams(narrative)) ngrams_.insert(ngram);
}

bool NgramIndex::overlaps(std::string_view narrative) const {
  const auto ngrams = spanning_ngrams(narrative);
  return std::any_of(ngrams.begin(), ngrams.end(),
                     [&](std::uint64_t ngram) { return ngrams_.contains(ngram); });
}

}  // namespace hadal::worlds
