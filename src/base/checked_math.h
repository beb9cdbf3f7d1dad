// Products and sums of sizes that come from files or users; never wrap around.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hadal {

inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

/// Number of elements of a shape; an empty shape is a scalar (1).
inline std::optional<std::uint64_t> checked_product(std::span<const std::uint64_t> shape) noexcept {
  std::uint64_t product = 1;
  for (std::uint64_t n : shape) {
    const auto next = checked_mul(product, n);
    if (!next) return std::nullopt;
    product = *next;
  }
  return product;
}

inline constexpr std::size_t ceil_div(std::size_t a, std::size_t b) noexcept {
  return (a + b - 1) / b;
}

}  // namespace hadal
