#include "base/ggml_blocks.h"

#include "base/check.h"
#include "base/float_formats.h"
#include "base/ggml_codebooks.h"

#include <cstring>

namespace hadal {
namespace {

using Group = void (*)(const std::byte* block, std::size_t g, float* out) noexcept;

unsigned at(const std::byte* bytes, std::size_t i) noexcept {
  return std::to_integer<unsigned>(bytes[i]);
}

int signed_at(const std::byte* bytes, std::size_t i) noexcept {
  return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(bytes[i]));
}

template <typename T>
T load(const std::byte* bytes) noexcept {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float half_at(const std::byte* bytes) noexcept {
  return float_from_f16(load<std::uint16_t>(bytes));
}

float times(float scale, int factor) noexcept {
  return scale * static_cast<float>(factor);
}

void q4_0(const std::byte* block, std::size_t, float* out) noexcept {
  const float d = half_at(block);
  for (std::size_t l = 0; l < 16; ++l) {
    out[l] = times(d, static_cast<int>(at(block + 2, l) & 15u) - 8);
    out[l + 16] = times(d, static_cast<int>(at(block + 2, l) >> 4) - 8);
  }
}

void q8_0(const std::byte* block, std::size_t, float* out) noexcept {
  const float d = half_at(block);
  for (std::size_t l = 0; l < 32; ++l) out[l] = times(d, signed_at(block + 2, l));
}

void mxfp4(const std::byte* block, std::size_t, float* out) noexcept {
  const float scale = float_from_e8m0(load<std::uint8_t>(block));
  for (std::size_t l = 0; l < 16; ++l) {
    out[l] = scale * kFp4Values[at(block + 1, l) & 15u];
    out[l + 16] = scale * kFp4Values[at(block + 1, l) >> 4];
  }
}

void q2_k(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* qs = block + 16 + g / 4 * 32;
  const float d = half_at(block + 80);
  const float dmin = half_at(block + 82);
  const std::size_t shift = 2 * (g % 4);
  for (std::size_t half = 0; half < 2; ++half) {
    const unsigned scales = at(block, 2 * g + half);
    const float scale = times(d, static_cast<int>(scales & 15u));
    const float min = times(dmin, static_cast<int>(scales >> 4));
    for (std::size_t l = 16 * half; l < 16 * half + 16; ++l)
      out[l] = times(scale, static_cast<int>(at(qs, l) >> shift & 3u)) - min;
  }
}

void q3_k(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* qs = block + 32 + g / 4 * 32;
  const std::byte* scales = block + 96;
  const float d = half_at(block + 108);
  const std::size_t shift = 2 * (g % 4);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::size_t j = 2 * g + half;
    const unsigned low = at(scales, j % 8) >> 4 * (j / 8) & 15u;
    const unsigned high = at(scales, 8 + j % 4) >> 2 * (j / 4) & 3u;
    const float scale = times(d, static_cast<int>(low | high << 4) - 32);
    for (std::size_t l = 16 * half; l < 16 * half + 16; ++l) {
      const unsigned q = (at(qs, l) >> shift & 3u) | (at(block, l) >> g & 1u) << 2;
      out[l] = times(scale, static_cast<int>(q) - 4);
    }
  }
}

void q4_k(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* qs = block + 16 + g / 2 * 32;
  const float scale = times(half_at(block), static_cast<int>(q4_k_scale(block + 4, g)));
  const float min = times(half_at(block + 2), static_cast<int>(q4_k_min(block + 4, g)));
  const std::size_t shift = 4 * (g % 2);
  for (std::size_t l = 0; l < 32; ++l)
    out[l] = times(scale, static_cast<int>(at(qs, l) >> shift & 15u)) - min;
}

void q5_k(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* qh = block + 16;
  const std::byte* qs = block + 48 + g / 2 * 32;
  const float scale = times(half_at(block), static_cast<int>(q4_k_scale(block + 4, g)));
  const float min = times(half_at(block + 2), static_cast<int>(q4_k_min(block + 4, g)));
  const std::size_t shift = 4 * (g % 2);
  for (std::size_t l = 0; l < 32; ++l) {
    const unsigned q = (at(qs, l) >> shift & 15u) | (at(qh, l) >> g & 1u) << 4;
    out[l] = times(scale, static_cast<int>(q)) - min;
  }
}

void q6_k(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::size_t k = g % 4;
  const std::byte* ql = block + g / 4 * 64 + k % 2 * 32;
  const std::byte* qh = block + 128 + g / 4 * 32;
  const std::byte* scales = block + 192;
  const float d = half_at(block + 208);
  const std::size_t low_shift = 4 * (k / 2);
  for (std::size_t half = 0; half < 2; ++half) {
    const float scale = times(d, signed_at(scales, 2 * g + half));
    for (std::size_t l = 16 * half; l < 16 * half + 16; ++l) {
      const unsigned q = (at(ql, l) >> low_shift & 15u) | (at(qh, l) >> 2 * k & 3u) << 4;
      out[l] = times(scale, static_cast<int>(q) - 32);
    }
  }
}

void iq2_xxs(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* patterns = block + 2 + g * 8;
  const auto word = load<std::uint32_t>(patterns + 4);
  const float scale = half_at(block) * (0.5f + static_cast<float>(word >> 28)) * 0.25f;
  for (std::size_t j = 0; j < 4; ++j) {
    const unsigned pattern = kIq2XxsPatterns[at(patterns, j)];
    const unsigned signs = iq2_signs(word >> 7 * j & 127u);
    for (std::size_t i = 0; i < 8; ++i) {
      const int magnitude = kIq2Magnitudes[pattern >> 2 * i & 3u];
      out[8 * j + i] = times(scale, (signs >> i & 1u) != 0 ? -magnitude : magnitude);
    }
  }
}

void iq4_xs(const std::byte* block, std::size_t g, float* out) noexcept {
  const std::byte* qs = block + 8 + g * 16;
  const unsigned low = at(block + 4, g / 2) >> 4 * (g % 2) & 15u;
  const unsigned high = static_cast<unsigned>(load<std::uint16_t>(block + 2)) >> 2 * g & 3u;
  const float scale = times(half_at(block), static_cast<int>(low | high << 4) - 32);
  for (std::size_t l = 0; l < 16; ++l) {
    out[l] = times(scale, kIq4Values[at(qs, l) & 15u]);
    out[l + 16] = times(scale, kIq4Values[at(qs, l) >> 4]);
  }
}

/// Calls `f` with the decoder of the type, a compile-time constant, so that it can be inlined.
template <typename F>
void with_group_decoder(DType dtype, const F& f) noexcept {
  switch (dtype) {
    case DType::q4_0:
      return f.template operator()<q4_0>();
    case DType::q8_0:
      return f.template operator()<q8_0>();
    case DType::mxfp4:
      return f.template operator()<mxfp4>();
    case DType::q2_k:
      return f.template operator()<q2_k>();
    case DType::q3_k:
      return f.template operator()<q3_k>();
    case DType::q4_k:
      return f.template operator()<q4_k>();
    case DType::q5_k:
      return f.template operator()<q5_k>();
    case DType::q6_k:
      return f.template operator()<q6_k>();
    case DType::iq2_xxs:
      return f.template operator()<iq2_xxs>();
    case DType::iq4_xs:
      return f.template operator()<iq4_xs>();
    default:
      HADAL_CHECK(false, "only ggml block types are decoded in blocks");
  }
}

}  // namespace

void decode_block(DType dtype, const std::byte* block, float* out) noexcept {
  const std::size_t n_groups = info(dtype).block_elements / kGgmlGroup;
  with_group_decoder(dtype, [&]<Group kDecode>() {
    for (std::size_t g = 0; g < n_groups; ++g) kDecode(block, g, out + g * kGgmlGroup);
  });
}

void decode_group(DType dtype, const std::byte* block, std::size_t group, float* out) noexcept {
  with_group_decoder(dtype, [&]<Group kDecode>() { kDecode(block, group, out); });
}

}  // namespace hadal
