// What the tests of this folder share.
#pragma once

#include "base/check.h"
#include "base/random.h"
#include "grammar/char_set.h"
#include "grammar/config_sets.h"
#include "grammar/constraint.h"
#include "grammar/matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal::grammar {

using SharedGrammar = std::shared_ptr<const Grammar>;

/// Stops the test program when there is no grammar.
inline SharedGrammar share(Result<Grammar> grammar) {
  if (!grammar) ADD_FAILURE() << grammar.error().message;
  HADAL_CHECK(grammar.has_value(), "a grammar of a test does not compile");
  return std::make_shared<const Grammar>(std::move(grammar).value());
}

inline bool accepts(const SharedGrammar& grammar, std::string_view text) {
  ConfigSets sets(grammar);
  SetId at = sets.start();
  for (const char byte : text) at = sets.step(at, static_cast<std::uint8_t>(byte));
  return sets.is_complete(at);
}

inline bool accepts_prefix(const SharedGrammar& grammar, std::string_view text) {
  ConfigSets sets(grammar);
  SetId at = sets.start();
  for (const char byte : text) at = sets.step(at, static_cast<std::uint8_t>(byte));
  return at != 0;
}

/// All bytes, an end id (256), a special token (257), then `more`.
inline std::shared_ptr<const TokenVocabulary> byte_vocabulary(
    const std::vector<std::string>& more = {}) {
  TokenTexts texts;
  for (int byte = 0; byte < 256; ++byte) texts.bytes.emplace_back(1, static_cast<char>(byte));
  texts.bytes.emplace_back("<end>");
  texts.bytes.emplace_back("<special>");
  texts.bytes.insert(texts.bytes.end(), more.begin(), more.end());
  texts.is_special.assign(texts.bytes.size(), false);
  texts.is_special[256] = texts.is_special[257] = true;
  texts.end_ids = {256};
  auto made = TokenVocabulary::create(std::move(texts));
  EXPECT_TRUE(made.has_value());
  return std::move(made).value();
}

/// Bits of JSON and of words, glued at random: tokens that cross every border there is.
inline std::vector<std::string> random_tokens(std::uint64_t seed, int n) {
  const std::vector<std::string> bits = {
      "\"",   "\\",      "{",       "}",    "[",        "]",    ",",    ":",   " ",
      "\n",   "a",       "b",       "name", "x",        "true", "null", "1",   "0",
      "-",    ".",       "e",       "23",   "\\u00",    "\\n",  "\\\"", "é",   "\xc3",
      "\xa9", "漢",      "\xe6",    "😀",    "\xf0\x9f", "\": ", "\",",  "\"}", ", \"",
      "the ", "\\ud83d", "\\ude00", "d",    "\t",       "\x80", "abc"};
  RandomStream random(seed);
  std::vector<std::string> tokens;
  for (int i = 0; i < n; ++i) {
    std::string token;
    for (std::uint32_t k = 1 + random.below(4); k > 0; --k)
      token += bits[random.below(static_cast<std::uint32_t>(bits.size()))];
    tokens.push_back(token);
  }
  return tokens;
}

/// The mask, token by token, without trie, cache or tables.
inline TokenMask brute_force_mask(const Matcher& matcher, const TokenVocabulary& vocabulary) {
  TokenMask mask(vocabulary.vocab_size());
  for (std::size_t id = 0; id < vocabulary.vocab_size(); ++id) {
    Matcher fork = matcher;
    if (fork.accept_token(static_cast<std::int32_t>(id)))
      mask.allow(static_cast<std::uint32_t>(id));
  }
  return mask;
}

/// A random token of the mask; -1 when it is empty.
inline std::int32_t random_token(const TokenMask& mask, RandomStream& random) {
  const std::size_t n = mask.count();
  if (n == 0) return -1;
  std::size_t k = random.below(static_cast<std::uint32_t>(n));
  for (std::size_t id = 0; id < mask.vocab_size(); ++id)
    if (mask.allows(static_cast<std::int32_t>(id)) && k-- == 0)
      return static_cast<std::int32_t>(id);
  return -1;
}

}  // namespace hadal::grammar
