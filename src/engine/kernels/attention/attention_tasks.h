// What one thread computes of an attention: some heads of one query.
#pragma once

#include <cstddef>

namespace hadal {

/// Heads that share the keys: q, sinks and out point at the first of them. `scratch` holds
/// attention_scratch(...) floats.
struct AttentionTask {
  const float* const* keys;  ///< [n_keys], in the order of the contract; [head_dim] floats each
  std::size_t value_offset;  ///< the value of a key lies this many floats behind it; 0: is it
  std::size_t n_keys;
  std::size_t n_heads;
  std::size_t head_dim;
  const float* q;  ///< [n_heads * head_dim]
  const float* sinks;
  float scale;
  float* out;  ///< [n_heads * head_dim]
  float* scratch;
};

struct AttentionKernels {
  std::size_t (*scratch_floats)(std::size_t n_heads, std::size_t head_dim,
                                std::size_t n_keys) noexcept;
  void (*heads)(const AttentionTask& task) noexcept;
};

inline constexpr std::size_t kAttentionHeads = 12;  ///< of one task: whole tiles of both variants

extern const AttentionKernels kAttentionAvx2;
extern const AttentionKernels kAttentionAvx512;

}  // namespace hadal
