// A tile of tokens times a panel of rows, in the one order of int8_layout.h. Two forms, same bits:
// `panel_tile` reads unpacked bytes from L1, `DirectSums` multiplies them as they are unpacked.
#pragma once

#include "engine/kernels/linear/int8_panel.h"

namespace hadal {
namespace {

/// T tokens of a tile: where the words of block `first` (and its half words) are.
struct TileWords {
  const float* words;
  const float* halves;

  const float* block(std::size_t b, std::size_t n_tile) const {
    return words + b * kInt8Words * n_tile;
  }
  const float* half_block(std::size_t b, std::size_t n_tile) const {
    return halves + b * kInt8HalfWords * n_tile;
  }
};

inline const Int8Word* as_words(const float* p) {
  return reinterpret_cast<const Int8Word*>(p);
}

/// Where the sums of a block's columns start: -bias * (sum of the activations).
template <typename Unpacker>
inline Int8Simd::Ints start(const float* words, std::size_t n_tile, std::size_t t) {
  if constexpr (Unpacker::kBias == 0) {
    return Int8Simd::Ints{};
  } else {
    static_assert(Unpacker::kBias == 16 || Unpacker::kBias == 128);
    constexpr Int8Field kField = Unpacker::kBias == 16 ? kStart16 : kStart128;
    return Int8Simd::all(as_words(words) + kField * n_tile + t);
  }
}

/// As `start`, for half a block.
template <typename Unpacker>
inline Int8Simd::Ints start_half(const float* halves, Int8HalfField field, std::size_t n_tile,
                                 std::size_t t) {
  static_assert(Unpacker::kBias == 32);
  return Int8Simd::all(as_words(halves) + field * n_tile + t);
}

/// acc[t] += scale * as[t] * sum[t]
template <std::size_t T>
inline void add_scaled(const float* scales, const float* words, const Int8Simd::Ints (&sum)[T],
                       Simd::Vec (&acc)[T]) {
  const Simd::Vec scale = Simd::load(scales);
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) {
    const Simd::Vec factor = Simd::mul(scale, Simd::set1(words[kScale * T + t]));
    acc[t] = Simd::fma(Int8Simd::to_float(sum[t]), factor, acc[t]);
  }
}

/// acc[t] -= min * as[t] * (sum of the activations)
template <std::size_t T>
inline void add_minimum(const float* mins, const float* words, Simd::Vec (&acc)[T]) {
  const Simd::Vec min = Simd::sub(Simd::zero(), Simd::load(mins));
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t)
    acc[t] = Simd::fma(min, Simd::set1(words[kScaledSum * T + t]), acc[t]);
}

/// sum[t] += groups [begin, end) of the block; `group(g)` gives their bytes. One token alone would
/// wait for each dot product before the next: its groups are summed in kChains parts.
template <std::size_t T, typename Unpacker, typename Group>
inline void add_groups(const Group& group, std::size_t begin, std::size_t end, const float* words,
                       Int8Simd::Ints (&sum)[T]) {
  constexpr std::size_t kChains = T == 1 ? 4 : T == 2 ? 2 : 1;
  Int8Simd::Ints part[kChains][T] = {};
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) part[0][t] = sum[t];
  HADAL_UNROLL
  for (std::size_t g = begin; g < end; ++g) {
    const Int8Simd::Bytes w = group(g);
    HADAL_UNROLL
    for (std::size_t t = 0; t < T; ++t) {
      Int8Simd::Ints& s = part[g % kChains][t];
      s = Int8Simd::dot<Unpacker::kWide>(s, w, as_words(words) + g * T + t);
    }
  }
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) {
    sum[t] = part[0][t];
    HADAL_UNROLL
    for (std::size_t c = 1; c < kChains; ++c) sum[t] = Int8Simd::add(sum[t], part[c][t]);
  }
}

/// Sums of a panel: kRows floats per token, `stride` apart. `add`: earlier columns are in there.
struct PanelSums {
  float* data;
  std::size_t stride;
  bool add;

