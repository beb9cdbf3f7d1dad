// The names of one tensor in the containers that carry V4 models (deepseek-v4.md 8.2 and 9.2).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// The original DeepSeek name of a name found in a safetensors file: a leading `model.` is
/// stripped, Hugging Face names and V3 spellings are translated
/// (`...self_attn.q_a_proj.weight_scale_inv` -> `...attn.wq_a.scale`). Names that are not known
/// come back as they are, without the prefix. Stacked experts keep their tensor:
/// `layers.N.ffn.experts.gate_up_proj` and `.down_proj`, their scales with `.scale` appended.
std::string canonical_name(std::string_view stored);

/// The Hugging Face name of an original name, `model.` included; experts per tensor are
/// `...mlp.experts.X.gate_proj`. Nothing for mtp.* (transformers ignores them) and unknown names.
std::optional<std::string> hugging_face_name(std::string_view canonical);

/// Where a tensor lies in a GGUF file.
struct GgufPlace {
  std::string name;                   ///< e.g. "blk.3.ffn_gate_exps.weight"
  std::optional<std::size_t> expert;  ///< slice of the stacked tensor, for routed experts

  bool operator==(const GgufPlace&) const = default;
};

/// The place of a canonical weight. MTP tensors get block number `mtp_block`
/// (`blk.<mtp_block>.nextn.*` and the block's own tensors; hc_head_* become output_hc_* of the
/// draft file); e_proj and h_proj have no place of their own, since they are columns of
/// nextn.eh_proj. Nothing for unknown names.
std::optional<GgufPlace> gguf_place(std::string_view canonical, std::size_t mtp_block);

}  // namespace hadal
