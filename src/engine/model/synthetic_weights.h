// Deterministic weights: a V4 model of any shape without a download (deepseek-v4.md appendix A.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hadal {

/// Elements [first, first + out.size()) in flat row-major order of the tensor with original name
/// `name` and last dimension `last_dim`. Counter based: any range in any order, on any machine,
/// gives the same bits.
void fill_synthetic(std::string_view name, std::size_t last_dim, std::uint64_t first,
                    std::span<float> out) noexcept;

/// Rows [first, first + out.size() / k) of a tid2eid table with k experts per row.
void fill_synthetic_token_table(std::string_view name, std::size_t n_experts, std::size_t k,
                                std::uint64_t first, std::span<std::int64_t> out) noexcept;

}  // namespace hadal
