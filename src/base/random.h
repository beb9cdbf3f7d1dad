// The two hash functions that fix data in this project: FNV-1a for names, splitmix64 as
// counter-based generator.
#pragma once

#include <cstdint>
#include <string_view>

namespace hadal {

/// FNV-1a, 64 bit.
constexpr std::uint64_t fnv1a64(std::string_view bytes) noexcept {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : bytes) h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ull;
  return h;
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words.
constexpr std::uint64_t splitmix64_mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/// Element k of the stream `seed`; any k in any order (counter based).
constexpr std::uint64_t splitmix64_at(std::uint64_t seed, std::uint64_t k) noexcept {
  return splitmix64_mix(seed + (k + 1) * 0x9E3779B97F4A7C15ull);
}

/// A sequential view of one stream. Copyable; equal seeds give equal sequences on every machine.
class RandomStream {
 public:
  explicit constexpr RandomStream(std::uint64_t seed) noexcept : seed_(seed) {}

  constexpr std::uint64_t next() noexcept { return splitmix64_at(seed_, counter_++); }
  /// Uniform in [0, n), n > 0 (multiply-shift; the bias is below n / 2^32).
  constexpr std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32);
  }
  /// Uniform in [0, 1) with 53 bits.
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t seed_;
  std::uint64_t counter_ = 0;
};

}  // namespace hadal
