#include "formats/gguf_reader.h"

#include "base/checked_math.h"
#include "formats/quote.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <utility>

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and read in place");

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kMaxNameBytes = 65535;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMinAlignment = 8;
constexpr std::uint64_t kMaxAlignment = 1 << 20;
// The shortest entry of each list; a count that needs more bytes than the file has is refused
// before any loop.
constexpr std::uint64_t kMinValueBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;

// Bytes of one number; 0 for strings, arrays and ids outside of the format.
std::size_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

class Reader {
 public:
  Reader(std::span<const std::byte> image, std::string_view source)
      : image_(image), source_(source) {}

  Result<GgufPart> read() {
    HADAL_TRY(read_counts());
    for (std::uint64_t i = 0; i < n_values_; ++i) HADAL_TRY(read_key_value());
    HADAL_TRY(check_unique(part_.keys, "metadata key"));
    HADAL_TRY(read_alignment());
    for (std::uint64_t i = 0; i < n_tensors_; ++i) HADAL_TRY(read_tensor());
    HADAL_TRY(place_tensors());
    return std::move(part_);
  }

 private:
  std::size_t remaining() const { return image_.size() - at_; }

  template <typename... Args>
  Error bad(fmt::format_string<Args...> format, Args&&... args) const {
    return error(ErrorCode::bad_format, "{}: byte {}: {}", source_, at_,
                 fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename T>
  Result<T> number(std::string_view what) {
    if (remaining() < sizeof(T))
      return bad("the file ends inside {}; was the download cut short?", what);
    T value;
    std::memcpy(&value, image_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  Result<std::string_view> string(std::string_view what, std::uint64_t max_bytes) {
    HADAL_ASSIGN(const auto length, number<std::uint64_t>(what));
    if (length > max_bytes)
      return bad("{}: expected at most {} bytes, found {}", what, max_bytes, length);
    if (length > remaining())
      return bad("{}: needs {} bytes, the file has {} more", what, length, remaining());
    const std::string_view text(reinterpret_cast<const char*>(image_.data()) + at_, length);
    at_ += length;
    return text;
  }

  Result<void> read_counts() {
    const std::string_view start(reinterpret_cast<const char*>(image_.data()),
                                 std::min(image_.size(), kMagic.size()));
    if (start != kMagic) return bad("expected 'GGUF', found {}; is it a GGUF file?", quote(start));
    at_ = kMagic.size();
    HADAL_ASSIGN(part_.version, number<std::uint32_t>("the version"));
    if (part_.version != 2 && part_.version != 3) {
      const bool big_endian = part_.version != 0 && (part_.version & 0xFFFFU) == 0;
      return error(ErrorCode::unsupported, "{}: GGUF version {}{}; expected 2 or 3, little-endian",
                   source_, part_.version, big_endian ? " (a big-endian file)" : "");
    }
    HADAL_ASSIGN(n_tensors_, number<std::uint64_t>("the tensor count"));
    HADAL_ASSIGN(n_values_, number<std::uint64_t>("the metadata count"));
    if (n_values_ > remaining() / kMinValueBytes)
      return bad("{} metadata entries do not fit into the file", n_values_);
    if (n_tensors_ > remaining() / kMinTensorBytes)
      return bad("{} tensors do not fit into the file", n_tensors_);
    return {};
  }

  Result<void> read_key_value() {
    HADAL_ASSIGN(const auto key, string("a metadata key", kMaxNameBytes));
    if (key.empty()) return bad("a metadata key is empty");
    HADAL_ASSIGN(const auto type, number<std::uint32_t>("a metadata type"));
    HADAL_ASSIGN(GgufValue value, read_value(key, static_cast<GgufType>(type)));
    part_.keys.emplace_back(key);
    part_.values.push_back(std::move(value));
    return {};
  }

  template <typename Stored, typename Kept>
  Result<GgufValue> scalar(GgufType type) {
    HADAL_ASSIGN(const Stored value, number<Stored>("a metadata value"));
    return GgufValue{type, static_cast<Kept>(value)};
  }

  Result<GgufValue> read_value(std::string_view key, GgufType type) {
    switch (type) {
      case GgufType::u8:
        return scalar<std::uint8_t, std::uint64_t>(type);
      case GgufType::u16:
        return scalar<std::uint16_t, std::uint64_t>(type);
      case GgufType::u32:
        return scalar<std::uint32_t, std::uint64_t>(type);
      case GgufType::u64:
        return scalar<std::uint64_t, std::uint64_t>(type);
      case GgufType::i8:
        return scalar<std::int8_t, std::int64_t>(type);
      case GgufType::i16:
        return scalar<std::int16_t, std::int64_t>(type);
      case GgufType::i32:
        return scalar<std::int32_t, std::int64_t>(type);
      case GgufType::i64:
        return scalar<std::int64_t, std::int64_t>(type);
      case GgufType::f32:
        return scalar<float, double>(type);
      case GgufType::f64:
        return scalar<double, double>(type);
      case GgufType::boolean:
        return read_bool(key);
      case GgufType::string: {
        HADAL_ASSIGN(const auto text, string("a metadata string", image_.size()));
        return GgufValue{type, text};
      }
      case GgufType::array:
        return read_array(key);
    }
    return bad("metadata key {}: type {} is not in the format", quote(key),
               static_cast<std::uint32_t>(type));
  }

  Result<GgufValue> read_bool(std::string_view key) {
    HADAL_ASSIGN(const auto value, number<std::uint8_t>("a metadata value"));
    if (value > 1)
      return bad("metadata key {}: expected a boolean of 0 or 1, found {}", quote(key), value);
    return GgufValue{GgufType::boolean, value == 1};
  }

  Result<GgufValue> read_array(std::string_view key) {
    HADAL_ASSIGN(const auto element_id, number<std::uint32_t>("an array type"));
    HADAL_ASSIGN(const auto count, number<std::uint64_t>("an array length"));
    const auto element = static_cast<GgufType>(element_id);
    if (element == GgufType::string) return read_strings(key, count);
    const std::size_t size = scalar_bytes(element);
    if (size == 0)
      return bad("metadata key {}: arrays of {} are not supported", quote(key), name_of(element));
    if (count > remaining() / size)
      return bad("metadata key {}: an array of {} elements does not fit into the file", quote(key),
                 count);
    const auto bytes = image_.subspan(at_, count * size);
    if (element == GgufType::boolean &&
        std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; })) {
      return bad("metadata key {}: expected booleans of 0 or 1", quote(key));
    }
    at_ += bytes.size();
    return GgufValue{GgufType::array, GgufPackedArray{element, count, bytes}};
  }

  Result<GgufValue> read_strings(std::string_view key, std::uint64_t count) {
    if (count > remaining() / sizeof(std::uint64_t)) {
      return bad("metadata key {}: an array of {} strings does not fit into the file", quote(key),
                 count);
    }
    std::vector<std::string_view> strings;
    strings.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      HADAL_ASSIGN(const auto text, string("a string of a metadata array", image_.size()));
      strings.push_back(text);
    }
    return GgufValue{GgufType::array, std::move(strings)};
  }

  Result<void> check_unique(std::span<const std::string> names, std::string_view what) const {
    std::unordered_set<std::string_view> seen;
    for (const std::string& name : names) {
      if (!seen.insert(name).second) return bad("{} {} appears twice", what, quote(name));
    }
    return {};
  }

  Result<void> read_alignment() {
    const auto key = std::find(part_.keys.begin(), part_.keys.end(), "general.alignment");
    if (key == part_.keys.end()) return {};
    const auto* value = std::get_if<std::uint64_t>(
        &part_.values[static_cast<std::size_t>(key - part_.keys.begin())].data);
    if (value == nullptr || !std::has_single_bit(*value) || *value < kMinAlignment ||
        *value > kMaxAlignment) {
      return bad("metadata key 'general.alignment': expected a power of two from {} to {}",
                 kMinAlignment, kMaxAlignment);
    }
    alignment_ = *value;
    return {};
  }

  Result<void> read_tensor() {
    HADAL_ASSIGN(const auto name, string("a tensor name", kMaxNameBytes));
    if (name.empty()) return bad("a tensor name is empty");
    HADAL_ASSIGN(const auto n_dims, number<std::uint32_t>("a tensor's number of dimensions"));
    if (n_dims > kMaxGgufDims)
      return bad("tensor {}: expected at most {} dimensions, found {}", quote(name), kMaxGgufDims,
                 n_dims);
    std::vector<std::uint64_t> dims(n_dims);
    for (std::uint64_t& dim : dims) {
      HADAL_ASSIGN(dim, number<std::uint64_t>("a tensor's dimensions"));
    }
    HADAL_ASSIGN(const auto type_id, number<std::uint32_t>("a tensor's type"));
    HADAL_ASSIGN(const auto offset, number<std::uint64_t>("a tensor's offset"));
    HADAL_ASSIGN(const auto n_bytes, tensor_bytes(name, dims, find_ggml_type(type_id)));
    if (offset % alignment_ != 0) {
      return bad("tensor {}: offset {} is not a multiple of the alignment {}", quote(name), offset,
                 alignment_);
    }
    ranges_.push_back({offset, n_bytes});
    const GgmlType* type = find_ggml_type(type_id);
    part_.tensors.push_back(
        {std::string(name),
         type_id,
         type == nullptr ? fmt::format("type {}", type_id) : std::string(type->name),
         type == nullptr ? std::nullopt : type->dtype,
         std::move(dims),
         {}});
    return {};
  }

  // 0 for a type whose layout we do not know: nothing of it will be read.
  Result<std::uint64_t> tensor_bytes(std::string_view name, std::span<const std::uint64_t> dims,
                                     const GgmlType* type) const {
    const auto n_elements = checked_product(dims);
    if (!n_elements)
      return bad("tensor {}: dimensions [{}] overflow", quote(name), fmt::join(dims, ", "));
    if (type == nullptr) return std::uint64_t{0};
    const std::uint64_t fastest = dims.empty() ? 1 : dims[0];
    if (fastest % type->block_elements != 0) {
      return bad("tensor {}: first dimension {} is not a multiple of {}, the block of {}",
                 quote(name), fastest, type->block_elements, type->name);
    }
    const auto n_bytes = checked_mul(*n_elements / type->block_elements, type->block_bytes);
    if (!n_bytes)
      return bad("tensor {}: dimensions [{}] overflow", quote(name), fmt::join(dims, ", "));
    return *n_bytes;
  }

  // The data area begins at the next multiple of the alignment after the list of tensors.
  Result<void> place_tensors() {
    const std::uint64_t begin = ceil_div(at_, alignment_) * alignment_;
    const auto data = image_.subspan(std::min<std::uint64_t>(begin, image_.size()));
    for (std::size_t i = 0; i < part_.tensors.size(); ++i) {
      const auto [offset, n_bytes] = ranges_[i];
      if (offset > data.size() || n_bytes > data.size() - offset) {
        return error(ErrorCode::bad_format,
                     "{}: tensor {}: needs {} bytes from byte {} of the data area, the file has "
                     "{}; was the download cut short?",
                     source_, quote(part_.tensors[i].name), n_bytes, offset, data.size());
      }
      part_.tensors[i].data = data.subspan(offset, n_bytes);
    }
    return check_overlap();
  }

  Result<void> check_overlap() const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i].n_bytes > 0) order.push_back(i);
    }
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return ranges_[a].offset < ranges_[b].offset; });
    for (std::size_t k = 1; k < order.size(); ++k) {
      const auto& before = ranges_[order[k - 1]];
      if (ranges_[order[k]].offset < before.offset + before.n_bytes) {
        return error(ErrorCode::bad_format, "{}: tensors {} and {} overlap", source_,
                     quote(part_.tensors[order[k - 1]].name), quote(part_.tensors[order[k]].name));
      }
    }
    return {};
  }

  struct Range {
    std::uint64_t offset;  // in the data area
    std::uint64_t n_bytes;
  };

  std::span<const std::byte> image_;
  std::string_view source_;
  std::size_t at_ = 0;
  std::uint64_t n_tensors_ = 0;
  std::uint64_t n_values_ = 0;
  std::uint64_t alignment_ = kDefaultAlignment;
  std::vector<Range> ranges_;
  GgufPart part_;
};

}  // namespace

Result<GgufPart> read_gguf(std::span<const std::byte> image, std::string_view source) {
  return Reader(image, source).read();
}

}  // namespace hadal
