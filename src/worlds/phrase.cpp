#include "worlds/phrase.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace hadal::worlds {
namespace {

const std::string& item_of(const World& world, Literal literal) {
  return world.entities[world.variables[literal.variable].entity].name;
}

/// The literals, each as `words` puts it, with " and " between.
std::string conjunction(const World& world, std::span<const Literal> literals,
                        std::string (*words)(const World&, Literal)) {
  std::string text;
  for (Literal l : literals) {
    if (!text.empty()) text += " and ";
    text += words(world, l);
  }
  return text;
}

/// Of mechanisms and observations, then of questions and answers.
constexpr std::string_view kCompactGrammar[] = {
    "if",   "then", "and",  "nothing", "what",     "did",       "would",  "still", "was",
    "next", "can",  "goal", "missing", "yes",      "no",        "none",   "not",   "because",
    "do",   "so",   "by",   "needed",  "happened", "reachable", "without"};

struct Filling {
  std::string_view placeholder;
  std::string_view text;
};

std::string fill(std::string_view phrasing, std::span<const Filling> fillings) {
  std::string text;
  for (std::size_t i = 0; i < phrasing.size();) {
    const std::string_view rest = phrasing.substr(i);
    const auto match = std::find_if(fillings.begin(), fillings.end(), [&](const Filling& f) {
      return rest.starts_with(f.placeholder);
    });
    if (match == fillings.end()) {
      text += phrasing[i++];
    } else {
      text += match->text;
      i += match->placeholder.size();
    }
  }
  return text;
}

std::string literal_text(const World& world, Literal literal, std::string_view form) {
  const Filling fillings[] = {{"{item}", item_of(world, literal)},
                              {"{word}", word_of(world, literal)}};
  return fill(form, fillings);
}

}  // namespace

std::string sentence(const World& world, Literal literal) {
  return fmt::format("the {} is {}", item_of(world, literal), word_of(world, literal));
}

std::string negated_sentence(const World& world, Literal literal) {
  return fmt::format("the {} is not {}", item_of(world, literal), word_of(world, literal));
}

std::string short_form(const World& world, Literal literal) {
  return literal_text(world, literal, world.domain->literal);
}

std::string effects_text(const World& world, std::span<const Literal> literals) {
  std::string text;
  for (Literal l : literals) {
    if (!text.empty()) text += ", ";
    text += sentence(world, l);
  }
  return text + ".";
}

std::string mechanism_text(const World& world, const Mechanism& mechanism) {
  const Domain& domain = *world.domain;
  const std::string pre = conjunction(world, mechanism.pre, short_form);
  const std::string eff = conjunction(world, mechanism.eff, short_form);
  if (mechanism.kind == MechanismKind::law) {
    const Filling fillings[] = {{"{pre}", pre}, {"{eff}", eff}};
    return fill(domain.law_phrasings[mechanism.phrasing], fillings);
  }
  const auto& phrasings = pre.empty() ? domain.free_action_phrasings : domain.action_phrasings;
  const Filling fillings[] = {{"{tool}", tool_name(world, mechanism)},
                              {"{item}", item_name(world, mechanism)},
                              {"{pre}", pre},
                              {"{eff}", eff}};
  return fill(phrasings[mechanism.phrasing], fillings);
}

std::string goal_text(const World& world) {
  return goal_text(world, world.goal);
}

std::string goal_text(const World& world, std::span<const Literal> goal) {
  const std::string words = conjunction(world, goal, short_form);
  const Filling fillings[] = {{"{goal}", words}};
  return fill(world.domain->goal_phrasings[world.goal_phrasing], fillings);
}

std::string sentences(const World& world, std::span<const Literal> literals) {
  return conjunction(world, literals, sentence);
}

std::vector<std::string_view> tool_names(const World& world) {
  std::vector<std::string_view> names;
  for (const Mechanism& m : world.mechanisms)
    if (m.kind == MechanismKind::action) names.push_back(tool_name(world, m));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string compact_literals(const World& world, std::span<const Literal> literals) {
  return conjunction(world, literals, [](const World& w, Literal l) {
    return fmt::format("{} {}", item_of(w, l), word_of(w, l));
  });
}

std::string compact_mechanism(const World& world, const Mechanism& mechanism) {
  std::string text;
  if (mechanism.kind == MechanismKind::action) text = compact_call(world, mechanism) + " ";
  if (!mechanism.pre.empty()) text += "if " + compact_literals(world, mechanism.pre) + " ";
  return text + "then " + compact_literals(world, mechanism.eff);
}

std::string compact_call(const World& world, const Mechanism& action) {
  return fmt::format("{} {}", tool_name(world, action), item_name(world, action));
}

std::vector<std::string> compact_words(std::size_t nouns_per_type) {
  std::vector<std::string> words;
  std::set<std::string_view> known;
  const auto add = [&](std::string_view word) {
    if (known.insert(word).second) words.emplace_back(word);
  };
  for (std::string_view word : kCompactGrammar) add(word);
  for (const Domain& domain : domains()) {
    add(domain.name);
    for (std::string_view adjective : domain.adjectives) add(adjective);
    for (const EntityType& type : domain.types)
      for (std::string_view noun : type.nouns.first(n_nouns(type, nouns_per_type))) add(noun);
    for (const Property& property : domain.properties) {
      for (std::size_t value = 0; value < n_values(property); ++value) {
        add(property.words[value]);
        add(property.tools[value]);
      }
    }
  }
  return words;
}

std::string system_line(const World& world) {
  return fmt::format("{}; tools: {}.", world.domain->name, fmt::join(tool_names(world), ", "));
}

}  // namespace hadal::worlds
