#include "engine/kernels/rope/rope_simd.h"

namespace hadal {

void rope_avx512(const RopeArgs& args) noexcept {
  rope_simd(args);
}

}  // namespace hadal
