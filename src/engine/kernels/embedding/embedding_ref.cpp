#include "engine/kernels/embedding/embedding.h"

namespace hadal {

void embedding_ref(const EmbeddingArgs& args) noexcept {
  for (std::size_t t = 0; t < args.ids.size(); ++t) {
    decode_row(args.table, static_cast<std::size_t>(args.ids[t]), 0, args.table.cols, args.out[t]);
  }
}

}  // namespace hadal
