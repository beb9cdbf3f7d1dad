#include "engine/kernels/hyper_connection/hyper_connection_simd.h"

namespace hadal {

const HyperConnectionKernels kHyperConnectionAvx2 = kHyperConnection;

}  // namespace hadal
