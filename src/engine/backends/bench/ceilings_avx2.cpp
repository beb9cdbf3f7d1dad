#include "engine/backends/bench/ceilings_simd.h"

namespace hadal::bench {

const Ceilings kCeilingsAvx2 = {.name = "avx2",
                                .fma = fma_rounds,
                                .fma_flops = 2.0 * kChains * Simd::kLanes,
                                .read = read_floats};

}  // namespace hadal::bench
