#include "engine/model/mtp_block.h"

namespace hadal {

void MtpBlock::forward(Step& s, Rows<const float> next_embeddings, Rows<float> streams) const {
  const Scratch::Frame frame(s.scratch);
  const std::size_t d = config_.hidden_size;

  const Rows<float> e = s.rows(d);
  rms_norm(s, next_embeddings, weights_.enorm, e);
  const Rows<float> projected_e = s.rows(d);
  linear(s, linear_input(s, e), weights_.e_proj, projected_e);

  const Rows<float> all =
      dense_rows(streams.data, streams.n * config_.hc_mult, d);  // hnorm and h_proj: per stream
  rms_norm(s, all, weights_.hnorm, all);
  const Rows<float> projected_h = s.scratch.rows(all.n, d);
  linear(s, linear_input(s, all), weights_.h_proj, projected_h);

  for (std::size_t row = 0; row < all.n; ++row) {  // u[j] = e_proj e + h_proj h[j]
    const float* shared = projected_e[row / config_.hc_mult];
    for (std::size_t i = 0; i < d; ++i) all[row][i] = shared[i] + projected_h[row][i];
  }
  block_.forward(s, streams);
}

}  // namespace hadal
