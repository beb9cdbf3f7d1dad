// Random schemas, a model that emits random tokens: what ends by itself is valid JSON under a small
// validator that was written apart from the compiler.
#include "formats/json_limits.h"
#include "grammar/grammar_for_test.h"
#include "grammar/json_schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace hadal::grammar {
namespace {

using Json = nlohmann::ordered_json;

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool has_type(const Json& value, const std::string& type) {
  if (type == "integer")
    return value.is_number() && std::floor(value.get<double>()) == value.get<double>();
  if (type == "number") return value.is_number();
  return type == value.type_name();
}

// The keywords that RandomSchema uses. Later duplicates of a member count, as in most readers.
bool is_valid(const Json& value, const Json& schema, const Json& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  const auto bound = [&](const char* key, double otherwise) {
    return schema.contains(key) ? schema[key].get<double>() : otherwise;
  };
  const auto branch_ok = [&](const Json& branch) { return is_valid(value, branch, root); };
  if (schema.contains("$ref")) {
    const Json::json_pointer pointer(schema["$ref"].get<std::string>().substr(1));
    if (!is_valid(value, root[pointer], root)) return false;
  }
  if (schema.contains("anyOf") && std::ranges::none_of(schema["anyOf"], branch_ok)) return false;
  if (schema.contains("allOf") && !std::ranges::all_of(schema["allOf"], branch_ok)) return false;
  if (schema.contains("oneOf") && std::ranges::count_if(schema["oneOf"], branch_ok) != 1)
    return false;
  if (schema.contains("type") && !has_type(value, schema["type"].get<std::string>())) return false;
  if (schema.contains("enum") && std::ranges::count(schema["enum"], value) == 0) return false;
  if (schema.contains("const") && schema["const"] != value) return false;
  if (value.is_string()) {
    const auto n = static_cast<double>(code_points(value.get<std::string>()));
    if (n < bound("minLength", 0) || n > bound("maxLength", 1e9)) return false;
    if (schema.contains("pattern")) {  // one of kPatterns
      const std::string text = value.get<std::string>();
      const bool is_first = schema["pattern"] == "^[a-z]{1,8}$";
      if (is_first && (text.empty() || text.size() > 8)) return false;
      if (is_first && !std::ranges::all_of(text, [](char c) { return c >= 'a' && c <= 'z'; }))
        return false;
      if (!is_first && text.find("x\"") == std::string::npos) return false;
    }
  }
  if (value.is_number()) {
    const double x = value.get<double>();
    if (x < bound("minimum", -1e300) || x > bound("maximum", 1e300)) return false;
    if (x <= bound("exclusiveMinimum", -1e300)) return false;
  }
  if (value.is_array()) {
    const auto n = static_cast<double>(value.size());
    if (n < bound("minItems", 0) || n > bound("maxItems", 1e9)) return false;
    const Json prefix = schema.value("prefixItems", Json::array());
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i < prefix.size()) {
        if (!is_valid(value[i], prefix[i], root)) return false;
      } else if (schema.contains("items") && !is_valid(value[i], schema["items"], root)) {
        return false;
      }
    }
  }
  if (value.is_object()) {
    for (const Json& name : schema.value("required", Json::array()))
      if (!value.contains(name.get<std::string>())) return false;
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, member] : value.items()) {
      if (properties.contains(name)) {
        if (!is_valid(member, properties[name], root)) return false;
      } else if (schema.contains("additionalProperties") &&
                 !is_valid(member, schema["additionalProperties"], root)) {
        return false;
      }
    }
  }
  return true;
}

class RandomSchema {
 public:
  explicit RandomSchema(std::uint64_t seed) : random_(seed) {}

  Json document() {
    Json root = schema(3);
    for (int i = 0; i < 2; ++i) root["$defs"][fmt::format("d{}", i)] = schema(1);
    return root;
  }

 private:
  std::uint32_t below(std::uint32_t n) { return random_.below(n); }

  Json constant() {
    const Json all[] = {
        "a", "b\"\n", "漢é", 1, 0, -17, 2.5, true, nullptr, Json::array({1, "x"}), Json{{"k", 1}}};
    return all[below(11)];
  }

  Json string() {
    Json made = {{"type", "string"}};
    const std::uint32_t low = below(6);
    made["maxLength"] = low + below(10);
    if (below(2)) made["minLength"] = low;
    if (below(4) == 0) made["pattern"] = below(2) ? "^[a-z]{1,8}$" : "x\"";
    if (made.contains("pattern")) made["minLength"] = 0, made["maxLength"] = 2 + below(9);
    return made;
  }

