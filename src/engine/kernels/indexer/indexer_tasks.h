// What one thread computes of the indexer: the scores of some rows for one query.
#pragma once

#include <cstddef>

namespace hadal {

/// scores[w] = sum_h weights[h] ReLU(q[h] . key[w]), h ascending. `scratch` holds
/// scratch_floats(...) floats.
struct IndexerTask {
  const float* const* keys;  ///< [n_keys]
  std::size_t n_keys;
  std::size_t n_heads;
  std::size_t head_dim;
  const float* const* q;  ///< [n_heads]
  const float* weights;   ///< [n_heads]
  float* scores;          ///< [n_keys]
  float* scratch;
};

struct IndexerKernels {
  std::size_t (*scratch_floats)(std::size_t n_heads, std::size_t head_dim,
                                std::size_t n_keys) noexcept;
  void (*scores)(const IndexerTask& task) noexcept;
};

extern const IndexerKernels kIndexerAvx2;
extern const IndexerKernels kIndexerAvx512;

}  // namespace hadal
