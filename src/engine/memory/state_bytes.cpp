#include "engine/memory/state_bytes.h"

#include <algorithm>
#include <cstring>

namespace hadal {
namespace {

constexpr auto kNothing = [](const auto&) {};

void append(std::vector<std::byte>& bytes, const void* data, std::size_t n) {
  const std::size_t size = bytes.size();
  bytes.resize(size + n);
  std::memcpy(bytes.data() + size, data, n);
}

}  // namespace

RowCounts row_counts(const SequenceState& state) {
  RowCounts counts;
  state.visit(kNothing, [&](const RowStore& rows) { counts.push_back(rows.size()); });
  return counts;
}

std::vector<std::byte> rows_to_bytes(const SequenceState& state, const RowCounts& from) {
  std::vector<std::byte> bytes;
  std::size_t i = 0;
  state.visit(kNothing, [&](const RowStore& store) {
    const PagedRows rows = store.view();
    for (std::size_t r = i < from.size() ? from[i] : 0; r < rows.n; ++r)
      append(bytes, rows[r], store.width() * sizeof(float));
    ++i;
  });
  return bytes;
}

std::vector<std::byte> tail_to_bytes(const SequenceState& state) {
  std::vector<std::byte> bytes;
  const SequenceState::Progress progress = state.progress();
  append(bytes, &progress, sizeof progress);
  state.visit(
      [&](const PositionRing& ring) {
        append(bytes, ring.slots().data(), ring.slots().size_bytes());
      },
      kNothing);
  return bytes;
}

Result<void> append_rows(SequenceState& state, std::span<const std::byte> bytes,
                         const RowCounts& counts) {
  const RowCounts before = row_counts(state);
  if (before.size() != counts.size())
    return error(ErrorCode::bad_format, "rows of another model: {} stores, not {}", counts.size(),
                 before.size());
  std::size_t expected = 0, i = 0;
  bool fits = true;
  state.visit(kNothing, [&](const RowStore& store) {
    fits &= counts[i] >= store.size() && counts[i] - store.size() <= bytes.size();
    if (fits) expected += (counts[i] - store.size()) * store.width() * sizeof(float);
    ++i;
  });
  if (!fits || expected != bytes.size())
    return error(ErrorCode::bad_format, "{} bytes of rows do not belong behind this state",
                 bytes.size());
  std::size_t offset = 0;
  i = 0;
  std::vector<float> row;
  state.visit(kNothing, [&](RowStore& store) {
    row.resize(store.width());
    for (; store.size() < counts[i]; offset += row.size() * sizeof(float)) {
      std::memcpy(row.data(), bytes.data() + offset, row.size() * sizeof(float));
      store.append(row.data());
    }
    ++i;
  });
  return {};
}

Result<void> set_tail(SequenceState& state, std::span<const std::byte> bytes,
                      std::span<const std::int32_t> tokens) {
  SequenceState::Progress progress{};
  std::size_t expected = sizeof progress;
  state.visit([&](const PositionRing& ring) { expected += ring.slots().size_bytes(); }, kNothing);
  if (bytes.size() != expected)
    return error(ErrorCode::bad_format, "a tail of {} bytes, expected {}", bytes.size(), expected);
  std::memcpy(&progress, bytes.data(), sizeof progress);
  if (progress.n_tokens != tokens.size())
    return error(ErrorCode::bad_format, "a tail of {} tokens, expected {}", progress.n_tokens,
                 tokens.size());
  std::size_t offset = sizeof progress;
  state.visit(
      [&](PositionRing& ring) {
        std::memcpy(ring.slots().data(), bytes.data() + offset, ring.slots().size_bytes());
        offset += ring.slots().size_bytes();
      },
      kNothing);
  state.set_progress(progress);
  if (WorldModelState* world_model = state.world_model()) world_model->graph.push(tokens);
  return {};
}

}  // namespace hadal
