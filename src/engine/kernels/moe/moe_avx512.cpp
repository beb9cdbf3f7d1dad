#include "engine/kernels/moe/moe_simd.h"

namespace hadal {

const MoeKernels kMoeAvx512 = kMoe;

}  // namespace hadal
