// Models in memory whose names, types and values a test can change before they are opened.
#pragma once

#include "base/temporary_directory_for_test.h"
#include "engine/model/checkpoint.h"
#include "engine/model/weight_encoding.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace hadal {

struct StoredData {
  DType dtype;
  std::vector<std::uint64_t> shape;  ///< in stored elements, slowest first
  std::vector<std::byte> bytes;
};
using StoredModel = std::map<std::string, StoredData>;

/// Three layers (sliding + hash, CSA, HCA with rate 8), one MTP block; sizes off the multiples of
/// 128.
ModelConfig tiny_config();

/// The generator's values, all F32, tid2eid I64, original names.
StoredModel synthetic_model(const ModelConfig& config);

/// Values of a tensor as floats.
std::vector<float> values_of(const CheckpointTensor& tensor);
std::vector<float> values_of(const StoredData& f32);
StoredData f32_data(std::vector<std::uint64_t> shape, const std::vector<float>& values);
StoredData i64_data(std::vector<std::uint64_t> shape, const std::vector<std::int64_t>& values);

/// Re-encodes an F32 matrix; FP8 and FP4 add "<module>.scale".
void store_as(StoredModel& model, const std::string& name, Encoding encoding);
void rename(StoredModel& model, const std::string& from, const std::string& to);

/// A model opened from memory together with its bytes.
struct OpenModel {
  std::vector<std::byte> image;
  Result<Checkpoint> checkpoint;
};
OpenModel open_model(const StoredModel& model, const ModelConfig& config);
std::vector<std::byte> safetensors_image(const StoredModel& model);

/// Every tensor has the same name and exactly the same values in both.
void expect_equal_values(const Checkpoint& actual, const Checkpoint& expected);
/// `part` is in `text`.
void expect_contains(const std::string& text, std::string_view part);

}  // namespace hadal
