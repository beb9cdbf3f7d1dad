#include "formats/safetensors_header.h"

#include "formats/quote.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <utility>

namespace hadal {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::size_t kMaxDims = 16;  // keeps shapes printable

// {"__metadata__": {key: string}, NAME: {"dtype": string, "shape": [n...], "data_offsets": [begin,
// end]}}
class HeaderReader {
 public:
  explicit HeaderReader(SafetensorsHeader& header) : header_(header) {}

  bool start_object(std::size_t) {
    if (state_ == State::start) return enter(State::root);
    if (state_ != State::root) return fail("unexpected '{'");
    if (key_ == kMetadataKey) return start_metadata();
    header_.entries.push_back({key_, {}, {}, {}});
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return enter(State::tensor);
  }

  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }

  bool string(std::string& value) {
    if (state_ == State::metadata) {
      if (!header_.metadata.try_emplace(key_, std::move(value)).second)
        return fail("appears twice in __metadata__");
      return true;
    }
    if (state_ != State::tensor || key_ != "dtype") return fail("unexpected string");
    if (std::exchange(has_dtype_, true)) return fail("appears twice");
    header_.entries.back().dtype = std::move(value);
    return true;
  }

  bool start_array(std::size_t) {
    if (state_ == State::tensor && key_ == "shape" && !std::exchange(has_shape_, true))
      return enter(State::shape);
    if (state_ == State::tensor && key_ == "data_offsets" && !std::exchange(has_offsets_, true)) {
      n_offsets_ = 0;
      return enter(State::offsets);
    }
    return fail("unexpected '['");
  }

  bool number_unsigned(std::uint64_t value) {
    if (state_ == State::shape) {
      auto& shape = header_.entries.back().shape;
      if (shape.size() == kMaxDims)
        return fail(fmt::format("expected at most {} dimensions, found more", kMaxDims));
      shape.push_back(value);
      return true;
    }
    if (state_ != State::offsets) return fail("unexpected number");
    if (n_offsets_ == 2) return fail("expected 2 numbers, found more");
    header_.entries.back().data_offsets[n_offsets_++] = value;
    return true;
  }

  bool end_array() {
    if (state_ == State::offsets && n_offsets_ != 2) return fail("expected 2 numbers, found fewer");
    return enter(State::tensor);
  }

  bool end_object() {
    if (state_ == State::root) return enter(State::end);
    if (state_ == State::tensor && !(has_dtype_ && has_shape_ && has_offsets_)) {
      key_ = has_shape_ ? (has_dtype_ ? "data_offsets" : "dtype") : "shape";
      return fail("is missing");
    }
    return enter(State::root);
  }

  bool null() { return fail("unexpected null"); }
  bool boolean(bool) { return fail("unexpected boolean"); }
  bool number_integer(std::int64_t) { return fail("unexpected negative number"); }
  bool number_float(double, const std::string&) {
    return fail("expected a whole number, found a fraction or one above 2^64");
  }
  bool binary(nlohmann::json::binary_t&) { return fail("unexpected binary"); }

  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception&) {
    problem_ = fmt::format("byte {}: not valid JSON near {}", position + sizeof(std::uint64_t),
                           quote(token));
    return false;
  }

  const std::string& problem() const { return problem_; }

 private:
  enum class State { start, root, metadata, tensor, shape, offsets, end };

  bool enter(State state) {
    state_ = state;
    return true;
  }

  bool start_metadata() {
    if (std::exchange(has_metadata_, true)) return fail("appears twice");
    return enter(State::metadata);
  }

  bool fail(std::string_view what) {
    const bool in_tensor =
        state_ == State::tensor || state_ == State::shape || state_ == State::offsets;
    problem_ = in_tensor ? fmt::format("tensor {}: header field {}: {}",
                                       quote(header_.entries.back().name), quote(key_), what)
                         : fmt::format("header key {}: {}", quote(key_), what);
    return false;
  }

  SafetensorsHeader& header_;
  State state_ = State::start;
  std::string key_;
  bool has_metadata_ = false;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::size_t n_offsets_ = 0;
  std::string problem_;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view source) {
  SafetensorsHeader header;
  HeaderReader reader(header);
  try {
    if (nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) return header;
  } catch (const std::exception& e) {
    return error(ErrorCode::bad_format, "{}: header: {}", source, e.what());
  }
  return error(ErrorCode::bad_format, "{}: {}", source, reader.problem());
}

}  // namespace hadal
