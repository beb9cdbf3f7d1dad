#include "formats/gguf.h"

#include "formats/gguf_reader.h"
#include "formats/quote.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace hadal {

std::string_view name_of(GgufType type) {
  switch (type) {
    case GgufType::u8:
      return "u8";
    case GgufType::i8:
      return "i8";
    case GgufType::u16:
      return "u16";
    case GgufType::i16:
      return "i16";
    case GgufType::u32:
      return "u32";
    case GgufType::i32:
      return "i32";
    case GgufType::f32:
      return "f32";
    case GgufType::boolean:
      return "bool";
    case GgufType::string:
      return "string";
    case GgufType::array:
      return "array";
    case GgufType::u64:
      return "u64";
    case GgufType::i64:
      return "i64";
    case GgufType::f64:
      return "f64";
  }
  return "an unknown type";
}

Result<void> require_usable(const GgufTensor& tensor, std::string_view source) {
  if (tensor.dtype) return {};
  return error(ErrorCode::unsupported,
               "{}: tensor {}: element type {} is not supported yet; use a file of F32, F16, BF16, "
               "Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, Q3_K, Q2_K, IQ4_XS, IQ2_XXS or MXFP4",
               source, quote(tensor.name), tensor.type_name);
}

// Joins parts into one GgufFile.
class GgufAssembler {
 public:
  static Result<GgufFile> from_image(std::span<const std::byte> image, std::string source) {
    GgufAssembler assembler;
    HADAL_TRY(assembler.add_part(image, source));
    return assembler.finish(std::move(source));
  }

  static Result<GgufFile> from_file(const std::filesystem::path& path) {
    HADAL_ASSIGN(GgufFile file, from_one_file(path));
    const std::uint32_t n_parts = file.find_u32("split.count").value_or(1);
    if (n_parts <= 1) return file;
    const auto prefix = split_prefix(path, n_parts);
    if (!prefix) {
      return error(ErrorCode::bad_format,
                   "{}: is one of {} parts; expected a name like NAME-00001-of-{:05}.gguf",
                   path.string(), n_parts, n_parts);
    }
    return from_parts(*prefix, n_parts);
  }

 private:
  static Result<GgufFile> from_one_file(const std::filesystem::path& path) {
    HADAL_ASSIGN(MappedFile mapped, MappedFile::open(path));
    HADAL_ASSIGN(GgufFile file, from_image(mapped.bytes(), path.string()));
    file.files_.push_back(std::move(mapped));
    return file;
  }

