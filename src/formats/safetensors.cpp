#include "formats/safetensors.h"

#include "base/checked_math.h"
#include "formats/quote.h"
#include "formats/safetensors_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and read in place");

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

struct StoredType {
  std::string_view name;
  std::uint64_t bits;
  std::optional<DType> dtype;
};

constexpr StoredType kStoredTypes[] = {
    {"F32", 32, DType::f32},        {"F16", 16, DType::f16},        {"BF16", 16, DType::bf16},
    {"F8_E4M3", 8, DType::f8_e4m3}, {"F8_E8M0", 8, DType::f8_e8m0}, {"I8", 8, DType::i8},
    {"U8", 8, DType::u8},           {"I32", 32, DType::i32},        {"I64", 64, DType::i64},
    {"BOOL", 8, std::nullopt},      {"F8_E5M2", 8, std::nullopt},   {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},      {"U32", 32, std::nullopt},      {"U64", 64, std::nullopt},
    {"F64", 64, std::nullopt},      {"C64", 64, std::nullopt},
};

const StoredType* find_stored_type(std::string_view name) {
  const auto* type = std::find_if(std::begin(kStoredTypes), std::end(kStoredTypes),
                                  [&](const StoredType& t) { return t.name == name; });
  return type == std::end(kStoredTypes) ? nullptr : type;
}

Error bad(std::string_view source, const SafetensorsHeader::Entry& entry, std::string_view what) {
  return error(ErrorCode::bad_format, "{}: tensor {}: {}", source, quote(entry.name), what);
}

Result<std::string_view> find_header(std::span<const std::byte> image, std::string_view source) {
  if (image.size() < kLengthBytes) {
    return error(ErrorCode::bad_format,
                 "{}: file has {} bytes, expected at least {} for the header length; is it a "
                 "safetensors file?",
                 source, image.size(), kLengthBytes);
  }
  std::uint64_t length = 0;
  std::memcpy(&length, image.data(), kLengthBytes);
  if (length > kMaxSafetensorsHeaderBytes) {
    return error(ErrorCode::bad_format,
                 "{}: header length is {} bytes, expected at most {}; is it a safetensors file?",
                 source, length, kMaxSafetensorsHeaderBytes);
  }
  if (length > image.size() - kLengthBytes) {
    return error(ErrorCode::bad_format,
                 "{}: header needs {} bytes, the file has {}; was the download cut short?", source,
                 length + kLengthBytes, image.size());
  }
  const std::string_view header(reinterpret_cast<const char*>(image.data()) + kLengthBytes, length);
  if (!header.starts_with('{')) {
    return error(ErrorCode::bad_format, "{}: byte {}: the header must begin with '{{'", source,
                 kLengthBytes);
  }
  return header;
}

// The tensor's own promise: range inside the data area and as long as shape and type say.
Result<void> check_entry(const SafetensorsHeader::Entry& entry, std::uint64_t data_bytes,
                         std::string_view source) {
  const auto [begin, end] = entry.data_offsets;
  if (begin > end)
    return bad(source, entry, fmt::format("data_offsets [{}, {}] run backwards", begin, end));
  if (end > data_bytes) {
    return bad(
        source, entry,
        fmt::format(
            "data ends at byte {} of the data area, the file has {}; was the download cut short?",
            end, data_bytes));
  }
  const auto n_elements = checked_product(entry.shape);
  if (!n_elements)
    return bad(source, entry, fmt::format("shape [{}] overflows", fmt::join(entry.shape, ", ")));
  const StoredType* type = find_stored_type(entry.dtype);
  if (type == nullptr) return {};
  const auto n_bits = checked_mul(*n_elements, type->bits);
  if (!n_bits || *n_bits / 8 != end - begin) {
    return bad(source, entry,
               fmt::format("shape [{}] of {} does not fit its {} bytes of data",
                           fmt::join(entry.shape, ", "), entry.dtype, end - begin));
  }
  return {};
}

// All ranges together: the data area is covered exactly once.
Result<void> check_tiling(const std::vector<SafetensorsHeader::Entry>& sorted,
                          std::uint64_t data_bytes, std::string_view source) {
  std::uint64_t covered = 0;
  for (const auto& entry : sorted) {
    const std::uint64_t begin = entry.data_offsets[0];
    if (begin != covered) {
      return bad(source, entry,
                 fmt::format(
                     "data begins at byte {} of the data area, expected {} ({})", begin, covered,
                     begin < covered ? "it overlaps another tensor" : "there is a hole before it"));
    }
    covered = entry.data_offsets[1];
  }
  if (covered != data_bytes) {
    return error(ErrorCode::bad_format, "{}: {} bytes follow the last tensor", source,
                 data_bytes - covered);
  }
  return {};
}

}  // namespace

std::uint64_t SafetensorsTensor::n_elements() const {
  return checked_product(shape).value_or(0);
}

Result<void> require_usable(const SafetensorsTensor& tensor, std::string_view source) {
  if (!tensor.dtype) {
    return error(ErrorCode::unsupported, "{}: tensor {}: element type {} is not supported", source,
                 quote(tensor.name), quote(tensor.dtype_name));
  }
  const std::size_t alignment = info(*tensor.dtype).block_bytes;
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignment != 0) {
    return error(ErrorCode::bad_format,
                 "{}: tensor {}: data is not aligned to {} bytes, as {} needs; save the file again "
                 "with a current safetensors library",
                 source, quote(tensor.name), alignment, tensor.dtype_name);
  }
  return {};
}

Result<SafetensorsView> SafetensorsView::parse(std::span<const std::byte> image,
                                               std::string source) {
  HADAL_ASSIGN(const std::string_view json, find_header(image, source));
  HADAL_ASSIGN(SafetensorsHeader header, parse_safetensors_header(json, source));
  const std::span<const std::byte> data = image.subspan(kLengthBytes + json.size());

  for (const auto& entry : header.entries) HADAL_TRY(check_entry(entry, data.size(), source));
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const auto& a, const auto& b) { return a.data_offsets < b.data_offsets; });
  HADAL_TRY(check_tiling(header.entries, data.size(), source));

  SafetensorsView view;
  view.metadata_ = std::move(header.metadata);
  view.tensors_.reserve(header.entries.size());
  for (auto& entry : header.entries) {
    const auto [begin, end] = entry.data_offsets;
    const StoredType* type = find_stored_type(entry.dtype);
    view.tensors_.push_back({std::move(entry.name), std::move(entry.dtype),
                             type == nullptr ? std::nullopt : type->dtype, std::move(entry.shape),
                             data.subspan(begin, end - begin)});
  }
  for (std::size_t i = 0; i < view.tensors_.size(); ++i) {
    const std::string& name = view.tensors_[i].name;
    if (!view.by_name_.emplace(name, i).second) {
      return error(ErrorCode::bad_format, "{}: tensor {} appears twice", source, quote(name));
    }
  }
  view.source_ = std::move(source);
  return view;
}

const SafetensorsTensor* SafetensorsView::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  HADAL_ASSIGN(MappedFile file, MappedFile::open(path));
  HADAL_ASSIGN(SafetensorsView view, SafetensorsView::parse(file.bytes(), path.string()));
  return SafetensorsFile(std::move(file), std::move(view));
}

}  // namespace hadal
