// From a stored type to its decoder.
#pragma once

#include "engine/kernels/linear/block_decoders.h"
#include "engine/kernels/linear/decoders.h"

namespace hadal {
namespace {

/// E4M3 without scales or with large ones: decode_row.
struct AnyDecoder {
  static constexpr Buffered kBuffered = Buffered::always;
};

/// Calls f.run<Decoder>() with the decoder of these rows.
template <typename F>
inline void with_decoder(const MatrixView& m, std::size_t row_begin, std::size_t row_end,
                         const F& f) {
  if (m.scale_layout == ScaleLayout::none) {
    switch (m.dtype) {
      case DType::f32:
        return f.template run<F32Decoder>();
      case DType::f16:
        return f.template run<F16Decoder>();
      case DType::bf16:
        return f.template run<Bf16Decoder>();
      case DType::q8_0:
        return f.template run<Q8Decoder>();
      case DType::mxfp4:
        return f.template run<Mxfp4Decoder>();
      case DType::q4_0:
        return f.template run<Q40Decoder>();
      case DType::q2_k:
        return f.template run<Q2KDecoder>();
      case DType::q3_k:
        return f.template run<Q3KDecoder>();
      case DType::q4_k:
        return f.template run<Q4KDecoder>();
      case DType::q5_k:
        return f.template run<Q5KDecoder>();
      case DType::q6_k:
        return f.template run<Q6KDecoder>();
      case DType::iq2_xxs:
        return f.template run<Iq2XxsDecoder>();
      case DType::iq4_xs:
        return f.template run<Iq4XsDecoder>();
      default:
        break;
    }
  } else if (m.dtype == DType::f8_e4m3 && m.scale_layout == ScaleLayout::block128 &&
             has_small_scales(m, row_begin, row_end)) {
    return f.template run<E4m3Decoder>();
  } else if (m.dtype == DType::fp4 && m.scale_layout == ScaleLayout::group32 &&
             m.scale_dtype == DType::f8_e8m0) {
    return f.template run<Fp4Decoder>();
  }
  f.template run<AnyDecoder>();
}

}  // namespace
}  // namespace hadal
