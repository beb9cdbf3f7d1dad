#include "engine/kernels/linear/int8_simd.h"

namespace hadal {

const LinearKernels kInt8Avx512 = int8_kernels<NoMatrixUnit>();

}  // namespace hadal
