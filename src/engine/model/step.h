// What belongs to one forward pass. Prefill and decode are the same code; they differ by the shapes
// in here.
#pragma once

#include "engine/backends/backend.h"
#include "engine/memory/scratch.h"
#include "engine/memory/sequence_state.h"
#include "engine/model/config.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

/// Tokens [begin, begin + n_tokens) of the batch continue `state` from absolute position `start`.
struct SequenceSpan {
  SequenceState* state;
  std::size_t begin;
  std::size_t n_tokens;
  std::size_t start;
  std::vector<float>* attended = nullptr;  ///< see ForwardInput
};

struct Step {
  Backend& backend;
  const ModelConfig& config;
  Scratch& scratch;
  std::span<const std::int32_t> tokens;     ///< [n_tokens]
  std::span<const std::int64_t> positions;  ///< [n_tokens], absolute
  std::span<const SequenceSpan> sequences;  ///< cover the batch in order
  bool fake_quant = false;                  ///< QAT simulation of deepseek-v4.md 3.9

  std::size_t n_tokens() const noexcept { return tokens.size(); }
  Rows<float> rows(std::size_t width) { return scratch.rows(tokens.size(), width); }
  float rms_norm_eps() const { return static_cast<float>(config.rms_norm_eps); }
};

// One-line wrappers, so that the layers read like equations.

/// y = x W^T
inline void linear(Step& s, Rows<const float> x, const MatrixView& weight, Rows<float> y) {
  s.backend.linear({.x = x, .weight = weight, .y = y});
}

/// out = RMSNorm(x; weight); an empty weight gives the weightless UNorm
inline void rms_norm(Step& s, Rows<const float> x, std::span<const float> weight, Rows<float> out) {
  s.backend.rms_norm({.x = x, .weight = weight, .out = out, .eps = s.rms_norm_eps()});
}

/// x as the published kernels feed it to an FP8/FP4 linear: itself, or a Q8 (block 128) copy in QAT
/// simulation.
Rows<const float> linear_input(Step& s, Rows<const float> x);

}  // namespace hadal
