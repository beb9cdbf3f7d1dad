// A sequence's state as bytes, for snapshots on disk: the rows that a longer state adds to a
// shorter one of the same text, and the tail, which is of constant size (serving.md section 1). The
// bytes mean something to the same build and the same model alone.
#pragma once

#include "base/result.h"
#include "engine/memory/sequence_state.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

/// Rows of each store, in the order of SequenceState::visit.
using RowCounts = std::vector<std::uint64_t>;

RowCounts row_counts(const SequenceState& state);

/// Rows [from[i], size) of each store i. `from`: counts of a state of a prefix, or empty: all.
std::vector<std::byte> rows_to_bytes(const SequenceState& state, const RowCounts& from);
/// Rings and progress.
std::vector<std::byte> tail_to_bytes(const SequenceState& state);

/// Appends rows, so that `state` has `counts` afterwards. Errors: bad_format (the state is not the
/// one they belong behind, or the length is wrong); the state is then of no use.
Result<void> append_rows(SequenceState& state, std::span<const std::byte> bytes,
                         const RowCounts& counts);
/// Sets rings, progress and, of `tokens`, the world model's graph. The rows must be there.
/// Errors: bad_format; the state is then of no use.
Result<void> set_tail(SequenceState& state, std::span<const std::byte> bytes,
                      std::span<const std::int32_t> tokens);

}  // namespace hadal
