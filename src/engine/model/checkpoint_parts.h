// How tensors of any container become tensors of a Checkpoint. Internal to checkpoint*.cpp.
#pragma once

#include "engine/model/checkpoint.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hadal {

/// A tensor as its container holds it. Views the container.
struct StoredTensor {
  std::string_view file;
  std::string_view name;
  std::string_view type_name;
  std::optional<DType> dtype;        ///< fp4 weights of safetensors are i8 with half the columns
  std::vector<std::uint64_t> shape;  ///< row-major, slowest first
  std::span<const std::byte> data;
};

/// Index `i` of the slowest dimension. Precondition: rank >= 2, i < shape[0].
StoredTensor slice_slowest(const StoredTensor& tensor, std::size_t i);

/// Checks types and shapes of `weight` (and `scale`, nullptr when absent) against `spec` and builds
/// the view. Errors name file, tensor, expected and found.
Result<CheckpointTensor> assemble(const TensorSpec& spec, const StoredTensor& weight,
                                  const StoredTensor* scale);

/// Rows [begin, begin + count) of `tensor`. Errors: unsupported, when a 128-row scale block would
/// be cut.
Result<void> narrow_rows(CheckpointTensor& tensor, std::size_t begin, std::size_t count,
                         const StoredTensor& where);
/// Columns [begin, begin + count) of `tensor`. Errors: unsupported, when a block would be cut.
Result<void> narrow_columns(CheckpointTensor& tensor, std::size_t begin, std::size_t count,
                            const StoredTensor& where);

/// Every expert id of a tid2eid table must exist. Errors: bad_format.
Result<void> check_token_table(const CheckpointTensor& table, std::size_t n_experts,
                               std::string_view file);

/// Where the tensors of one model come from: finds and checks one at a time.
class TensorStore {
 public:
  virtual ~TensorStore() = default;
  /// Nothing when the container lacks the tensor; an error when it is there and wrong.
  virtual Result<std::optional<CheckpointTensor>> load(const TensorSpec& spec) const = 0;
  /// Name of the model's files in messages.
  virtual std::string_view source() const = 0;
  /// MTP blocks that the names promise; the loader checks that they are complete.
  virtual std::size_t n_mtp_blocks() const = 0;
};

struct Checkpoint::Impl {
  std::string name;
  ModelConfig config;
  std::optional<std::string> tokenizer_json;
  std::vector<CheckpointTensor> tensors;
  std::unordered_map<std::string_view, std::size_t> by_name;  // keys view tensors[i].name

  std::optional<SafetensorsDirectory> directory;
  std::optional<SafetensorsView> image;
  std::unique_ptr<GgufFile> gguf;
  std::unique_ptr<GgufFile> gguf_mtp;
  std::vector<std::unique_ptr<std::byte[]>>
      aligned_copies;  // of tensors that a file stores misaligned

  /// Fills `tensors` from `store` as `config` demands, and sets num_nextn_predict_layers to what is
  /// really there. Errors: not_found (missing tensors, the first few named), or what the store
  /// says.
  Result<void> load_tensors(const TensorStore& store);

 private:
  Result<void> load_mtp_block(const TensorStore& store, std::size_t block);
};

/// The parts of Checkpoint::open. `directory` holds config.json and safetensors.
Result<void> open_safetensors(Checkpoint::Impl& impl, const std::filesystem::path& directory);
Result<void> open_safetensors_image(Checkpoint::Impl& impl, std::span<const std::byte> image);
Result<void> open_gguf(Checkpoint::Impl& impl, const std::filesystem::path& file);

}  // namespace hadal
