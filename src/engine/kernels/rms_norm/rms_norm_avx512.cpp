#include "engine/kernels/rms_norm/rms_norm_simd.h"

namespace hadal {

void rms_norm_avx512(const RmsNormArgs& args) noexcept {
  rms_norm_simd(args);
}

}  // namespace hadal
