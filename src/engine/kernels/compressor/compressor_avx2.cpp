#include "engine/kernels/compressor/compressor_simd.h"

namespace hadal {

void compressor_pool_avx2(const CompressorPoolArgs& args) noexcept {
  compressor_pool_simd(args);
}

}  // namespace hadal
