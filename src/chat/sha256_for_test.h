// SHA-256 (FIPS 180-4) for tests: the specification gives long texts by their digest.
#pragma once

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hadal {

/// The first 32 bits behind the point of root(p) for the first N primes p.
template <std::size_t N>
std::array<std::uint32_t, N> sha256_constants(long double (*root)(long double)) {
  std::array<std::uint32_t, N> constants{};
  std::size_t n = 0;
  for (std::uint32_t p = 2; n < N; ++p) {
    bool prime = true;
    for (std::uint32_t d = 2; d * d <= p; ++d) prime = prime && p % d != 0;
    if (!prime) continue;
    const long double value = root(static_cast<long double>(p));
    constants[n++] = static_cast<std::uint32_t>((value - std::floor(value)) * 4294967296.0L);
  }
  return constants;
}

inline std::string sha256_hex(std::string_view text) {
  auto state = sha256_constants<8>([](long double p) { return std::sqrt(p); });
  const auto constants = sha256_constants<64>([](long double p) { return std::cbrt(p); });
  std::string padded(text);
  padded += '\x80';
  while (padded.size() % 64 != 56) padded += '\0';
  for (int shift = 56; shift >= 0; shift -= 8)
    padded += static_cast<char>((std::uint64_t{text.size()} * 8) >> shift);
  for (std::size_t block = 0; block < padded.size(); block += 64) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 64; ++i) {
      w[i / 4] = i / 4 < 16 ? (w[i / 4] << 8) | static_cast<std::uint8_t>(padded[block + i]) : 0;
    }
    for (std::size_t i = 16; i < 64; ++i) {
      const auto s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const auto s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      const auto s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const auto t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
      const auto s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const auto t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<std::uint32_t, 8> added = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) state[i] += added[i];
  }
  std::string hex;
  for (const auto word : state) hex += fmt::format("{:08x}", word);
  return hex;
}

}  // namespace hadal
