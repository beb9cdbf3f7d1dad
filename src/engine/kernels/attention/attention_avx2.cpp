#include "engine/kernels/attention/attention_simd.h"

namespace hadal {

const AttentionKernels kAttentionAvx2 = kAttention;

}  // namespace hadal
