#include "engine/kernels/linear/linear_simd.h"

namespace hadal {

const LinearKernels kLinearAvx2 = kLinear;

}  // namespace hadal
