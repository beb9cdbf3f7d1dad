// Typed look-ups in a JSON object of config.json, with errors that name file and key.
#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// The value as JSON text, shortened for a message.
inline std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

/// Typed look-ups in one JSON object. The first error is kept; look-ups after it give defaults.
class KeyReader {
  using json = nlohmann::json;
  static constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

 public:
  using Names =
      std::initializer_list<std::string_view>;  ///< spellings of one key; the first found counts

  KeyReader(const json& object, std::string_view source, std::string prefix = {})
      : object_(object), source_(source), prefix_(std::move(prefix)) {}

  /// A present, non-null value under one of the spellings, or nullptr.
  const json* find(Names names) const {
    for (std::string_view name : names) {
      const auto it = object_.find(name);
      if (it != object_.end() && !it->is_null()) return &*it;
    }
    return nullptr;
  }

  std::size_t size(Names names, std::optional<std::size_t> fallback = std::nullopt) {
    const json* value = find(names);
    if (value == nullptr) {
      if (!fallback)
        fail(ErrorCode::not_found, *names.begin(),
             "the key is missing; is this a DeepSeek-V4 config?");
      return fallback.value_or(0);
    }
    return to_size(*value, *names.begin());
  }

  std::size_t to_size(const json& value, std::string_view name) {
    if (value.is_number_unsigned()) return value.get<std::size_t>();
    if (value.is_number_float()) {
      const double number = value.get<double>();
      if (number >= 0.0 && number <= kLargestExactInteger && number == std::floor(number))
        return static_cast<std::size_t>(number);
    }
    fail(ErrorCode::bad_format, name,
         fmt::format("expected a whole number from 0, found {}", shown(value)));
    return 0;
  }

  double number(Names names, double fallback) {
    const json* value = find(names);
    if (value == nullptr) return fallback;
    if (value->is_number()) return value->get<double>();
    fail(ErrorCode::bad_format, *names.begin(),
         fmt::format("expected a number, found {}", shown(*value)));
    return fallback;
  }

  bool boolean(Names names, bool fallback) {
    const json* value = find(names);
    if (value == nullptr) return fallback;
    if (value->is_boolean()) return value->get<bool>();
    fail(ErrorCode::bad_format, *names.begin(),
         fmt::format("expected true or false, found {}", shown(*value)));
    return fallback;
  }

  std::string text(Names names, std::string fallback) {
    const json* value = find(names);
    if (value == nullptr) return fallback;
    if (value->is_string()) return value->get<std::string>();
    fail(ErrorCode::bad_format, *names.begin(),
         fmt::format("expected a string, found {}", shown(*value)));
    return fallback;
  }

  /// A token id; of a list the first. Negative ids mean "none" in some files, as null does.
  std::int32_t token_id(std::string_view name, std::int32_t fallback) {
    const json* value = find({name});
    if (value != nullptr && value->is_array() && !value->empty()) value = &value->front();
    if (value == nullptr || value->is_null()) return fallback;
    if (!value->is_number_integer() ||
        (value->is_number_unsigned() &&
         value->get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max())) {
      fail(ErrorCode::bad_format, name,
           fmt::format("expected a token id, found {}", shown(*value)));
      return fallback;
    }
    const auto id = value->get<std::int64_t>();
    return id < 0 ? fallback : static_cast<std::int32_t>(id);
  }

  /// The array under `name` with at least `n` entries, or nullptr when absent (or wrong, with an
  /// error).
  const json* array(std::string_view name, std::size_t n) {
    const json* value = find({name});
    if (value == nullptr) return nullptr;
    if (!value->is_array()) {
      fail(ErrorCode::bad_format, name, fmt::format("expected an array, found {}", shown(*value)));
      return nullptr;
    }
    if (value->size() < n) {
      fail(ErrorCode::bad_format, name,
           fmt::format("expected an entry for each of the {} layers, found {}", n, value->size()));
      return nullptr;
    }
    return value;
  }

  void fail(ErrorCode code, std::string_view name, std::string_view what) {
    if (!error_) error_ = error(code, "{}: key '{}{}': {}", source_, prefix_, name, what);
  }
  void merge(const KeyReader& other) {
    if (!error_) error_ = other.error_;
  }
  /// The first key that `known` does not name is an error.
  void refuse_others(Names known) {
    for (const auto& [key, value] : object_.items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail(ErrorCode::bad_format, key, "unknown key");
  }

  std::string_view source() const { return source_; }
  const std::optional<Error>& first_error() const { return error_; }

 private:
  const json& object_;
  std::string_view source_;
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace hadal
