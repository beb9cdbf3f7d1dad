#include "formats/json_limits.h"

#include "formats/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace hadal {
namespace {

// Walks the text for the parser and remembers how far it got, so that our own checks can tell the
// place.
struct TrackedIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** furthest;

  reference operator*() const { return *at; }
  TrackedIterator& operator++() {
    ++at;
    *furthest = at;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const TrackedIterator& other) const { return at == other.at; }
  bool operator!=(const TrackedIterator& other) const { return at != other.at; }
};

// Receives the events of the parser and builds the tree. A function that returns false ends the
// parsing.
template <typename Json>
class TreeBuilder {
 public:
  using Object = typename Json::object_t;
  using Array = typename Json::array_t;

  explicit TreeBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() { return place(nullptr) != nullptr; }
  bool boolean(bool value) { return place(value) != nullptr; }
  bool number_integer(std::int64_t value) { return place(value) != nullptr; }
  bool number_unsigned(std::uint64_t value) { return place(value) != nullptr; }
  bool number_float(double value, const std::string&) { return place(value) != nullptr; }
  bool string(std::string& value) { return place(std::move(value)) != nullptr; }
  bool binary(typename Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Json::value_t::object); }
  bool start_array(std::size_t) { return open(Json::value_t::array); }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool end_object() {
    const bool unique = settle_duplicates(open_.back()->template get_ref<Object&>());
    open_.pop_back();
    return unique;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    // what() is "[json.exception...] parse error at line L, column C: reason" or "[...] reason".
    std::string_view reason = e.what();
    const std::size_t bracket = reason.find("] ");
    if (bracket != std::string_view::npos) reason.remove_prefix(bracket + 2);
    if (reason.starts_with("parse error at line"))
      reason.remove_prefix(std::min(reason.find(": ") + 2, reason.size()));
    constexpr std::size_t kMaxBytes = 200;
    problem_ = printable(reason, kMaxBytes);
    position_ = position;
    return false;
  }

  Json take_root() { return std::move(root_); }
  const std::string& problem() const { return problem_; }
  const std::optional<std::size_t>& position() const { return position_; }

 private:
  bool open(typename Json::value_t kind) {
    if (open_.size() >= limits_.max_depth) {
      problem_ = fmt::format("more than {} nested objects and arrays", limits_.max_depth);
      return false;
    }
    Json* value = place(Json(kind));
    if (value == nullptr) return false;
    open_.push_back(value);
    return true;
  }

  // Returns where the value now lives, or nullptr when the key is a duplicate.
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) return &parent.template get_ref<Array&>().emplace_back(std::move(value));
    return place_member(parent.template get_ref<Object&>(), std::move(value));
  }

  Json* place_member(Object& object, Json value) {
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
      // Straight into the underlying vector: ordered_map::emplace searches linearly, quadratic for
      // a vocabulary.
      return &static_cast<typename Object::Container&>(object)
                  .emplace_back(std::move(key_), std::move(value))
                  .second;
    } else {
      const auto [member, is_new] = object.try_emplace(std::move(key_));
      if (!is_new && limits_.duplicate_keys == DuplicateKeys::reject) {
        problem_ = fmt::format("key {} appears twice", quote(member->first));
        return nullptr;
      }
      member->second = std::move(value);
      return &member->second;
    }
  }

  // A map has no duplicates left; an ordered object gets them sorted out here, once, in O(n log n).
  bool settle_duplicates(Object& object) {
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
      std::vector<std::pair<std::string_view, std::size_t>> keys;
      keys.reserve(object.size());
      for (std::size_t i = 0; i < object.size(); ++i)
        keys.emplace_back(object.begin()[static_cast<std::ptrdiff_t>(i)].first, i);
      std::sort(keys.begin(), keys.end());
      const auto same_key = [](const auto& a, const auto& b) { return a.first == b.first; };
      const auto twice = std::adjacent_find(keys.begin(), keys.end(), same_key);
      if (twice == keys.end()) return true;
      if (limits_.duplicate_keys == DuplicateKeys::reject) {
        problem_ = fmt::format("key {} appears twice", quote(twice->first));
        return false;
      }
      keep_last(object, keys);
    }
    return true;
  }

  template <typename SortedKeys>
  static void keep_last(Object& object, const SortedKeys& keys) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const bool is_last = i + 1 == keys.size() || keys[i + 1].first != keys[i].first;
      if (is_last) kept.push_back(keys[i].second);
    }
    std::sort(kept.begin(), kept.end());
    Object unique;
    for (const std::size_t i : kept) {
      auto& member = object.begin()[static_cast<std::ptrdiff_t>(i)];
      static_cast<typename Object::Container&>(unique).emplace_back(member.first,
                                                                    std::move(member.second));
    }
    object = std::move(unique);
  }

  JsonLimits limits_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
  std::string problem_;
  std::optional<std::size_t> position_;
};

Error syntax_error(std::string_view text, std::string_view source, std::size_t position,
                   std::string_view problem) {
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  return error(ErrorCode::bad_format, "{}: line {}, column {}: {}", source, line,
               before.size() - line_start, problem);
}

template <typename Json>
Result<Json> parse(std::string_view text, std::string_view source, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return error(ErrorCode::bad_format, "{}: JSON text has {} bytes, expected at most {}", source,
                 text.size(), limits.max_bytes);
  }
  const char* furthest = text.data();
  TreeBuilder<Json> builder(limits);
  try {
    const bool ok =
        Json::sax_parse(TrackedIterator{text.data(), &furthest},
                        TrackedIterator{text.data() + text.size(), &furthest}, &builder);
    if (ok) return builder.take_root();
  } catch (const std::bad_alloc&) {
    return error(ErrorCode::out_of_memory, "{}: no memory for {} bytes of JSON", source,
                 text.size());
  } catch (const std::exception& e) {
    return error(ErrorCode::bad_format, "{}: {}", source, e.what());
  }
  const auto reached = static_cast<std::size_t>(furthest - text.data());
  return syntax_error(text, source, builder.position().value_or(reached), builder.problem());
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view source,
                                  const JsonLimits& limits) {
  return parse<nlohmann::json>(text, source, limits);
}

Result<nlohmann::ordered_json> parse_ordered_json(std::string_view text, std::string_view source,
                                                  const JsonLimits& limits) {
  return parse<nlohmann::ordered_json>(text, source, limits);
}

}  // namespace hadal
