// Integer products (int8_layout.h) for one vector width; included by int8_avx2.cpp and
// int8_avx512.cpp alone.
#pragma once

#include "engine/kernels/linear/int8_k_quants.h"
#include "engine/kernels/linear/int8_panel.h"
#include "engine/kernels/linear/linear_tasks.h"

#include <cstring>

namespace hadal {
namespace {

// ---- activations -------------------------------------------------------------------------------

/// One block of 32 activations, rounded.
struct Int8Activations {
  alignas(32) std::int8_t q[kInt8Block];
  std::int32_t low;   ///< sum of q[0 .. 16)
  std::int32_t high;  ///< sum of q[16 .. 32)
  float scale;
};

inline float max_magnitude(const __m256 (&x)[4]) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 m = _mm256_andnot_ps(sign, x[0]);
  for (std::size_t i = 1; i < 4; ++i) m = _mm256_max_ps(m, _mm256_andnot_ps(sign, x[i]));
  __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}

/// Blocks without a magnitude above 2^-100 count as zero: 127 / a must stay finite.
inline void round_block(const float* x, Int8Activations& out) {
  __m256 v[4];
  for (std::size_t i = 0; i < 4; ++i) v[i] = _mm256_loadu_ps(x + 8 * i);
  const float largest = max_magnitude(v);
  const bool is_zero = largest < 0x1p-100f;
  out.scale = is_zero ? 0.0f : largest / 127.0f;
  const __m256 factor = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / largest);
  __m256i n[4];
  for (std::size_t i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], factor));
  const __m256i low = _mm256_add_epi32(n[0], n[1]);
  const __m256i high = _mm256_add_epi32(n[2], n[3]);
  const auto sum = [](__m256i s) {
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xB1)));
  };
  out.low = sum(low);
  out.high = sum(high);
  const __m256i packed =
      _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
  const __m256i in_order =
      _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out.q), in_order);
}

inline void store_word(float* words, std::size_t index, std::int32_t value) {
  std::memcpy(words + index, &value, sizeof(value));
}

inline std::size_t packed_words(std::size_t cols) noexcept {
  return cols / kInt8Block * kInt8Words;
}

/// Tiles of kTokenTile tokens; in a tile block by block, as Int8Field says.
inline void pack_tokens(const float* const* rows, std::size_t n, std::size_t cols,
                        float* packed) noexcept {
  for (std::size_t first = 0; first < n; first += Int8Simd::kTokenTile) {
    const std::size_t left = n - first;
    const std::size_t n_tile = left < Int8Simd::kTokenTile ? left : Int8Simd::kTokenTile;
    for (std::size_t t = 0; t < n_tile; ++t) {
      float* words = packed + t;
      for (std::size_t c = 0; c < cols; c += kInt8Block, words += kInt8Words * n_tile) {
        Int8Activations block;
        round_block(rows[first + t] + c, block);
        for (std::size_t g = 0; g < kInt8Groups; ++g) {
          std::memcpy(words + g * n_tile, block.q + 4 * g, sizeof(float));
        }
        const std::int32_t sum = block.low + block.high;
        words[kScale * n_tile] = block.scale;
        store_word(words, kNegSum * n_tile, -sum);
        store_word(words, kNegLow * n_tile, -block.low);
        store_word(words, kNegHigh * n_tile, -block.high);
        words[kScaledSum * n_tile] = block.scale * static_cast<float>(sum);
      }
    }
    packed += n_tile * packed_words(cols);
  }
}

/// Calls f.run<Unpacker>() with the unpacker of this matrix (has_int8_product).
template <typename F>
inline void with_unpacker(const MatrixView& m, const F& f) {
  switch (m.dtype) {
    case DType::q8_0:
      return f.template run<Q8Unpacker>();
    case DType::mxfp4:
      return f.template run<Mxfp4Unpacker>();
    case DType::q4_0:
      return f.template run<Q40Unpacker>();
    case DType::q4_k:
      return f.template run<Q4KUnpacker>();
    case DType::q5_k:
      return f.template run<Q5KUnpacker>();
    case DType::q6_k:
      return f.template run<Q6KUnpacker>();
    default:
      return f.template run<Fp4Unpacker>();
  }
}

// ---- products ----------------------------------------------------------------------------------

/// Sums of a panel: kRows floats per token, `stride` apart. `add`: earlier columns are in there.
struct PanelSums {
  float* data;
  std::size_t stride;
  bool add;

