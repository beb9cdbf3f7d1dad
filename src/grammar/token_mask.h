// A set of token ids as bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hadal::grammar {

/// Bit id % 64 of word id / 64.
class TokenMask {
 public:
  TokenMask() = default;
  explicit TokenMask(std::size_t vocab_size)
      : words_((vocab_size + 63) / 64, 0), vocab_size_(vocab_size) {}

  std::size_t vocab_size() const { return vocab_size_; }
  bool allows(std::int32_t id) const {
    return (words_[static_cast<std::size_t>(id) / 64] >> (static_cast<unsigned>(id) % 64)) & 1u;
  }
  void allow(std::uint32_t id) { words_[id / 64] |= std::uint64_t{1} << (id % 64); }
  void allow_all_of(const TokenMask& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  std::size_t count() const {
    std::size_t n = 0;
    for (const std::uint64_t word : words_)
      n += static_cast<std::size_t>(__builtin_popcountll(word));
    return n;
  }
  const std::vector<std::uint64_t>& words() const { return words_; }
  bool operator==(const TokenMask&) const = default;

 private:
  std::vector<std::uint64_t> words_;
  std::size_t vocab_size_ = 0;
};

}  // namespace hadal::grammar
