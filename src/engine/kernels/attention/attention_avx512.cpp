#include "engine/kernels/attention/attention_simd.h"

namespace hadal {

const AttentionKernels kAttentionAvx512 = kAttention;

}  // namespace hadal