  Simd::Vec load(std::size_t t) const { return add ? Simd::load(data + t * stride) : Simd::zero(); }
  void store(std::size_t t, Simd::Vec v) const { Simd::store(data + t * stride, v); }
};

/// What the sums of a block start with: -bias * (sum of the activations in `field`).
template <std::size_t T, typename Unpacker>
inline void start_sums(const Int8Word* words, Int8Field field, Int8Simd::Ints (&sum)[T]) {
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) {
    if constexpr (Unpacker::kShift < 0) {
      sum[t] = Int8Simd::Ints{};
    } else {
      sum[t] = Int8Simd::start(words + field * T + t, _mm_cvtsi32_si128(Unpacker::kShift));
    }
  }
}

/// sum[t] += groups [begin, end) of the block.
template <std::size_t T, typename Unpacker>
inline void add_groups(const std::uint8_t (&bytes)[kInt8Groups][4 * Int8Panel::kRows],
                       std::size_t begin, std::size_t end, const Int8Word* words,
                       Int8Simd::Ints (&sum)[T]) {
  HADAL_UNROLL
  for (std::size_t g = begin; g < end; ++g) {
    const Int8Simd::Bytes w = Int8Simd::load(bytes[g]);
    HADAL_UNROLL
    for (std::size_t t = 0; t < T; ++t)
      sum[t] = Int8Simd::dot<Unpacker::kWide>(sum[t], w, words + g * T + t);
  }
}

/// acc[t] += scale * as[t] * sum[t]
template <std::size_t T>
inline void add_scaled(const float* scales, const float* packed, const Int8Simd::Ints (&sum)[T],
                       Simd::Vec (&acc)[T]) {
  const Simd::Vec scale = Simd::load(scales);
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) {
    const Simd::Vec factor = Simd::mul(scale, Simd::set1(packed[kScale * T + t]));
    acc[t] = Simd::fma(Int8Simd::to_float(sum[t]), factor, acc[t]);
  }
}

/// T tokens times `n` blocks of the panel.
template <std::size_t T, typename Unpacker>
inline void panel_tile(const Int8Panel& panel, std::size_t n, const float* packed,
                       const PanelSums& out) {
  constexpr PanelScales kScales = Unpacker::kScales;
  Simd::Vec acc[T];
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) acc[t] = out.load(t);
  for (std::size_t b = 0; b < n; ++b, packed += kInt8Words * T) {
    const auto* words = reinterpret_cast<const Int8Word*>(packed);
    Int8Simd::Ints sum[T];
    if constexpr (kScales == PanelScales::two_halves) {
      start_sums<T, Unpacker>(words, kNegLow, sum);
      add_groups<T, Unpacker>(panel.bytes[b], 0, kInt8Groups / 2, words, sum);
      add_scaled<T>(panel.scales[b], packed, sum, acc);
      start_sums<T, Unpacker>(words, kNegHigh, sum);
      add_groups<T, Unpacker>(panel.bytes[b], kInt8Groups / 2, kInt8Groups, words, sum);
      add_scaled<T>(panel.high_scales[b], packed, sum, acc);
    } else {
      start_sums<T, Unpacker>(words, kNegSum, sum);
      add_groups<T, Unpacker>(panel.bytes[b], 0, kInt8Groups, words, sum);
      add_scaled<T>(panel.scales[b], packed, sum, acc);
    }
    if constexpr (kScales == PanelScales::with_minimum) {
      const Simd::Vec min = Simd::sub(Simd::zero(), Simd::load(panel.mins[b]));
      HADAL_UNROLL
      for (std::size_t t = 0; t < T; ++t)
        acc[t] = Simd::fma(min, Simd::set1(packed[kScaledSum * T + t]), acc[t]);
    }
  }
  HADAL_UNROLL
  for (std::size_t t = 0; t < T; ++t) out.store(t, acc[t]);
}

/// The last tile of a batch: 1 <= n_tile <= T tokens.
template <std::size_t T, typename Unpacker>
inline void panel_tile_of(std::size_t n_tile, const Int8Panel& panel, std::size_t n,
                          const float* packed, const PanelSums& out) {
  if constexpr (T > 1) {
    if (n_tile < T) return panel_tile_of<T - 1, Unpacker>(n_tile, panel, n, packed, out);
  }
  panel_tile<T, Unpacker>(panel, n, packed, out);
}

