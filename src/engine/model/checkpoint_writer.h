// Writes a model of any shape as safetensors or GGUF: in f32, bf16, the published types (product.md
// section 2) or, in GGUF, with types chosen by role.
#pragma once

#include "base/thread_pool.h"
#include "engine/model/checkpoint.h"
#include "engine/model/weight_encoding.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

class GgufWriter;
class ImportanceMatrix;

/// Where the values come from: a generator or another checkpoint. Const and thread-safe.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// Rows [first, first + n) as floats [n, last dimension]; a 1-D tensor is one row.
  virtual void read_rows(const TensorSpec& spec, std::size_t first, std::size_t n,
                         float* out) const = 0;
  /// The whole of a tid2eid table.
  virtual std::vector<std::int64_t> read_token_table(const TensorSpec& spec) const = 0;
  /// How the tensor is stored, when copying its bytes can be better than re-encoding its values;
  /// else nullptr.
  virtual const MatrixView* stored(const TensorSpec& spec) const = 0;
};

/// The generator of deepseek-v4.md appendix A.1.
class SyntheticSource final : public WeightSource {
 public:
  explicit SyntheticSource(const ModelConfig& config) : config_(config) {}
  void read_rows(const TensorSpec& spec, std::size_t first, std::size_t n,
                 float* out) const override;
  std::vector<std::int64_t> read_token_table(const TensorSpec& spec) const override;
  const MatrixView* stored(const TensorSpec&) const override { return nullptr; }

 private:
  const ModelConfig& config_;
};

/// Dequantised values of a checkpoint, which must outlive the source.
class CheckpointSource final : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}
  void read_rows(const TensorSpec& spec, std::size_t first, std::size_t n,
                 float* out) const override;
  std::vector<std::int64_t> read_token_table(const TensorSpec& spec) const override;
  const MatrixView* stored(const TensorSpec& spec) const override;

 private:
  const Checkpoint& checkpoint_;
};

/// Types by role, for GGUF. Weights that it does not name keep the type and the bytes that the
/// source stores; what GGUF cannot hold becomes the type of `native` (FP8 -> Q8_0, FP4 -> MXFP4),
/// and vectors are F32. An empty plan keeps everything.
struct QuantizePlan {
  std::optional<Encoding> experts = {};  ///< routed experts
  std::optional<Encoding> rest = {};  ///< matrices of attention, shared experts, embedding and head
  /// Importance of input columns, for types with searched scales; may be nullptr. Must outlive the
  /// writing.
  const ImportanceMatrix* importance = nullptr;
};

struct WriteOptions {
  WeightTypes types = WeightTypes::f32;
  std::optional<QuantizePlan> quantize = {};      ///< instead of `types`; GGUF only
  std::uint64_t max_shard_bytes = 5'000'000'000;  ///< safetensors only
  std::size_t scratch_floats = 8u << 20;          ///< values in flight, over all threads: 32 MB
  /// Called from the calling thread after every piece; `total` is known from the start.
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> on_progress = {};
  std::function<void(GgufWriter&)> add_gguf_metadata = {};  ///< e.g. the vocabulary
};

/// What was written, for the caller to tell.
struct WriteReport {
  std::vector<std::filesystem::path> files;
  std::uint64_t n_bytes = 0;       ///< of tensors
  std::vector<std::string> notes;  ///< deviations from the wanted types, each a sentence
};

/// config.json and safetensors into `directory` (created when missing), MTP blocks as the config
/// has them. `tokenizer_json` is written beside when not empty. Memory: a few MB per thread,
/// whatever the size of the model. Errors: io_error, invalid_argument (the directory's name is
/// taken by a file).
Result<WriteReport> write_safetensors_model(const ModelConfig& config, const WeightSource& source,
                                            const std::filesystem::path& directory,
                                            std::string_view tokenizer_json,
                                            const WriteOptions& options, ThreadPool& pool);

/// The main model as one GGUF file; MTP blocks are left out. Errors: io_error, unsupported (see
/// check_gguf_can_hold), bad_format (an importance matrix of another model).
Result<WriteReport> write_gguf_model(const ModelConfig& config, const WeightSource& source,
                                     const std::filesystem::path& file, const WriteOptions& options,
                                     ThreadPool& pool);

/// MTP block 0 as a GGUF file of its own; `main_file` NAME.gguf gives mtp-NAME.gguf beside it.
Result<WriteReport> write_gguf_mtp(const ModelConfig& config, const WeightSource& source,
                                   const std::filesystem::path& main_file,
                                   const WriteOptions& options, ThreadPool& pool);

}  // namespace hadal
