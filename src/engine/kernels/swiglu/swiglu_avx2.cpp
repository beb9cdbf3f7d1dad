#include "engine/kernels/swiglu/swiglu_simd.h"

namespace hadal {

void swiglu_avx2(const SwigluArgs& args) noexcept {
  swiglu_simd(args);
}

}  // namespace hadal
