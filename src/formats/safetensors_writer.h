// Writer of safetensors: one model.safetensors, or shards with an index when a size limit asks for
// them.
#pragma once

#include "base/dtype.h"
#include "base/result.h"
#include "formats/tensor_sink.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

namespace hadal {

struct SafetensorsWriterOptions {
  std::uint64_t max_shard_bytes =
      5'000'000'000;  ///< tensor bytes per file; a larger tensor gets a file of its own
  std::map<std::string, std::string> metadata = {
      {"format", "pt"}};  ///< "__metadata__" of every file
};

/// Declare every tensor first, then write. Each file is written beside its final name and renamed
/// when complete, the index last, so an interrupted run leaves no half file under a real name.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(SafetensorsWriterOptions options = {});

  /// `shape` in stored elements: FP4 weights are declared as i8 [rows, cols / 2], as in the
  /// published checkpoints. Errors: invalid_argument (name empty, reserved or used twice; dtype
  /// without a safetensors name; size overflow).
  Result<void> declare(std::string name, DType dtype, std::vector<std::uint64_t> shape);

  /// Writes into `directory` (created when missing) model.safetensors, or
  /// model-00001-of-000NN.safetensors and model.safetensors.index.json. Shards are filled in order
  /// of declaration; inside a shard, wider types come first, so that every tensor is aligned for
  /// its type. Returns the files written. Errors: io_error, invalid_argument (source wrote too few
  /// or too many bytes), or what `source` returned.
  Result<std::vector<std::filesystem::path>> write(const std::filesystem::path& directory,
                                                   const TensorSource& source) const;

  /// The same as one file in memory (small models, tests); the shard limit does not apply.
  Result<std::vector<std::byte>> write_to_memory(const TensorSource& source) const;

 private:
  struct Declaration {
    std::string name;
    DType dtype;
    std::vector<std::uint64_t> shape;
    std::uint64_t n_bytes;
  };
  using Shard = std::vector<std::size_t>;  // indices into declarations_, in file order

  std::vector<Shard> plan_shards() const;
  Shard in_file_order(Shard shard) const;
  std::string header(const Shard& shard) const;
  Result<void> write_shard(const Shard& shard, const TensorSource& source, TensorSink& out) const;
  Result<void> write_index(const std::filesystem::path& directory,
                           const std::vector<Shard>& shards) const;

  SafetensorsWriterOptions options_;
  std::vector<Declaration> declarations_;
  std::unordered_set<std::string> names_;
};

}  // namespace hadal
