#include "engine/kernels/linear/int8_simd.h"

namespace hadal {

const LinearKernels kInt8Avx512 = kInt8;

}  // namespace hadal