  static std::string split_name(std::string_view prefix, std::uint32_t part,
                                std::uint32_t n_parts) {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part, n_parts);
  }

  // "dir/NAME" of "dir/NAME-00002-of-00005.gguf"
  static std::optional<std::string> split_prefix(const std::filesystem::path& path,
                                                 std::uint32_t n_parts) {
    const std::string name = path.string();
    const std::size_t suffix_bytes = split_name("", 1, n_parts).size();
    if (name.size() <= suffix_bytes) return std::nullopt;
    const std::string prefix = name.substr(0, name.size() - suffix_bytes);
    std::uint32_t part = 0;
    std::from_chars(name.data() + prefix.size() + 1, name.data() + name.size(), part);
    if (part < 1 || part > n_parts || name != split_name(prefix, part, n_parts))
      return std::nullopt;
    return prefix;
  }

  static Result<GgufFile> from_parts(const std::string& prefix, std::uint32_t n_parts) {
    GgufAssembler assembler;
    for (std::uint32_t i = 0; i < n_parts; ++i) {
      const std::string path = split_name(prefix, i + 1, n_parts);
      HADAL_ASSIGN(MappedFile mapped, open_part(path, n_parts));
      HADAL_TRY(assembler.add_part(mapped.bytes(), path));
      HADAL_TRY(assembler.check_part(path, i, n_parts));
      assembler.file_.files_.push_back(std::move(mapped));
    }
    HADAL_ASSIGN(GgufFile file, assembler.finish(split_name(prefix, 1, n_parts)));
    const auto expected = file.find_u64("split.tensors.count");
    if (expected && *expected != file.tensors_.size()) {
      return error(
          ErrorCode::bad_format,
          "{}: metadata key 'split.tensors.count': expected {} tensors, the {} parts hold {}",
          file.source_, *expected, n_parts, file.tensors_.size());
    }
    return file;
  }

  static Result<MappedFile> open_part(const std::string& path, std::uint32_t n_parts) {
    auto mapped = MappedFile::open(path);
    if (!mapped && mapped.error().code == ErrorCode::not_found) {
      return error(ErrorCode::not_found, "{}: this part of {} is missing; download the model again",
                   path, n_parts);
    }
    return mapped;
  }

  // Metadata of the first part counts; of the others only their place in the set.
  Result<void> add_part(std::span<const std::byte> image, std::string_view source) {
    HADAL_ASSIGN(GgufPart part, read_gguf(image, source));
    std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(file_.tensors_));
    part.tensors.clear();
    if (file_.version_ == 0) {
      file_.version_ = part.version;
      file_.keys_ = part.keys;
      file_.values_ = part.values;
    }
    latest_ = std::move(part);
    return {};
  }

  Result<void> check_part(std::string_view source, std::uint32_t index,
                          std::uint32_t n_parts) const {
    const auto value_is = [&](std::string_view key, std::uint64_t expected) {
      for (std::size_t i = 0; i < latest_.keys.size(); ++i) {
        const auto& data = latest_.values[i].data;
        if (latest_.keys[i] != key) continue;
        if (const auto* u = std::get_if<std::uint64_t>(&data)) return *u == expected;
        if (const auto* s = std::get_if<std::int64_t>(&data)) return std::cmp_equal(*s, expected);
      }
      return false;
    };
    if (value_is("split.no", index) && value_is("split.count", n_parts)) return {};
    return error(ErrorCode::bad_format,
                 "{}: its metadata keys 'split.no' and 'split.count' do not say part {} of {}",
                 source, index, n_parts);
  }

  Result<GgufFile> finish(std::string source) {
    for (std::size_t i = 0; i < file_.keys_.size(); ++i)
      file_.value_by_key_.emplace(file_.keys_[i], i);
    for (std::size_t i = 0; i < file_.tensors_.size(); ++i) {
      if (!file_.tensor_by_name_.emplace(file_.tensors_[i].name, i).second) {
        return error(ErrorCode::bad_format, "{}: tensor {} appears twice", source,
                     quote(file_.tensors_[i].name));
      }
    }
    file_.source_ = std::move(source);
    return std::move(file_);
  }

  GgufFile file_;
  GgufPart latest_;
};

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  return GgufAssembler::from_file(path);
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> image, std::string source) {
  return GgufAssembler::from_image(image, std::move(source));
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_by_name_.find(name);
  return found == tensor_by_name_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = value_by_key_.find(key);
  return found == value_by_key_.end() ? nullptr : &values_[found->second];
}

namespace {

// Conversions that keep the value or give nothing.
template <typename T, typename Stored>
std::optional<T> convert(Stored value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<Stored, bool>) {
    if constexpr (std::is_same_v<T, Stored>) return value;
    return std::nullopt;
  } else if constexpr (std::is_floating_point_v<T>) {
    const auto wide = static_cast<double>(value);
    if (std::isfinite(wide) && std::fabs(wide) > static_cast<double>(std::numeric_limits<T>::max()))
      return std::nullopt;
    return static_cast<T>(wide);
  } else if constexpr (std::is_integral_v<Stored>) {
    if (!std::in_range<T>(value)) return std::nullopt;
    return static_cast<T>(value);
  } else {
    return std::nullopt;
  }
}

template <typename T>
std::optional<T> scalar(const GgufValue* value) {
  if (value == nullptr) return std::nullopt;
  return std::visit(
      [](const auto& stored) -> std::optional<T> {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(stored)>>)
          return convert<T>(stored);
        return std::nullopt;
      },
      value->data);
}

