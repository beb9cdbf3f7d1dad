#include "engine/kernels/rope/rope_simd.h"

namespace hadal {

void rope_avx2(const RopeArgs& args) noexcept {
  rope_simd(args);
}

}  // namespace hadal