  Json number() {
    Json made = {{"type", below(2) ? "integer" : "number"}};
    const int low = static_cast<int>(below(2000)) - 1000;
    if (below(2)) made["minimum"] = below(2) ? Json(low) : Json(low + 0.25);
    if (below(3) == 0) made["exclusiveMinimum"] = low - 1;
    if (below(2)) made["maximum"] = low + 1 + static_cast<int>(below(5000));
    return made;
  }

  Json array(int depth) {
    const std::uint32_t low = below(3);
    Json made = {{"type", "array"}, {"items", schema(depth - 1)}, {"minItems", low}};
    made["maxItems"] = low + below(3);
    if (below(3) == 0)
      for (std::uint32_t i = 1 + below(2); i > 0; --i)
        made["prefixItems"].push_back(schema(depth - 1));
    return made;
  }

  Json object(int depth) {
    Json made = {{"type", "object"}};
    const char* const names[] = {"name", "x", "a\"b", "é", "the thing", "value"};
    for (const char* name : names) {
      if (below(3) == 0) continue;
      made["properties"][name] = schema(depth - 1);
      if (below(2)) made["required"].push_back(name);
    }
    if (below(3)) {
      made["additionalProperties"] = false;
    } else {
      made["additionalProperties"] = schema(0);
    }
    if (below(5) == 0) made["required"].push_back("x");
    return made;
  }

  Json schema(int depth) {
    switch (below(depth > 0 ? 12 : 5)) {
      case 0:
        return string();
      case 1:
        return number();
      case 2:
        return Json{{"type", below(2) ? "boolean" : "null"}};
      case 3: {
        Json values = Json::array();
        for (std::uint32_t n = 1 + below(4); n > 0; --n) values.push_back(constant());
        return Json{{"enum", values}};
      }
      case 4:
        return Json{{"const", constant()}};
      case 5:
      case 6:
        return array(depth);
      case 7:
        return Json{{"anyOf", Json::array({schema(depth - 1), schema(depth - 1)})}};
      case 8:
        return Json{{"oneOf", Json::array({object(depth), array(depth), string()})}};
      case 9: {
        Json made = object(depth);
        made["allOf"] = Json::array({object(depth - 1)});
        return made;
      }
      case 10:
        return depth == 3 || depth == 2 ? Json{{"$ref", below(2) ? "#/$defs/d0" : "#/$defs/d1"}}
                                        : string();
      default:
        return object(depth);
    }
  }

  RandomStream random_;
};

TEST(RandomSchema, RandomTokensEndInValidJson) {
  constexpr int kSchemas = 1200, kTexts = 1, kMaxTokens = 2000;
  int n_compiled = 0, n_texts = 0, n_ended = 0;
  const auto vocabulary = byte_vocabulary(random_tokens(77, 600));
  for (std::uint64_t seed = 0; seed < kSchemas; ++seed) {
    const Json schema = RandomSchema(seed).document();
    const auto grammar = compile_json_schema(schema, "schema");
    if (!grammar) {  // contradictions happen: an object that must and must not have a member
      EXPECT_EQ(grammar.error().code, ErrorCode::invalid_argument)
          << grammar.error().message << " in " << schema;
      continue;
    }
    ++n_compiled;
    const auto constraint =
        std::make_shared<Constraint>(std::make_shared<const Grammar>(*grammar), vocabulary);
    for (int text = 0; text < kTexts; ++text) {
      RandomStream random(seed * 100 + static_cast<std::uint64_t>(text));
      Matcher matcher(constraint);
      std::string bytes;
      for (int i = 0; i < kMaxTokens && !matcher.is_ended(); ++i) {
        const std::int32_t token = random_token(matcher.mask(), random);
        ASSERT_GE(token, 0) << "dead end behind " << bytes << " under " << schema;
        ASSERT_TRUE(matcher.accept_token(token)) << bytes << " under " << schema;
        bytes += vocabulary->spelled(token);
      }
      ++n_texts;
      if (!matcher.is_ended()) continue;
      ++n_ended;
      const JsonLimits limits{.duplicate_keys = DuplicateKeys::last_wins};
      const auto value = parse_ordered_json(bytes, "text", limits);
      ASSERT_TRUE(value.has_value()) << value.error().message << ": " << bytes;
      ASSERT_TRUE(is_valid(*value, schema, schema))
          << bytes << "\nunder " << schema << "\nseed " << seed;
    }
  }
  fmt::print("{} of {} schemas, {} of {} texts ended\n", n_compiled, kSchemas, n_ended, n_texts);
  EXPECT_GE(n_compiled, 1000);
  EXPECT_GE(n_ended * 100, n_texts * 95);
}

}  // namespace
}  // namespace hadal::grammar
