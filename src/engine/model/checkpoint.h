// A model on disk, whatever its container, seen under the original DeepSeek tensor names
// (deepseek-v4.md 8.2).
#pragma once

#include "engine/kernels/matrix_view.h"
#include "engine/model/config.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// One tensor under its canonical name. 1-D tensors have rows = 1; tid2eid is rows = vocab, cols =
/// k of i32 or i64.
struct CheckpointTensor {
  std::string name;                  ///< e.g. "layers.3.ffn.experts.0.w1.weight"
  MatrixView view;                   ///< last dimension = cols, all others folded into rows
  std::vector<std::uint64_t> shape;  ///< logical shape in elements, as section 8.2 writes it
};

/// Opens `path`: a directory (config.json + safetensors, single or sharded), a .gguf file (split
/// files are joined, `mtp-NAME.gguf` beside it is found), a Hub id present in the local Hugging
/// Face cache, or "builtin". Owns the mappings; views stay valid as long as the Checkpoint lives.
/// Immutable after open; threads may share it.
class Checkpoint {
 public:
  static Result<Checkpoint> open(const std::string& model);
  /// From bytes in memory (the built-in model): a whole safetensors image plus config and tokenizer
  /// texts.
  static Result<Checkpoint> from_memory(std::span<const std::byte> safetensors,
                                        std::string_view config_json,
                                        std::string_view tokenizer_json, std::string name);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::string& name() const;
  const ModelConfig& config() const;
  /// nullptr when absent.
  const CheckpointTensor* find(std::string_view canonical_name) const;
  /// In canonical order.
  std::span<const CheckpointTensor> tensors() const;
  /// The text of tokenizer.json, or nothing when the container carries the vocabulary in GGUF
  /// metadata.
  const std::optional<std::string>& tokenizer_json() const;
  /// Where the tensors are mapped from; none for a model in memory.
  std::vector<std::filesystem::path> files() const;
  /// The GGUF file that carries the vocabulary, when there is one.
  const class GgufFile* gguf() const;

  struct Impl;  ///< checkpoint_parts.h

 private:
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The model embedded in the program (models/builtin at build time). Errors: not_found when the
/// build has none.
Result<Checkpoint> open_builtin_checkpoint();

/// One entry of the list of tensors that a config demands (section 8.2), with logical shape.
struct TensorSpec {
  std::string name;
  std::vector<std::uint64_t> shape;
  /// Storage class in the published files; decides what `native` and `bf16` write.
  enum class Kind : std::uint8_t { f32, bf16, fp8, fp4, token_table } kind;
};

/// All tensors of a model of this shape in canonical order, world model and MTP blocks included
/// when the config has them.
std::vector<TensorSpec> expected_tensors(const ModelConfig& config);

/// Those of MTP block `block` alone ("mtp.<block>.*").
std::vector<TensorSpec> mtp_tensors(const ModelConfig& config, std::size_t block);

}  // namespace hadal
