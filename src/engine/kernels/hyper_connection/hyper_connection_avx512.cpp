#include "engine/kernels/hyper_connection/hyper_connection_simd.h"

namespace hadal {

const HyperConnectionKernels kHyperConnectionAvx512 = kHyperConnection;

}  // namespace hadal