template <typename T, typename Stored>
std::optional<std::vector<T>> unpack_as(const GgufPackedArray& array) {
  std::vector<T> out;
  out.reserve(array.count);
  for (std::size_t i = 0; i < array.count; ++i) {
    Stored stored;
    std::memcpy(&stored, array.bytes.data() + i * sizeof(Stored), sizeof(Stored));
    const auto value = convert<T>(stored);
    if (!value) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

template <typename T>
std::optional<std::vector<T>> unpack(const GgufValue* value) {
  const auto* array = value == nullptr ? nullptr : std::get_if<GgufPackedArray>(&value->data);
  if (array == nullptr) return std::nullopt;
  switch (array->element) {
    case GgufType::u8:
      return unpack_as<T, std::uint8_t>(*array);
    case GgufType::i8:
      return unpack_as<T, std::int8_t>(*array);
    case GgufType::u16:
      return unpack_as<T, std::uint16_t>(*array);
    case GgufType::i16:
      return unpack_as<T, std::int16_t>(*array);
    case GgufType::u32:
      return unpack_as<T, std::uint32_t>(*array);
    case GgufType::i32:
      return unpack_as<T, std::int32_t>(*array);
    case GgufType::u64:
      return unpack_as<T, std::uint64_t>(*array);
    case GgufType::i64:
      return unpack_as<T, std::int64_t>(*array);
    case GgufType::f32:
      return unpack_as<T, float>(*array);
    case GgufType::f64:
      return unpack_as<T, double>(*array);
    case GgufType::boolean:
      return unpack_as<T, bool>(*array);  // bytes were checked to be 0 or 1
    case GgufType::string:
    case GgufType::array:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string describe(const GgufValue& value) {
  if (const auto* array = std::get_if<GgufPackedArray>(&value.data)) {
    return fmt::format("an array of {} {}", array->count, name_of(array->element));
  }
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(&value.data)) {
    return fmt::format("an array of {} string", strings->size());
  }
  if (const auto number = scalar<double>(&value))
    return fmt::format("{} {}", name_of(value.type), *number);
  return std::string(name_of(value.type));
}

}  // namespace

std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  return scalar<bool>(find(key));
}
std::optional<std::uint32_t> GgufFile::find_u32(std::string_view key) const {
  return scalar<std::uint32_t>(find(key));
}
std::optional<std::int64_t> GgufFile::find_i64(std::string_view key) const {
  return scalar<std::int64_t>(find(key));
}
std::optional<std::uint64_t> GgufFile::find_u64(std::string_view key) const {
  return scalar<std::uint64_t>(find(key));
}
std::optional<float> GgufFile::find_f32(std::string_view key) const {
  return scalar<float>(find(key));
}
std::optional<double> GgufFile::find_f64(std::string_view key) const {
  return scalar<double>(find(key));
}

std::optional<std::string_view> GgufFile::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string_view>(&value->data);
  if (text == nullptr) return std::nullopt;
  return *text;
}

std::optional<std::vector<bool>> GgufFile::find_bool_array(std::string_view key) const {
  return unpack<bool>(find(key));
}

std::optional<std::vector<std::uint32_t>> GgufFile::find_u32_array(std::string_view key) const {
  return unpack<std::uint32_t>(find(key));
}

std::optional<std::vector<std::int32_t>> GgufFile::find_i32_array(std::string_view key) const {
  return unpack<std::int32_t>(find(key));
}

std::optional<std::vector<float>> GgufFile::find_f32_array(std::string_view key) const {
  return unpack<float>(find(key));
}

const std::vector<std::string_view>* GgufFile::find_string_array(std::string_view key) const {
  const GgufValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<std::string_view>>(&value->data);
}

Error GgufFile::missing(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    return error(ErrorCode::not_found, "{}: metadata key {} is missing, expected {}", source_,
                 quote(key), expected);
  }
  return error(ErrorCode::bad_format, "{}: metadata key {}: expected {}, found {}", source_,
               quote(key), expected, describe(*value));
}

Result<bool> GgufFile::require_bool(std::string_view key) const {
  if (const auto value = find_bool(key)) return *value;
  return missing(key, "a bool");
}

Result<std::uint32_t> GgufFile::require_u32(std::string_view key) const {
  if (const auto value = find_u32(key)) return *value;
  return missing(key, "a u32");
}

Result<float> GgufFile::require_f32(std::string_view key) const {
  if (const auto value = find_f32(key)) return *value;
  return missing(key, "an f32");
}

Result<std::string_view> GgufFile::require_string(std::string_view key) const {
  if (const auto value = find_string(key)) return *value;
  return missing(key, "a string");
}

Result<std::vector<std::uint32_t>> GgufFile::require_u32_array(std::string_view key) const {
  if (auto value = find_u32_array(key)) return *std::move(value);
  return missing(key, "an array of u32");
}

Result<std::vector<float>> GgufFile::require_f32_array(std::string_view key) const {
  if (auto value = find_f32_array(key)) return *std::move(value);
  return missing(key, "an array of f32");
}

Result<const std::vector<std::string_view>*> GgufFile::require_string_array(
    std::string_view key) const {
  if (const auto* value = find_string_array(key)) return value;
  return missing(key, "an array of string");
}

}  // namespace hadal
