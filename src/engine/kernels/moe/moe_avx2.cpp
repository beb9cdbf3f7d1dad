#include "engine/kernels/moe/moe_simd.h"

namespace hadal {

const MoeKernels kMoeAvx2 = kMoe;

}  // namespace hadal
