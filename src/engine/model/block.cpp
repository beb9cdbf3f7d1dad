#include "engine/model/block.h"

namespace hadal {

// X: [n_tokens, n, d] residual streams. Symbols: docs/notation.md; formulas:
// deepseek-v4.md 2.1-2.4.
void Block::forward(Step& s, Rows<float> X) const {
  const Scratch::Frame frame(s.scratch);
  const Rows<float> h = s.rows(config_.hidden_size);
  const Rows<float> out = s.rows(config_.hidden_size);

  auto mix =
      read(s, weights_.hc_attn, X, h);  // h = sum_j pre[j] X[j];  mix = {post, C} from the old X
  rms_norm(s, h, weights_.attn_norm, h);
  attention_.forward(s, h, out);  // out = Attn(h; state)
  write(s, mix, out, X);          // X[k] = post[k] out + sum_j C[j][k] X[j]      (C transposed)

  mix = read(s, weights_.hc_ffn, X, h);
  rms_norm(s, h, weights_.ffn_norm, h);
  moe_.forward(s, h, out);  // out = sum_{e in top_k} g_e E_e(h) + E_shared(h)
  write(s, mix, out, X);
}

HyperConnectionMix Block::read(Step& s, const HyperConnectionSite& site, Rows<const float> streams,
                               Rows<float> hidden) const {
  const HyperConnectionMix mix{.post = s.rows(config_.hc_mult),
                               .comb = s.rows(config_.hc_mult * config_.hc_mult)};
  s.backend.hyper_connection_read({.streams = streams,
                                   .hc_mult = config_.hc_mult,
                                   .weights = site.view(),
                                   .sinkhorn_iters = config_.hc_sinkhorn_iters,
                                   .rms_norm_eps = s.rms_norm_eps(),
                                   .hc_eps = static_cast<float>(config_.hc_eps),
                                   .hidden = hidden,
                                   .post = mix.post,
                                   .comb = mix.comb});
  return mix;
}

void Block::write(Step& s, const HyperConnectionMix& mix, Rows<const float> update,
                  Rows<float> streams) const {
  s.backend.hyper_connection_write({.update = update,
                                    .post = mix.post,
                                    .comb = mix.comb,
                                    .hc_mult = config_.hc_mult,
                                    .streams = streams});
}

}  // namespace hadal
