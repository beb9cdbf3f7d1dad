#include "agent/fact_reader.h"

#include "worlds/phrase.h"

#include <fmt/format.h>

#include <cctype>
#include <sstream>

namespace hadal {
namespace {

using worlds::Literal;
using worlds::World;

std::string plain_words(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    const bool is_mark = std::string_view(".?!,\"").find(c) != std::string_view::npos;
    letters += is_mark ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::istringstream words(letters);
  std::string plain;
  for (std::string word; words >> word;) {
    if (word == "the" || word == "a" || word == "an" || word == "is" || word == "are") continue;
    plain += (plain.empty() ? "" : " ") + word;
  }
  return plain;
}

}  // namespace

Result<Literal> read_fact(const World& world, std::string_view text) {
  const std::string words = plain_words(text);
  for (std::size_t v = 0; v < world.variables.size(); ++v) {
    for (const bool value : {false, true}) {
      const Literal literal{static_cast<std::uint8_t>(v), value};
      if (words == plain_words(worlds::sentence(world, literal))) return literal;
      if (words == plain_words(worlds::negated_sentence(world, literal)))
        return Literal{literal.variable, !value};
    }
  }
  return error(ErrorCode::invalid_argument,
               "\"{}\" is no fact of this world, which knows whether\n{}", text,
               known_facts(world));
}

Result<std::vector<Literal>> read_goal(const World& world, std::string_view text) {
  constexpr std::string_view kAnd = " and ";
  std::vector<Literal> goal;
  while (true) {
    const std::size_t end = text.find(kAnd);
    HADAL_ASSIGN(const Literal literal, read_fact(world, text.substr(0, end)));
    goal.push_back(literal);
    if (end == std::string_view::npos) return goal;
    text.remove_prefix(end + kAnd.size());
  }
}

std::string known_facts(const World& world) {
  std::string lines;
  for (std::size_t v = 0; v < world.variables.size(); ++v) {
    const auto variable = static_cast<std::uint8_t>(v);
    lines += fmt::format("  {} or {}\n", worlds::sentence(world, {variable, false}),
                         worlds::word_of(world, {variable, true}));
  }
  if (!lines.empty()) lines.pop_back();
  return lines;
}

}  // namespace hadal
