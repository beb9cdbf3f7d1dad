#include "chat/python_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hadal {

namespace {

using Json = nlohmann::ordered_json;

/// Marks a binary value that holds the digits of an integer beyond 64 bits.
constexpr std::uint64_t kBigIntegerSubtype = 0xB16;

Json big_integer(const std::string& digits) {
  return Json::binary({digits.begin(), digits.end()}, kBigIntegerSubtype);
}

bool is_integer_text(std::string_view number) {
  return number.find_first_of(".eE") == std::string_view::npos;
}

/// The text behind nlohmann's "[json.exception.parse_error.101] ".
std::string_view without_tag(std::string_view what) {
  const auto end = what.find("] ");
  return end == std::string_view::npos ? what : what.substr(end + 2);
}

/// Receives the parser's events and builds the value bottom-up. Key look-up is hashed: nlohmann's
/// ordered map searches linearly, which hostile objects turn into quadratic time.
class Builder {
 public:
  explicit Builder(std::size_t max_depth) : max_depth_(max_depth) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string& text) {
    return is_integer_text(text) ? add(big_integer(text)) : add(value);
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // not part of JSON text
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    open_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    message_ = without_tag(error.what());
    return false;
  }

  Json& value() { return value_; }
  const std::string& message() const { return message_; }

 private:
  struct Level {
    Json value;
    std::string key;
    std::unordered_map<std::string, std::size_t> index_of_key;
  };

  bool open(Json container) {
    if (open_.size() >= max_depth_) {
      message_ = fmt::format("nested deeper than {} levels", max_depth_);
      return false;
    }
    open_.push_back({std::move(container), {}, {}});
    return true;
  }

  bool close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(done));
  }

  bool add(Json value) {
    if (open_.empty()) {
      value_ = std::move(value);
      return true;
    }
    Level& level = open_.back();
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
      return true;
    }
    auto& object = level.value.get_ref<Json::object_t&>();
    const auto [place, is_new] = level.index_of_key.try_emplace(level.key, object.size());
    if (is_new)
      object.emplace_back(std::move(level.key), std::move(value));
    else
      std::next(object.begin(), static_cast<std::ptrdiff_t>(place->second))->second =
          std::move(value);
    return true;
  }

  std::size_t max_depth_;
  Json value_;
  std::vector<Level> open_;
  std::string message_;
};

/// Decimal digits (no point) and exponent of the shortest form d.ddd * 10^exponent.
struct ShortestDecimal {
  std::string digits;
  int exponent;
};

ShortestDecimal shortest_decimal(double magnitude) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude,
                                 std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const auto e = text.find('e');
  ShortestDecimal result{std::string(text.substr(0, e)), 0};
  std::erase(result.digits, '.');
  const std::size_t first = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + first, text.data() + text.size(), result.exponent);
  return result;
}

void append_value(std::string& out, const Json& value);

void append_object(std::string& out, const Json& value) {
  out += '{';
  std::string_view separator;
  for (const auto& [key, element] : value.items()) {
    out += separator;
    out += '"';
    append_json_escaped(out, key);
    out += "\": ";
    append_value(out, element);
    separator = ", ";
  }
  out += '}';
}

void append_array(std::string& out, const Json& value) {
  out += '[';
  std::string_view separator;
  for (const Json& element : value) {
    out += separator;
    append_value(out, element);
    separator = ", ";
  }
  out += ']';
}

void append_value(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return append_object(out, value);
    case Json::value_t::array:
      return append_array(out, value);
    case Json::value_t::string:
      out += '"';
      append_json_escaped(out, value.get_ref<const std::string&>());
      out += '"';
      return;
    case Json::value_t::number_float:
      out += python_float_repr(value.get<double>());
      return;
    case Json::value_t::binary:  // digits of a big integer
      out.append(value.get_binary().begin(), value.get_binary().end());
      return;
    case Json::value_t::discarded:
      out += "null";
      return;
    default:
      out += value.dump();
      return;  // null, true, false, 64-bit integers: the same in both
  }
}

}  // namespace

Result<Json> parse_exact_json(std::string_view text, std::string_view source) {
  Builder builder(kMaxJsonDepth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    return error(ErrorCode::bad_format, "{}: expected JSON, found: {}", source, builder.message());
  return std::move(builder.value());
}

bool is_json(std::string_view text, std::size_t max_depth) {
  Builder builder(max_depth);
  return Json::sax_parse(text.begin(), text.end(), &builder);
}

std::string python_json(const Json& value) {
  std::string out;
  append_value(out, value);
  return out;
}

Result<std::string> python_json_from_text(std::string_view text, std::string_view source) {
  HADAL_ASSIGN(const Json value, parse_exact_json(text, source));
  return python_json(value);
}

// float_repr_style 'short': scientific when the exponent is below -4 or at least 16 (CPython,
// pystrtod.c, format 'r').
std::string python_float_repr(double value) {
  const std::string sign = std::signbit(value) ? "-" : "";
  if (value == 0) return sign + "0.0";
  auto [digits, exponent] = shortest_decimal(std::abs(value));
  const int n_digits = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    if (n_digits > 1) digits.insert(1, ".");
    return fmt::format("{}{}e{}{:02}", sign, digits, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (exponent + 1 >= n_digits)
    return sign + digits + std::string(static_cast<std::size_t>(exponent + 1 - n_digits), '0') +
           ".0";
  digits.insert(static_cast<std::size_t>(exponent + 1), ".");
  return sign + digits;
}

void append_json_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
}

}  // namespace hadal
