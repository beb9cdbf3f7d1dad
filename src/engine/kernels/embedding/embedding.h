// out[t] = W[id[t]]: rows of the embedding table.
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/kernels/rows.h"

#include <cstdint>
#include <span>

namespace hadal {

struct EmbeddingArgs {
  std::span<const std::int32_t> ids;  ///< [n_tokens], each in [0, table.rows)
  MatrixView table;                   ///< [vocab, d]
  Rows<float> out;                    ///< [n_tokens, d]
};

void embedding_ref(const EmbeddingArgs& args) noexcept;

}  // namespace hadal
