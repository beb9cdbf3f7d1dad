// One file of a snapshot (docs/decisions/0013): a header with tokens and row counts, rows, a tail,
// each under a checksum. In the byte order of this machine; read by the build that wrote it alone.
#pragma once

#include "base/result.h"
#include "engine/memory/state_bytes.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hadal {

struct SnapshotHeader {
  std::uint64_t magic = kMagic;
  std::uint64_t numerics = 0;  ///< all that changes bits (numerics.h)
  std::uint64_t id = 0;        ///< snapshot_id()
  std::uint64_t parent = 0;    ///< id of the snapshot that the rows belong behind; 0: none
  std::uint64_t n_tokens = 0;
  std::uint64_t n_parent_tokens = 0;
  std::uint64_t n_stores = 0;
  std::uint64_t rows_bytes = 0;
  std::uint64_t tail_bytes = 0;
  std::uint64_t rows_sum = 0;
  std::uint64_t tail_sum = 0;
  std::uint64_t index_sum = 0;  ///< of the header with 0 here, tokens and row counts

  static constexpr std::uint64_t kMagic = 0x314e534c41444148;  // "HADALSN1"

  std::uint64_t n_own_tokens() const { return n_tokens - n_parent_tokens; }
  std::uint64_t index_bytes() const {
    return n_own_tokens() * sizeof(std::int32_t) + n_stores * sizeof(std::uint64_t);
  }
  std::uint64_t rows_offset() const { return sizeof(SnapshotHeader) + index_bytes(); }
  std::uint64_t tail_offset() const { return rows_offset() + rows_bytes; }
  std::uint64_t file_bytes() const { return tail_offset() + tail_bytes; }
};

/// What a file holds beside rows and tail.
struct SnapshotIndex {
  SnapshotHeader header;
  std::vector<std::int32_t> tokens;  ///< behind those of the parent
  RowCounts counts;                  ///< of the whole state
};

/// A file that is to be written.
struct SnapshotImage {
  SnapshotIndex index;
  std::vector<std::byte> rows;  ///< state_bytes.h
  std::vector<std::byte> tail;
};

/// Never 0.
std::uint64_t snapshot_id(std::uint64_t numerics, std::span<const std::int32_t> tokens);

/// Fills in the sizes and sums of the header.
void seal(SnapshotImage& image);

/// Appears under its name when it is complete. Errors: io_error.
Result<void> write_snapshot(const std::filesystem::path& path, const SnapshotImage& image);

enum class SnapshotFit : std::uint8_t { fits, foreign /** other numerics */, damaged };

/// Reads and checks all but rows and tail. @param index  filled when the file fits
SnapshotFit read_snapshot_index(const std::filesystem::path& path, std::uint64_t numerics,
                                SnapshotIndex& index);

enum class SnapshotPart : std::uint8_t { rows, tail };

/// Errors: io_error, bad_format (damaged).
Result<std::vector<std::byte>> read_snapshot_part(const std::filesystem::path& path,
                                                  const SnapshotHeader& header, SnapshotPart part);

}  // namespace hadal
