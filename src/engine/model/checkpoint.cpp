#include "engine/model/checkpoint.h"

#include "engine/model/checkpoint_parts.h"
#include "formats/hub_cache.h"

#include <array>
#include <fstream>

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxTextBytes = 64 * 1024 * 1024;  // of config.json and tokenizer.json

Result<std::string> read_text(const fs::path& path) {
  HADAL_ASSIGN(const MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > kMaxTextBytes)
    return error(ErrorCode::bad_format, "{}: expected at most {} bytes, found {}", path.string(),
                 kMaxTextBytes, file.bytes().size());
  return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
}

Result<void> open_directory(Checkpoint::Impl& impl, const fs::path& directory) {
  const fs::path config = directory / "config.json";
  std::error_code ignored;
  if (!fs::exists(config, ignored))
    return error(ErrorCode::not_found,
                 "{}: expected a model directory with config.json and *.safetensors, found no "
                 "config.json; give the "
                 "directory of a checkpoint or a .gguf file",
                 directory.string());
  HADAL_ASSIGN(const std::string config_text, read_text(config));
  HADAL_ASSIGN(impl.config, parse_config(config_text, config.string()));
  if (const fs::path tokenizer = directory / "tokenizer.json"; fs::exists(tokenizer, ignored)) {
    HADAL_ASSIGN(impl.tokenizer_json, read_text(tokenizer));
  }
  return open_safetensors(impl, directory);
}

bool starts_like_gguf(const fs::path& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

Error no_such_model(const std::string& model) {
  return error(ErrorCode::not_found,
               "{}: expected a model directory, a .gguf file, the id of a model in the local "
               "Hugging Face cache "
               "(ORG/NAME) or 'builtin'; found no such file or directory",
               model);
}

Result<void> open_any(Checkpoint::Impl& impl, const std::string& model) {
  const fs::path path = model;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_directory(impl, path);
  if (fs::exists(path, ignored)) {
    if (path.extension() == ".gguf" || starts_like_gguf(path)) return open_gguf(impl, path);
    return error(ErrorCode::unsupported,
                 "{}: expected a directory or a .gguf file; for safetensors give the directory "
                 "that holds them",
                 model);
  }
  if (!looks_like_hub_id(model)) return no_such_model(model);
  HADAL_ASSIGN(const fs::path snapshot, find_in_hub_cache(model, hub_cache_root()));
  return open_directory(impl, snapshot);
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::string& model) {
  if (model == "builtin") return open_builtin_checkpoint();
  auto impl = std::make_unique<Impl>();
  impl->name = model;
  HADAL_TRY(open_any(*impl, model));
  return Checkpoint(std::move(impl));
}

Result<Checkpoint> Checkpoint::from_memory(std::span<const std::byte> safetensors,
                                           std::string_view config_json,
                                           std::string_view tokenizer_json, std::string name) {
  auto impl = std::make_unique<Impl>();
  HADAL_ASSIGN(impl->config, parse_config(config_json, name + "/config.json"));
  impl->name = std::move(name);
  if (!tokenizer_json.empty()) impl->tokenizer_json = std::string(tokenizer_json);
  HADAL_TRY(open_safetensors_image(*impl, safetensors));
  return Checkpoint(std::move(impl));
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const std::string& Checkpoint::name() const {
  return impl_->name;
}
const ModelConfig& Checkpoint::config() const {
  return impl_->config;
}
std::span<const CheckpointTensor> Checkpoint::tensors() const {
  return impl_->tensors;
}
const std::optional<std::string>& Checkpoint::tokenizer_json() const {
  return impl_->tokenizer_json;
}
std::vector<std::filesystem::path> Checkpoint::files() const {
  std::vector<std::filesystem::path> files;
  if (impl_->directory)
    for (const SafetensorsFile& file : impl_->directory->files()) files.push_back(file.path());
  for (const GgufFile* gguf : {impl_->gguf.get(), impl_->gguf_mtp.get()}) {
    if (gguf == nullptr) continue;
    for (const MappedFile& file : gguf->files()) files.push_back(file.path());
  }
  return files;
}
const GgufFile* Checkpoint::gguf() const {
  return impl_->gguf.get();
}

const CheckpointTensor* Checkpoint::find(std::string_view canonical_name) const {
  const auto it = impl_->by_name.find(canonical_name);
  return it == impl_->by_name.end() ? nullptr : &impl_->tensors[it->second];
}

}  // namespace hadal
