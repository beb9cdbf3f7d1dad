#include "formats/safetensors_writer.h"

#include "base/checked_math.h"
#include "formats/atomic_file.h"
#include "formats/quote.h"
#include "formats/safetensors.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

namespace hadal {
namespace {

constexpr std::size_t kHeaderAlignment = 8;

bool has_safetensors_name(DType dtype) {
  return info(dtype).block_elements == 1;  // blocks have no name in the format
}

// nothing for text that is not UTF-8
std::optional<std::string> json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string shard_name(std::size_t shard, std::size_t n_shards) {
  return n_shards == 1 ? std::string(kSafetensorsFile)
                       : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, n_shards);
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(SafetensorsWriterOptions options)
    : options_(std::move(options)) {}

Result<void> SafetensorsWriter::declare(std::string name, DType dtype,
                                        std::vector<std::uint64_t> shape) {
  const auto refuse = [&](std::string_view why) {
    return error(ErrorCode::invalid_argument, "tensor {}: {}", quote(name), why);
  };
  if (name.empty() || name == "__metadata__" || !json_string(name))
    return refuse("not a name that safetensors can store");
  if (!has_safetensors_name(dtype))
    return refuse(fmt::format("safetensors cannot store {}", info(dtype).name));
  const auto n_elements = checked_product(shape);
  const auto n_bytes =
      n_elements ? checked_mul(*n_elements, info(dtype).block_bytes) : std::nullopt;
  if (!n_bytes) return refuse("its size overflows");
  if (!names_.insert(name).second) return refuse("declared twice");
  declarations_.push_back({std::move(name), dtype, std::move(shape), *n_bytes});
  return {};
}

std::vector<SafetensorsWriter::Shard> SafetensorsWriter::plan_shards() const {
  std::vector<Shard> shards(1);
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < declarations_.size(); ++i) {
    const std::uint64_t n_bytes = declarations_[i].n_bytes;
    const bool fits =
        used <= options_.max_shard_bytes && n_bytes <= options_.max_shard_bytes - used;
    if (!fits && !shards.back().empty()) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(i);
    used += n_bytes;
  }
  for (Shard& shard : shards) shard = in_file_order(std::move(shard));
  return shards;
}

// Wider types first: then each tensor begins at a multiple of its element size without any padding.
SafetensorsWriter::Shard SafetensorsWriter::in_file_order(Shard shard) const {
  std::stable_sort(shard.begin(), shard.end(), [&](std::size_t a, std::size_t b) {
    return info(declarations_[a].dtype).block_bytes > info(declarations_[b].dtype).block_bytes;
  });
  return shard;
}

// The 8-byte length and the JSON text, padded with spaces so that the data area begins aligned.
std::string SafetensorsWriter::header(const Shard& shard) const {
  std::string json = "{";
  if (!options_.metadata.empty()) {
    const nlohmann::json metadata = options_.metadata;
    json += fmt::format("\"__metadata__\":{},",
                        metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  std::uint64_t offset = 0;
  for (const std::size_t i : shard) {
    const Declaration& d = declarations_[i];
    json += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},",
                        *json_string(d.name), info(d.dtype).name, fmt::join(d.shape, ","), offset,
                        offset + d.n_bytes);
    offset += d.n_bytes;
  }
  if (json.back() == ',') json.pop_back();
  json += '}';
  json.resize(ceil_div(json.size(), kHeaderAlignment) * kHeaderAlignment, ' ');
  const std::uint64_t length = json.size();
  std::string header(sizeof(length), '\0');
  std::memcpy(header.data(), &length, sizeof(length));
  return header + json;
}

Result<void> SafetensorsWriter::write_shard(const Shard& shard, const TensorSource& source,
                                            TensorSink& out) const {
  HADAL_TRY(write_text(out, header(shard)));
  for (const std::size_t i : shard) {
    HADAL_TRY(write_tensor(source, i, declarations_[i].name, declarations_[i].n_bytes, out));
  }
  return {};
}

Result<void> SafetensorsWriter::write_index(const std::filesystem::path& directory,
                                            const std::vector<Shard>& shards) const {
  nlohmann::json index;
  std::uint64_t total = 0;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    for (const std::size_t i : shards[s]) {
      index["weight_map"][declarations_[i].name] = shard_name(s, shards.size());
      total += declarations_[i].n_bytes;
    }
  }
  index["metadata"]["total_size"] = total;
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(directory / kSafetensorsIndex));
  HADAL_TRY(write_text(file, index.dump(2) + "\n"));
  return file.commit();
}

Result<std::vector<std::filesystem::path>> SafetensorsWriter::write(
    const std::filesystem::path& directory, const TensorSource& source) const {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure)
    return error(ErrorCode::io_error, "{}: cannot create the directory: {}", directory.string(),
                 failure.message());
  const std::vector<Shard> shards = plan_shards();
  if (shards.size() == 1 && std::filesystem::exists(directory / kSafetensorsIndex, failure)) {
    return error(ErrorCode::invalid_argument,
                 "{}: belongs to another model and would hide {}; choose an empty directory",
                 (directory / kSafetensorsIndex).string(), kSafetensorsFile);
  }
  std::vector<std::filesystem::path> written;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const std::filesystem::path path = directory / shard_name(s, shards.size());
    HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
    HADAL_TRY(write_shard(shards[s], source, file));
    HADAL_TRY(file.commit());
    written.push_back(path);
  }
  if (shards.size() > 1) {
    HADAL_TRY(write_index(directory, shards));
    written.push_back(directory / kSafetensorsIndex);
  }
  return written;
}

Result<std::vector<std::byte>> SafetensorsWriter::write_to_memory(
    const TensorSource& source) const {
  Shard all(declarations_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  MemorySink sink;
  HADAL_TRY(write_shard(in_file_order(std::move(all)), source, sink));
  return sink.take();
}

}  // namespace hadal
