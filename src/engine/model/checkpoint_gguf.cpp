// GGUF models of architecture deepseek4, with an MTP block inside or in mtp-NAME.gguf beside
// (deepseek-v4.md 9).
#include "engine/model/checkpoint_parts.h"
#include "engine/model/config_gguf.h"
#include "engine/model/tensor_names.h"
#include "formats/quote.h"

#include <algorithm>
#include <charconv>

namespace hadal {
namespace {

/// "blk.43.nextn.hnorm.weight" -> 43; where a file keeps its MTP block.
std::optional<std::size_t> find_mtp_block(const GgufFile& file) {
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (!name.starts_with("blk.") || name.find(".nextn.") == std::string_view::npos) continue;
    std::size_t block = 0;
    if (std::from_chars(name.data() + 4, name.data() + name.size(), block).ec == std::errc{})
      return block;
  }
  return std::nullopt;
}

StoredTensor stored(const GgufFile& file, const GgufTensor& tensor) {
  return StoredTensor{.file = file.source(),
                      .name = tensor.name,
                      .type_name = tensor.type_name,
                      .dtype = tensor.dtype,
                      .shape = {tensor.dims.rbegin(), tensor.dims.rend()},
                      .data = tensor.data};
}

class GgufStore final : public TensorStore {
 public:
  /// `mtp_file` holds the MTP block: nullptr when there is none, may be `file` itself.
  GgufStore(const GgufFile& file, const GgufFile* mtp_file)
      : file_(file),
        mtp_file_(mtp_file),
        mtp_block_(mtp_file == nullptr ? 0 : find_mtp_block(*mtp_file).value_or(0)) {}

  Result<std::optional<CheckpointTensor>> load(const TensorSpec& spec) const override {
    if (spec.name.starts_with("mtp.")) return load_mtp(spec);
    const auto place = gguf_place(spec.name, 0);
    return place ? load_at(spec, file_, *place) : std::optional<CheckpointTensor>();
  }

  std::string_view source() const override { return file_.source(); }
  std::size_t n_mtp_blocks() const override { return mtp_file_ == nullptr ? 0 : 1; }

 private:
  static Result<std::optional<CheckpointTensor>> load_at(const TensorSpec& spec,
                                                         const GgufFile& file,
                                                         const GgufPlace& place) {
    const GgufTensor* tensor = file.find_tensor(place.name);
    if (tensor == nullptr) return std::optional<CheckpointTensor>();
    HADAL_TRY(require_usable(*tensor, file.source()));
    StoredTensor weight = stored(file, *tensor);
    if (place.expert) {
      if (weight.shape.size() == 2)
        weight.shape.insert(weight.shape.begin(), 1);  // writers drop a last dimension of 1
      if (weight.shape.size() != 3 || *place.expert >= weight.shape[0])
        return error(
            ErrorCode::bad_format,
            "{}: tensor {}: expected a stack of experts that holds expert {}, found dims [{}]",
            file.source(), quote(place.name), *place.expert, fmt::join(tensor->dims, ", "));
      weight = slice_slowest(weight, *place.expert);
    }
    HADAL_ASSIGN(auto loaded, assemble(spec, weight, nullptr));
    return std::optional(std::move(loaded));
  }

  /// llama.cpp's names (blk.L.*), or those of ds4 files (mtp.0.*).
  Result<std::optional<CheckpointTensor>> load_mtp(const TensorSpec& spec) const {
    const std::string_view leaf =
        std::string_view(spec.name).substr(std::string_view("mtp.0.").size());
    if (leaf == "e_proj.weight" || leaf == "h_proj.weight") {
      HADAL_ASSIGN(auto half, load_half_of_eh_proj(spec, leaf.front() == 'h'));
      if (half) return half;
      const GgufPlace separate{fmt::format("blk.{}.nextn.{}", mtp_block_, leaf), {}};
      HADAL_ASSIGN(auto tensor, load_at(spec, *mtp_file_, separate));
      if (tensor) return tensor;
    }
    // In the main file output_hc_* are those of the main model.
    const bool is_main_head = mtp_file_ == &file_ && leaf.starts_with("hc_head_");
    if (const auto place = gguf_place(spec.name, mtp_block_); place && !is_main_head) {
      HADAL_ASSIGN(auto tensor, load_at(spec, *mtp_file_, *place));
      if (tensor) return tensor;
    }
    return load_at(spec, *mtp_file_, {spec.name, {}});
  }

  /// nextn.eh_proj [d, 2d] = [e_proj ; h_proj] as columns.
  Result<std::optional<CheckpointTensor>> load_half_of_eh_proj(const TensorSpec& spec,
                                                               bool is_second) const {
    const GgufPlace place{fmt::format("blk.{}.nextn.eh_proj.weight", mtp_block_), {}};
    TensorSpec whole = spec;
    whole.shape[1] *= 2;
    HADAL_ASSIGN(auto tensor, load_at(whole, *mtp_file_, place));
    if (!tensor) return std::optional<CheckpointTensor>();
    const std::size_t cols = spec.shape[1];
    const StoredTensor where = stored(*mtp_file_, *mtp_file_->find_tensor(place.name));
    HADAL_TRY(narrow_columns(*tensor, is_second ? cols : 0, cols, where));
    return tensor;
  }

  const GgufFile& file_;
  const GgufFile* mtp_file_;
  std::size_t mtp_block_;
};

/// NAME.gguf or NAME-00001-of-00005.gguf -> mtp-NAME.gguf in the same directory.
std::filesystem::path mtp_path(const std::filesystem::path& file) {
  std::string stem = file.stem().string();
  constexpr std::size_t kSplitSuffix = std::string_view("-00001-of-00005").size();
  if (stem.size() > kSplitSuffix && stem.substr(stem.size() - 9, 4) == "-of-")
    stem.resize(stem.size() - kSplitSuffix);
  return file.parent_path() / fmt::format("mtp-{}.gguf", stem);
}

/// The draft file beside the model. A file of that name that cannot be read is an error, not a
/// reason to go without.
Result<void> open_mtp_file(Checkpoint::Impl& impl, const std::filesystem::path& file) {
  const std::filesystem::path path = mtp_path(file);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  HADAL_ASSIGN(GgufFile mtp, GgufFile::open(path));
  impl.gguf_mtp = std::make_unique<GgufFile>(std::move(mtp));
  return {};
}

bool has_mtp_inside(const GgufFile& file) {
  return find_mtp_block(file).has_value() || file.find_tensor("mtp.0.e_proj.weight") != nullptr;
}

}  // namespace

Result<void> open_gguf(Checkpoint::Impl& impl, const std::filesystem::path& file) {
  HADAL_ASSIGN(GgufFile opened, GgufFile::open(file));
  impl.gguf = std::make_unique<GgufFile>(std::move(opened));
  HADAL_ASSIGN(impl.config, config_from_gguf(*impl.gguf));
  HADAL_TRY(open_mtp_file(impl, file));
  const GgufFile* mtp = impl.gguf_mtp != nullptr && has_mtp_inside(*impl.gguf_mtp)
                            ? impl.gguf_mtp.get()
                        : has_mtp_inside(*impl.gguf) ? impl.gguf.get()
                                                     : nullptr;
  return impl.load_tensors(GgufStore(*impl.gguf, mtp));
}

}  // namespace hadal
