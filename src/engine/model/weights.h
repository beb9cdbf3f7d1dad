// The weights of a model, grouped as the report groups them. Matrices stay views into the
// checkpoint (mapped, as stored); vectors are small and decoded to float once. Shapes:
// deepseek-v4.md 8.2, symbols: docs/notation.md.
#pragma once

#include "engine/kernels/hyper_connection/hyper_connection.h"
#include "engine/kernels/matrix_view.h"
#include "engine/kernels/moe/moe.h"
#include "engine/model/arranged_weights.h"
#include "engine/model/checkpoint.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hadal {

struct HyperConnectionSite {
  MatrixView fn;             // [(2+n) n, n d]
  std::vector<float> base;   // [(2+n) n]
  std::vector<float> scale;  // [3]

  HyperConnectionWeights view() const { return {fn, base, scale}; }
};

struct HyperConnectionHead {
  MatrixView fn;            // [n, n d]
  std::vector<float> base;  // [n]
  float scale = 1.0f;
};

struct CompressorWeights {
  MatrixView wkv;    // [series e, d]
  MatrixView wgate;  // [series e, d]
  std::vector<float>
      position_bias;        // [m, series e]  "ape": added to the gate of the m-th token of a window
  std::vector<float> norm;  // [e]
};

struct IndexerWeights {
  MatrixView wq_b;          // [ih id, qr]
  MatrixView weights_proj;  // [ih, d]
  CompressorWeights compressor;
};

struct AttentionWeights {
  MatrixView wq_a;                              // [qr, d]
  std::vector<float> q_norm;                    // [qr]
  MatrixView wq_b;                              // [H c, qr]
  MatrixView wkv;                               // [c, d]
  std::vector<float> kv_norm;                   // [c]
  MatrixView wo_a;                              // [g r_o, H c / g]
  MatrixView wo_b;                              // [d, g r_o]
  std::vector<float> sinks;                     // [H]
  std::optional<CompressorWeights> compressor;  // csa, hca
  std::optional<IndexerWeights> indexer;        // csa
};

struct MoeWeights {
  MatrixView gate;                     // [E, d]
  std::vector<float> bias;             // [E]     score layers
  std::vector<std::int32_t> tid2eid;   // [V, k]  hash layers
  std::vector<ExpertWeights> experts;  // [E]
  std::optional<ExpertWeights> shared;
};

struct BlockWeights {
  HyperConnectionSite hc_attn;
  std::vector<float> attn_norm;  // [d]
  AttentionWeights attention;
  HyperConnectionSite hc_ffn;
  std::vector<float> ffn_norm;  // [d]
  MoeWeights moe;
};

/// One multi-token-prediction block (7.1).
struct MtpWeights {
  std::vector<float> enorm;  // [d]
  std::vector<float> hnorm;  // [d]
  MatrixView e_proj;         // [d, d]
  MatrixView h_proj;         // [d, d]
  BlockWeights block;
  HyperConnectionHead head;
  std::vector<float> norm;  // [d]
};

/// One layer of the world model's body (world-model.md 2.4).
struct WorldModelLayerWeights {
  std::vector<float> attn_norm;  // [w]
  MatrixView q_proj;             // [nh dh, w]
  MatrixView k_proj;             // [nkv dh, w]
  MatrixView v_proj;             // [nkv dh, w]
  MatrixView o_proj;             // [w, nh dh]
  std::vector<float> sinks;      // [nh]
  std::vector<float> ffn_norm;   // [w]
  MatrixView w1, w3;             // [f, w]
  MatrixView w2;                 // [w, f]
};

struct WorldModelWeights {
  std::vector<float> read;        // [n]
  std::vector<float> write;       // [n]
  std::vector<float> in_norm;     // [d]
  MatrixView in_proj;             // [w, d]
  std::vector<float> step_embed;  // [T_max, w]
  std::vector<WorldModelLayerWeights> layers;
  std::vector<float> out_norm;  // [w]
  MatrixView out_proj;          // [d, w]
};

struct ModelWeights {
  MatrixView embed;  // [V, d]
  std::vector<BlockWeights> blocks;
  HyperConnectionHead head;
  std::vector<float> norm;  // [d]
  MatrixView lm_head;       // [V, d]
  std::vector<MtpWeights> mtp;
  std::optional<WorldModelWeights> world_model;
};

/// Collects the weights under their canonical names: those that `arranged` (may be nullptr) has in
/// panel order, the others as stored. The checkpoint has validated shapes; it and `arranged` must
/// outlive the result. Errors: not_found, naming the tensor.
Result<ModelWeights> collect_weights(const Checkpoint& checkpoint, const ArrangedWeights* arranged);

/// The bytes behind the matrices that passes read as a whole (not the embedding), in canonical
/// order.
std::vector<std::span<const std::byte>> bytes_of_weights(const Checkpoint& checkpoint,
                                                         const ArrangedWeights* arranged);

}  // namespace hadal
