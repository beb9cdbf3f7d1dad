// Safetensors models: original or Hugging Face names, experts one by one or stacked (deepseek-v4.md
// 8).
#include "base/checked_math.h"
#include "engine/model/checkpoint_parts.h"
#include "engine/model/tensor_names.h"
#include "formats/quote.h"

#include <cstring>

namespace hadal {
namespace {

/// The stacked tensor that holds an expert's weight: w1 and w3 are the halves of gate_up_proj.
struct StackedPlace {
  std::string tensor;  // "layers.3.ffn.experts.gate_up_proj"
  std::size_t expert;
  bool is_upper_half;  // rows f..2f-1
  bool is_half;
};

/// For "PREFIX.ffn.experts.X.wN.weight".
std::optional<StackedPlace> stacked_place(std::string_view canonical) {
  constexpr std::string_view kExperts = ".ffn.experts.";
  const std::size_t at = canonical.find(kExperts);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = canonical.substr(at + kExperts.size());
  const std::size_t dot = rest.find('.');
  const std::string_view matrix = rest.substr(dot + 1, 2);
  return StackedPlace{.tensor = fmt::format("{}{}", canonical.substr(0, at + kExperts.size()),
                                            matrix == "w2" ? "down_proj" : "gate_up_proj"),
                      .expert = std::stoul(std::string(rest.substr(0, dot))),
                      .is_upper_half = matrix == "w3",
                      .is_half = matrix != "w2"};
}

class SafetensorsStore final : public TensorStore {
 public:
  SafetensorsStore(std::string source, std::vector<std::unique_ptr<std::byte[]>>& copies)
      : source_(std::move(source)), copies_(copies) {}

  Result<void> add(const SafetensorsView& view) {
    for (const SafetensorsTensor& tensor : view.tensors()) {
      StoredTensor stored{.file = view.source(),
                          .name = tensor.name,
                          .type_name = tensor.dtype_name,
                          .dtype = tensor.dtype,
                          .shape = tensor.shape,
                          .data = aligned(tensor)};
      const auto [it, is_new] =
          by_canonical_.emplace(canonical_name(tensor.name), std::move(stored));
      if (!is_new)
        return error(ErrorCode::bad_format,
                     "{}: tensors {} and {} are two spellings of one name; expected one of them",
                     view.source(), quote(it->second.name), quote(tensor.name));
    }
    return {};
  }

  Result<std::optional<CheckpointTensor>> load(const TensorSpec& spec) const override {
    if (const StoredTensor* weight = find(spec.name)) {
      const std::string_view module = std::string_view(spec.name).substr(0, spec.name.rfind('.'));
      HADAL_ASSIGN(auto tensor, assemble(spec, *weight, find(fmt::format("{}.scale", module))));
      return std::optional(std::move(tensor));
    }
    if (const auto place = stacked_place(spec.name)) return load_from_stack(spec, *place);
    return std::optional<CheckpointTensor>();
  }

  std::string_view source() const override { return source_; }

  std::size_t n_mtp_blocks() const override {
    if (find("mtp.0.main_proj.weight") != nullptr) return 0;  // a DSpark drafter, not an MTP block
    std::size_t n = 0;
    while (n < 16 && find(fmt::format("mtp.{}.e_proj.weight", n)) != nullptr) ++n;
    return n;
  }

 private:
  const StoredTensor* find(std::string_view canonical) const {
    const auto it = by_canonical_.find(std::string(canonical));
    return it == by_canonical_.end() ? nullptr : &it->second;
  }

  /// The bytes of the tensor, copied when the file stores them at an address that the type does not
  /// allow.
  std::span<const std::byte> aligned(const SafetensorsTensor& tensor) {
    if (!tensor.dtype || tensor.data.empty()) return tensor.data;
    const std::size_t alignment = bytes_of(*tensor.dtype, 1);
    if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignment == 0) return tensor.data;
    auto copy = std::make_unique<std::byte[]>(tensor.data.size());
    std::memcpy(copy.get(), tensor.data.data(), tensor.data.size());
    copies_.push_back(std::move(copy));
    return {copies_.back().get(), tensor.data.size()};
  }

  Result<std::optional<CheckpointTensor>> load_from_stack(const TensorSpec& spec,
                                                          const StackedPlace& place) const {
    const StoredTensor* stack = find(place.tensor);
    if (stack == nullptr) return std::optional<CheckpointTensor>();
    const StoredTensor* scales = find(place.tensor + ".scale");
    for (const StoredTensor* tensor : {stack, scales})
      if (tensor != nullptr && (tensor->shape.size() != 3 || place.expert >= tensor->shape[0]))
        return error(
            ErrorCode::bad_format,
            "{}: tensor {}: expected a stack of experts that holds expert {}, found shape [{}]",
            tensor->file, quote(tensor->name), place.expert, fmt::join(tensor->shape, ", "));
    TensorSpec whole = spec;  // of this expert: both halves
    if (place.is_half) whole.shape[0] *= 2;
    const StoredTensor weight = slice_slowest(*stack, place.expert);
    std::optional<StoredTensor> scale;
    if (scales != nullptr) scale = slice_slowest(*scales, place.expert);
    HADAL_ASSIGN(auto tensor, assemble(whole, weight, scale ? &*scale : nullptr));
    if (place.is_half)
      HADAL_TRY(
          narrow_rows(tensor, place.is_upper_half ? spec.shape[0] : 0, spec.shape[0], weight));
    return std::optional(std::move(tensor));
  }

  std::string source_;
  std::vector<std::unique_ptr<std::byte[]>>& copies_;
  std::unordered_map<std::string, StoredTensor> by_canonical_;
};

}  // namespace

Result<void> open_safetensors(Checkpoint::Impl& impl, const std::filesystem::path& directory) {
  HADAL_ASSIGN(impl.directory, SafetensorsDirectory::open(directory));
  SafetensorsStore store(directory.string(), impl.aligned_copies);
  for (const SafetensorsFile& file : impl.directory->files()) HADAL_TRY(store.add(file.view()));
  return impl.load_tensors(store);
}

Result<void> open_safetensors_image(Checkpoint::Impl& impl, std::span<const std::byte> image) {
  HADAL_ASSIGN(impl.image, SafetensorsView::parse(image, impl.name));
  SafetensorsStore store(impl.name, impl.aligned_copies);
  HADAL_TRY(store.add(*impl.image));
  return impl.load_tensors(store);
}

}  // namespace hadal
