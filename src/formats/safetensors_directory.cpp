#include "formats/json_limits.h"
#include "formats/quote.h"
#include "formats/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <system_error>

namespace hadal {
namespace {

constexpr std::string_view kExtension = ".safetensors";

using WeightMap = std::map<std::string, std::string>;  // tensor name -> shard file name

// A shard name is data from the net: it must not lead out of the directory.
bool is_plain_file_name(std::string_view name) {
  return name.size() > kExtension.size() && name.ends_with(kExtension) && name.front() != '.' &&
         std::none_of(name.begin(), name.end(), [](char c) {
           return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
         });
}

Result<WeightMap> read_index(const std::filesystem::path& path) {
  HADAL_ASSIGN(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  HADAL_ASSIGN(const nlohmann::json index, parse_json(text, path.string()));
  const auto weight_map = index.find("weight_map");  // end() when index is not an object
  if (weight_map == index.end() || !weight_map->is_object() || weight_map->empty()) {
    return error(ErrorCode::bad_format,
                 "{}: key 'weight_map': expected an object that names shards", path.string());
  }
  WeightMap shards;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>())) {
      return error(
          ErrorCode::bad_format,
          "{}: weight_map key {}: expected the name of a {} file in this directory, found {}",
          path.string(), quote(tensor), kExtension,
          quote(shard.is_string() ? shard.get_ref<const std::string&>()
                                  : std::string(shard.type_name())));
    }
    shards.emplace(tensor, shard.get<std::string>());
  }
  return shards;
}

Result<std::vector<std::filesystem::path>> list_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(directory, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (entry->path().extension() == kExtension) files.push_back(entry->path());
  }
  if (failure)
    return error(ErrorCode::io_error, "{}: cannot list: {}", directory.string(), failure.message());
  if (files.empty()) {
    return error(ErrorCode::not_found, "{}: holds no {} file; expected {}, or shards with {}",
                 directory.string(), kExtension, kSafetensorsFile, kSafetensorsIndex);
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool file_exists(const std::filesystem::path& path) {
  std::error_code ignored;  // cannot be looked at: opening it will say why
  return std::filesystem::exists(path, ignored);
}

}  // namespace

Result<SafetensorsDirectory> SafetensorsDirectory::open(const std::filesystem::path& directory) {
  std::error_code failure;
  if (!std::filesystem::is_directory(directory, failure)) {
    return error(ErrorCode::not_found, "{}: not a directory", directory.string());
  }
  SafetensorsDirectory result;
  if (file_exists(directory / kSafetensorsIndex)) {
    HADAL_TRY(result.add_indexed(directory));
  } else if (file_exists(directory / kSafetensorsFile)) {
    HADAL_TRY(result.add(directory / kSafetensorsFile));
  } else {
    HADAL_ASSIGN(const auto files, list_files(directory));
    for (const auto& file : files) HADAL_TRY(result.add(file));
  }
  return result;
}

Result<void> SafetensorsDirectory::add_indexed(const std::filesystem::path& directory) {
  const std::filesystem::path index_path = directory / kSafetensorsIndex;
  HADAL_ASSIGN(const WeightMap weight_map, read_index(index_path));
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  for (const std::string& shard : shards) {
    if (!file_exists(directory / shard)) {
      return error(ErrorCode::not_found,
                   "{}: shard {} is missing; download the model again or remove the index",
                   index_path.string(), quote(shard));
    }
    HADAL_TRY(add(directory / shard));
  }
  std::unordered_map<std::string, const SafetensorsView*> view_of;
  for (const SafetensorsFile& file : files_)
    view_of.emplace(file.path().filename().string(), &file.view());
  for (const auto& [tensor, shard] : weight_map) {
    if (view_of.at(shard)->find(tensor) == nullptr) {
      return error(ErrorCode::bad_format,
                   "{}: tensor {} should be in shard {}, which does not hold it",
                   index_path.string(), quote(tensor), quote(shard));
    }
  }
  return {};
}

Result<void> SafetensorsDirectory::add(const std::filesystem::path& path) {
  HADAL_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path));
  files_.push_back(std::move(file));
  for (const SafetensorsTensor& tensor : files_.back().view().tensors()) {
    if (!by_name_.emplace(tensor.name, &tensor).second) {
      return error(ErrorCode::bad_format,
                   "{}: tensor {} is already in another file of this directory", path.string(),
                   quote(tensor.name));
    }
    n_bytes_ += tensor.data.size();
  }
  return {};
}

const SafetensorsTensor* SafetensorsDirectory::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace hadal
