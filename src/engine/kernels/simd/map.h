// Element-wise loops: the tail of a row is one masked vector, so that every element sees the same
// operations wherever it stands.
#pragma once

#include "engine/kernels/simd/simd.h"

#include <cstddef>

namespace hadal {
namespace {

/// Reads and writes whole vectors.
struct FullVector {
  static Simd::Vec load(const float* p) { return Simd::load(p); }
  static void store(float* p, Simd::Vec v) { Simd::store(p, v); }
};

/// Reads and writes the first n lanes.
struct PartialVector {
  std::size_t n;
  Simd::Vec load(const float* p) const { return Simd::load_partial(p, n); }
  void store(float* p, Simd::Vec v) const { Simd::store_partial(p, v, n); }
};

/// f(i, access) for i = begin, begin + kLanes, ..: access.load and access.store touch elements i ..
/// of rows of length `end`.
template <typename F>
inline void for_each_vector(std::size_t begin, std::size_t end, const F& f) {
  std::size_t i = begin;
  for (; i + Simd::kLanes <= end; i += Simd::kLanes) f(i, FullVector{});
  if (i < end) f(i, PartialVector{end - i});
}

}  // namespace
}  // namespace hadal
