#include "engine/kernels/linear/linear_simd.h"

namespace hadal {

const LinearKernels kLinearAvx512 = kLinear;

}  // namespace hadal
