#include "formats/gguf_writer.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "formats/atomic_file.h"
#include "formats/ggml_types.h"
#include "formats/gguf.h"
#include "formats/quote.h"

#include <bit>
#include <optional>
#include <type_traits>
#include <utility>

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are written as they lie in memory");

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kAlignment = 32;

std::uint64_t aligned(std::uint64_t offset) {
  return ceil_div(offset, kAlignment) * kAlignment;
}

template <typename T>
void append(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append(std::string& out, std::string_view text) {
  append(out, std::uint64_t{text.size()});
  out.append(text);
}

constexpr std::uint32_t id(GgufType type) {
  return static_cast<std::uint32_t>(type);
}

}  // namespace

void GgufWriter::begin_value(std::string_view key, std::uint32_t type) {
  HADAL_CHECK(!key.empty() && keys_.insert(std::string(key)).second,
              "a metadata key is non-empty and added once");
  append(metadata_, key);
  append(metadata_, type);
  ++n_values_;
}

void GgufWriter::begin_array(std::string_view key, std::uint32_t element_type, std::size_t count) {
  begin_value(key, id(GgufType::array));
  append(metadata_, element_type);
  append(metadata_, std::uint64_t{count});
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  begin_value(key, id(GgufType::boolean));
  append(metadata_, static_cast<std::uint8_t>(value));
}

void GgufWriter::add_u32(std::string_view key, std::uint32_t value) {
  begin_value(key, id(GgufType::u32));
  append(metadata_, value);
}

void GgufWriter::add_i32(std::string_view key, std::int32_t value) {
  begin_value(key, id(GgufType::i32));
  append(metadata_, value);
}

void GgufWriter::add_u64(std::string_view key, std::uint64_t value) {
  begin_value(key, id(GgufType::u64));
  append(metadata_, value);
}

void GgufWriter::add_f32(std::string_view key, float value) {
  begin_value(key, id(GgufType::f32));
  append(metadata_, value);
}

void GgufWriter::add_f64(std::string_view key, double value) {
  begin_value(key, id(GgufType::f64));
  append(metadata_, value);
}

void GgufWriter::add_string(std::string_view key, std::string_view value) {
  begin_value(key, id(GgufType::string));
  append(metadata_, value);
}

void GgufWriter::add_bool_array(std::string_view key, const std::vector<bool>& values) {
  begin_array(key, id(GgufType::boolean), values.size());
  for (const bool value : values) append(metadata_, static_cast<std::uint8_t>(value));
}

void GgufWriter::add_u32_array(std::string_view key, std::span<const std::uint32_t> values) {
  begin_array(key, id(GgufType::u32), values.size());
  for (const std::uint32_t value : values) append(metadata_, value);
}

void GgufWriter::add_i32_array(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, id(GgufType::i32), values.size());
  for (const std::int32_t value : values) append(metadata_, value);
}

void GgufWriter::add_f32_array(std::string_view key, std::span<const float> values) {
  begin_array(key, id(GgufType::f32), values.size());
  for (const float value : values) append(metadata_, value);
}

void GgufWriter::add_string_array(std::string_view key, std::span<const std::string> values) {
  begin_array(key, id(GgufType::string), values.size());
  for (const std::string& value : values) append(metadata_, std::string_view(value));
}

namespace {

/// Bytes of a number of this type in a file.
std::size_t width_of(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u64:
    case GgufType::i64:
      return 8;
    default:
      return 4;
  }
}

}  // namespace

void GgufWriter::add_value(std::string_view key, const GgufValue& value) {
  const auto add = [&](const auto& data) {
    using Data = std::decay_t<decltype(data)>;
    if constexpr (std::is_same_v<Data, bool>) {
      add_bool(key, data);
    } else if constexpr (std::is_integral_v<Data>) {  // the low bytes of a little-endian word
      begin_value(key, id(value.type));
      metadata_.append(reinterpret_cast<const char*>(&data), width_of(value.type));
    } else if constexpr (std::is_same_v<Data, double>) {
      value.type == GgufType::f64 ? add_f64(key, data) : add_f32(key, static_cast<float>(data));
    } else if constexpr (std::is_same_v<Data, std::string_view>) {
      add_string(key, data);
    } else if constexpr (std::is_same_v<Data, GgufPackedArray>) {
      begin_array(key, id(data.element), data.count);
      metadata_.append(reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size());
    } else {
      begin_array(key, id(GgufType::string), data.size());
      for (const std::string_view text : data) append(metadata_, text);
    }
  };
  std::visit(add, value.data);
}

Result<void> GgufWriter::declare(std::string name, DType dtype, std::vector<std::uint64_t> dims) {
  const auto refuse = [&](std::string_view why) {
    return error(ErrorCode::invalid_argument, "tensor {}: {}", quote(name), why);
  };
  const GgmlType* type = find_ggml_type(dtype);
  if (name.empty()) return refuse("a tensor needs a name");
  if (type == nullptr) return refuse(fmt::format("GGUF cannot store {}", info(dtype).name));
  if (dims.empty() || dims.size() > kMaxGgufDims)
    return refuse(fmt::format("expected 1 to {} dimensions, found {}", kMaxGgufDims, dims.size()));
  if (dims[0] % type->block_elements != 0) {
    return refuse(fmt::format("first dimension {} is not a multiple of {}, the block of {}",
                              dims[0], type->block_elements, type->name));
  }
  const auto n_elements = checked_product(dims);
  const auto n_bytes = n_elements
                           ? checked_mul(*n_elements / type->block_elements, type->block_bytes)
                           : std::nullopt;
  const auto end = n_bytes ? checked_add(data_bytes_, *n_bytes) : std::nullopt;
  if (!end || !checked_add(*end, kAlignment)) return refuse("its size overflows");
  if (!names_.insert(name).second) return refuse("declared twice");
  declarations_.push_back({std::move(name), type->id, std::move(dims), *n_bytes, data_bytes_});
  data_bytes_ = aligned(*end);
  return {};
}

// Everything before the data area, padded to the alignment.
std::string GgufWriter::header() const {
  std::string out = "GGUF";
  append(out, kVersion);
  append(out, std::uint64_t{declarations_.size()});
  append(out, n_values_);
  out += metadata_;
  for (const Declaration& d : declarations_) {
    append(out, std::string_view(d.name));
    append(out, static_cast<std::uint32_t>(d.dims.size()));
    for (const std::uint64_t dim : d.dims) append(out, dim);
    append(out, d.ggml_type);
    append(out, d.offset);
  }
  out.resize(aligned(out.size()), '\0');
  return out;
}

Result<void> GgufWriter::write_all(const TensorSource& source, TensorSink& out) const {
  HADAL_TRY(write_text(out, header()));
  for (std::size_t i = 0; i < declarations_.size(); ++i) {
    const Declaration& d = declarations_[i];
    HADAL_TRY(write_tensor(source, i, d.name, d.n_bytes, out));
    HADAL_TRY(write_text(out, std::string(aligned(d.n_bytes) - d.n_bytes, '\0')));
  }
  return {};
}

Result<void> GgufWriter::write(const std::filesystem::path& path,
                               const TensorSource& source) const {
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(write_all(source, file));
  return file.commit();
}

Result<std::vector<std::byte>> GgufWriter::write_to_memory(const TensorSource& source) const {
  MemorySink sink;
  HADAL_TRY(write_all(source, sink));
  return sink.take();
}

}  // namespace hadal