  Simd::Vec load(std::size_t t) const { return add ? Simd::load(data + t * stride) : Simd::zero(); }
  void store(std::size_t t, Simd::Vec v) const { Simd::store(data + t * stride, v); }
};

/// T tokens times `n` blocks of the panel.
template <std::size_t T, typename Unpacker>
inline void panel_tile(const Int8Panel& panel, std::size_t n, const TileWords& tile,
                       const PanelSums& out) {
  constexpr PanelScales kScales = Unpacker::kScales;
  Simd::Vec acc[T];
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) acc[t] = out.load(t);
  for (std::size_t b = 0; b < n; ++b) {
    const float* words = tile.block(b, T);
    const auto group = [&](std::size_t g) { return Int8Simd::load(panel.bytes[b][g]); };
    Int8Simd::Ints sum[T];
    if constexpr (kScales == PanelScales::two_halves) {
      const float* halves = tile.half_block(b, T);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sum[t] = start_half<Unpacker>(halves, kStartLow, T, t);
      add_groups<T, Unpacker>(group, 0, kInt8Groups / 2, words, sum);
      add_scaled<T>(panel.scales.scales[b], words, sum, acc);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sum[t] = start_half<Unpacker>(halves, kStartHigh, T, t);
      add_groups<T, Unpacker>(group, kInt8Groups / 2, kInt8Groups, words, sum);
      add_scaled<T>(panel.scales.high_scales[b], words, sum, acc);
    } else {
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sum[t] = start<Unpacker>(words, T, t);
      add_groups<T, Unpacker>(group, 0, kInt8Groups, words, sum);
      add_scaled<T>(panel.scales.scales[b], words, sum, acc);
      if constexpr (kScales == PanelScales::with_minimum)
        add_minimum<T>(panel.scales.mins[b], words, acc);
    }
  }
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) out.store(t, acc[t]);
}

/// A sink of unpacked blocks for few tokens: the integer sums of kPanelBlocks blocks, then their
/// scales.
template <std::size_t T, typename Unpacker>
class DirectSums {
 public:
  explicit DirectSums(const TileWords& tile) : tile_(tile) {}

  void block(std::size_t b, const BlockBytes& groups) {
    const float* words = tile_.block(b, T);
    const auto group = [&](std::size_t g) { return groups[g]; };
    Int8Simd::Ints sum[T];
    if constexpr (Unpacker::kScales == PanelScales::two_halves) {
      const float* halves = tile_.half_block(b, T);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sum[t] = start_half<Unpacker>(halves, kStartLow, T, t);
      add_groups<T, Unpacker>(group, 0, kInt8Groups / 2, words, sum);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) {
        sums_[b][t] = sum[t];
        sum[t] = start_half<Unpacker>(halves, kStartHigh, T, t);
      }
      add_groups<T, Unpacker>(group, kInt8Groups / 2, kInt8Groups, words, sum);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) high_sums_[b][t] = sum[t];
    } else {
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sum[t] = start<Unpacker>(words, T, t);
      add_groups<T, Unpacker>(group, 0, kInt8Groups, words, sum);
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t) sums_[b][t] = sum[t];
    }
  }

  /// acc[t] += the products of n blocks.
  void add_to(Simd::Vec (&acc)[T], std::size_t n, const BlockScales& scales) const {
    for (std::size_t b = 0; b < n; ++b) {
      const float* words = tile_.block(b, T);
      add_scaled<T>(scales.scales[b], words, sums_[b], acc);
      if constexpr (Unpacker::kScales == PanelScales::two_halves)
        add_scaled<T>(scales.high_scales[b], words, high_sums_[b], acc);
      if constexpr (Unpacker::kScales == PanelScales::with_minimum)
        add_minimum<T>(scales.mins[b], words, acc);
    }
  }

 private:
  TileWords tile_;
  Int8Simd::Ints sums_[kPanelBlocks][T];
  Int8Simd::Ints high_sums_[kPanelBlocks][T];
};

}  // namespace
}  // namespace hadal
