#include "engine/kernels/indexer/indexer_simd.h"

namespace hadal {

const IndexerKernels kIndexerAvx2 = kIndexer;

}  // namespace hadal