/// The panels of one task, 256 columns at a time: one panel for few tokens, whose weights come from
/// memory one after the other; four for many, so that the tokens come from L2 a quarter as often.
/// Sums stay in a dense buffer until they are complete: rows of y often lie a power of two apart,
/// where a cache holds only a few of them.
template <typename Unpacker>
class Int8Task {
 public:
  static constexpr std::size_t kMaxTokens = 12 * 12;  ///< whole tiles of all variants

  explicit Int8Task(const LinearPackedTask& task)
      : task_(task), n_panels_(task.n_tokens <= Int8Simd::kTokenTile ? 1 : kMaxPanels) {}

  void run() {
    const MatrixView& m = *task_.weight;
    const std::size_t n_blocks = m.cols / kInt8Block;
    const std::size_t step = n_panels_ * Int8Panel::kRows;
    for (std::size_t row = task_.row_begin; row < task_.row_end; row += step) {
      Prefetcher ahead(m.data + (row + step) * m.row_stride, m.data + task_.row_end * m.row_stride);
      for (std::size_t first = 0; first < n_blocks; first += kPanelBlocks) {
        const std::size_t n = n_blocks - first < kPanelBlocks ? n_blocks - first : kPanelBlocks;
        for (std::size_t p = 0; p < n_panels_; ++p)
          unpack(row + p * Int8Panel::kRows, first, n, ahead, panels_[p]);
        multiply(first, n);
      }
      store(row);
    }
  }

 private:
  static constexpr std::size_t kMaxPanels = 4;
  static constexpr std::size_t kSumStride = kMaxPanels * Int8Panel::kRows;

  void unpack(std::size_t row, std::size_t first, std::size_t n, Prefetcher& ahead,
              Int8Panel& panel) const {
    const MatrixView& m = *task_.weight;
    if (row + Int8Panel::kRows <= m.rows) {
      Unpacker::unpack(FollowingRows(m, row), first, n, ahead, panel);
    } else {
      Unpacker::unpack(LastRows(m, row), first, n, ahead, panel);
    }
  }

  /// All tokens times the unpacked columns.
  void multiply(std::size_t first, std::size_t n) {
    constexpr std::size_t kTile = Int8Simd::kTokenTile;
    const float* tile = task_.packed;
    for (std::size_t t = 0; t < task_.n_tokens; t += kTile) {
      const std::size_t n_tile = task_.n_tokens - t < kTile ? task_.n_tokens - t : kTile;
      const float* packed = tile + first * kInt8Words * n_tile;
      for (std::size_t p = 0; p < n_panels_; ++p) {
        float* sums = sums_ + t * kSumStride + p * Int8Panel::kRows;
        panel_tile_of<kTile, Unpacker>(n_tile, panels_[p], n, packed,
                                       {.data = sums, .stride = kSumStride, .add = first != 0});
      }
      tile += n_tile * packed_words(task_.weight->cols);
    }
  }

  void store(std::size_t row) const {
    const std::size_t left = task_.row_end - row;
    const std::size_t width = n_panels_ * Int8Panel::kRows;
    const std::size_t n_rows = left < width ? left : width;
    for (std::size_t t = 0; t < task_.n_tokens; ++t)
      std::memcpy(task_.y + t * task_.y_stride + row, sums_ + t * kSumStride,
                  n_rows * sizeof(float));
  }

  const LinearPackedTask& task_;
  std::size_t n_panels_;
  Int8Panel panels_[kMaxPanels];
  alignas(64) float sums_[kMaxTokens * kSumStride];
};

struct Int8Run {
  const LinearPackedTask& task;

  template <typename Unpacker>
  void run() const {
    constexpr std::size_t kStep = Int8Task<Unpacker>::kMaxTokens;
    for (std::size_t t = 0; t < task.n_tokens; t += kStep) {
      LinearPackedTask part = task;
      part.n_tokens = task.n_tokens - t < kStep ? task.n_tokens - t : kStep;
      part.packed = task.packed + t * packed_words(task.weight->cols);
      part.y = task.y + t * task.y_stride;
      Int8Task<Unpacker>(part).run();
    }
  }
};

inline void int8_packed(const LinearPackedTask& task) noexcept {
  with_unpacker(*task.weight, Int8Run{task});
}

constexpr LinearKernels kInt8 = {.token_tile = Int8Simd::kTokenTile,
                                 .row_tile = Int8Panel::kRows,
                                 .packed_floats = packed_words,
                                 .pack_tokens = pack_tokens,
                                 .one = nullptr,
                                 .packed = int8_packed};

}  // namespace
}  // namespace hadal
