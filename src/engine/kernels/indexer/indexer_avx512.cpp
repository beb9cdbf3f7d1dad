#include "engine/kernels/indexer/indexer_simd.h"

namespace hadal {

const IndexerKernels kIndexerAvx512 = kIndexer;

}  // namespace hadal
