#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/unicode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hadal {
namespace {

// What the three expressions ask of a character, one bit each.
using Flags = std::uint16_t;
constexpr Flags kInvalid = 1;       // no character: a stray byte
constexpr Flags kNumber = 2;        // \p{N}
constexpr Flags kCjk = 4;           // [一-龥぀-ゟ゠-ヿ]
constexpr Flags kWord = 8;          // [\p{L}\p{M}]
constexpr Flags kMark = 16;         // [\p{P}\p{S}]
constexpr Flags kSpace = 32;        // \s
constexpr Flags kLineBreak = 64;    // [\r\n]
constexpr Flags kBlank = 128;       // U+0020
constexpr Flags kAsciiMark = 256;   // [!-/:-@\[-`{-~]
constexpr Flags kAsciiAlpha = 512;  // [A-Za-z]
// [^\r\n\p{L}\p{P}\p{S}]; without \p{M}, which before a word is part of the word anyway.
constexpr Flags kOpensWord = 1024;

Flags class_flags(CharClass value) {
  switch (value) {
    case CharClass::word:
      return kWord;
    case CharClass::number:
      return kNumber | kOpensWord;
    case CharClass::mark:
      return kMark;
    case CharClass::space:
      return kSpace | kOpensWord;
    case CharClass::other:
      return kOpensWord;
  }
  return 0;
}

Flags flags_of(char32_t c) {
  Flags flags = class_flags(class_of(c));
  if (c < 0x80) {
    if (c == '\r' || c == '\n') flags = kSpace | kLineBreak;
    if (c == ' ') flags |= kBlank;
    if (flags & kMark) flags |= kAsciiMark;
    if (flags & kWord) flags |= kAsciiAlpha;
  } else if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) {
    flags |= kCjk;
  }
  return flags;
}

// A text as characters: byte offset (one more than characters, the last is the size) and flags.
class Scanner {
 public:
  Scanner(std::string_view text, std::vector<std::string_view>& pieces)
      : text_(text), pieces_(pieces) {
    offsets_.reserve(text.size() + 1);
    flags_.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Char c = decode_utf8(text, at);
      offsets_.push_back(at);
      flags_.push_back(c.valid ? flags_of(c.code_point) : kInvalid);
      at += c.length;
    }
    offsets_.push_back(text.size());
  }

  void split_invalid() {
    std::size_t gap = 0;
    for (std::size_t i = 0; i < flags_.size(); ++i) {
      if (!is(i, kInvalid)) continue;
      split_numbers(gap, i);
      emit(i, i + 1);
      gap = i + 1;
    }
    split_numbers(gap, flags_.size());
  }

 private:
  bool is(std::size_t i, Flags flags) const { return (flags_[i] & flags) != 0; }

  // The end of the run of characters with one of `flags` from i on.
  std::size_t run(std::size_t i, std::size_t end, Flags flags) const {
    while (i < end && is(i, flags)) ++i;
    return i;
  }

  void emit(std::size_t begin, std::size_t end) {
    if (begin == end) return;
    pieces_.push_back(text_.substr(offsets_[begin], offsets_[end] - offsets_[begin]));
  }

  void split_numbers(std::size_t begin, std::size_t end) {
    std::size_t gap = begin;
    for (std::size_t i = begin; i < end;) {
      const std::size_t match = run(i, std::min(end, i + 3), kNumber);
      if (match == i) {
        ++i;
        continue;
      }
      split_cjk(gap, i);
      split_cjk(i, match);
      i = gap = match;
    }
    split_cjk(gap, end);
  }

  void split_cjk(std::size_t begin, std::size_t end) {
    std::size_t gap = begin;
    for (std::size_t i = begin; i < end;) {
      const std::size_t match = run(i, end, kCjk);
      if (match == i) {
        ++i;
        continue;
      }
      split_words(gap, i);
      split_words(i, match);
      i = gap = match;
    }
    split_words(gap, end);
  }

  void split_words(std::size_t begin, std::size_t end) {
    std::size_t gap = begin;
    for (std::size_t i = begin; i < end;) {
      const std::size_t match = match_word(i, end);
      if (match == i) {
        ++i;
        continue;
      }
      emit(gap, i);
      emit(i, match);
      i = gap = match;
    }
    emit(gap, end);
  }

  // The alternatives of the third expression, in its order; i when none matches at i.
  std::size_t match_word(std::size_t i, std::size_t end) const {
    const bool more = i + 1 < end;
    if (more && is(i, kAsciiMark) && is(i + 1, kAsciiAlpha)) return run(i + 1, end, kAsciiAlpha);
    if (is(i, kWord) || (more && is(i, kOpensWord) && is(i + 1, kWord))) {
      return run(i + 1, end, kWord);
    }
    if (is(i, kMark) || (more && is(i, kBlank) && is(i + 1, kMark))) {
      return run(run(i + 1, end, kMark), end, kLineBreak);
    }
    return is(i, kSpace) ? match_space(i, end) : i;
  }

  // \s*[\r\n]+ | \s+(?!\S) | \s+ , where \s* and \s+ first take the whole run and then give back.
  std::size_t match_space(std::size_t i, std::size_t end) const {
    const std::size_t stop = run(i, end, kSpace);
    for (std::size_t last = stop; last > i; --last) {
      if (is(last - 1, kLineBreak)) return last;
    }
    if (stop == end || stop == i + 1) return stop;
    return stop - 1;
  }

  std::string_view text_;
  std::vector<std::string_view>& pieces_;
  std::vector<std::size_t> offsets_;
  std::vector<Flags> flags_;
};

}  // namespace

void pre_tokenize(std::string_view text, std::vector<std::string_view>& pieces) {
  Scanner(text, pieces).split_invalid();
}

}  // namespace hadal
