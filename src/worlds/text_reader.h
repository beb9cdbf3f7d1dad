// Reads the texts of mechanisms, facts and goals back, for tests. It knows the domain's table and
// nothing of the code that writes. Every reading that the words allow is found, so that a text with
// two meanings shows.
#pragma once

#include "worlds/domain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::worlds {

/// Literals are "red pan hot", whatever the phrasing of the domain.
struct ReadMechanism {
  bool is_law = false;
  std::string call;  // "heat red pan"; empty for a law
  std::vector<std::string> pre, eff;
  friend bool operator==(const ReadMechanism&, const ReadMechanism&) = default;
};

class TextReader {
 public:
  explicit TextReader(const Domain& domain) : domain_(&domain) {
    for (const EntityType& type : domain.types)
      for (std::string_view noun : type.nouns) types_[noun] = &type;
    for (const Property& p : domain.properties)
      for (std::size_t v = 0; v < n_values(p); ++v) properties_[p.words[v]] = &p;
  }

  /// All readings of a mechanism's text, over all phrasings.
  std::vector<ReadMechanism> mechanism(std::string_view text) const {
    std::vector<ReadMechanism> readings;
    for (std::size_t p = 0; p < kPhrasings; ++p) {
      for (const Binding& b : matches(domain_->action_phrasings[p], text)) add(readings, b, false);
      for (const Binding& b : matches(domain_->free_action_phrasings[p], text))
        add(readings, b, false);
      for (const Binding& b : matches(domain_->law_phrasings[p], text)) add(readings, b, true);
    }
    return readings;
  }

  /// All readings of a goal's text: its literals.
  std::vector<std::vector<std::string>> goal(std::string_view text) const {
    std::vector<std::vector<std::string>> readings;
    for (std::string_view phrasing : domain_->goal_phrasings)
      for (const Binding& b : matches(phrasing, text))
        if (const auto goal = literals(b.at("{goal}"))) readings.push_back(*goal);
    return readings;
  }

  /// "the red pan is hot" -> "red pan hot"
  std::optional<std::string> sentence(std::string_view text) const {
    return literal("the {item} is {word}", text);
  }

  /// The literals that cannot hold together with this one.
  std::vector<std::string> opposites(const std::string& literal) const {
    const std::size_t space = literal.rfind(' ');
    const Property& property = *properties_.at(literal.substr(space + 1));
    std::vector<std::string> others;
    for (std::size_t v = 0; v < n_values(property); ++v) {
      others.push_back(literal.substr(0, space + 1) + std::string(property.words[v]));
      if (others.back() == literal) others.pop_back();
    }
    return others;
  }

 private:
  using Binding = std::map<std::string_view, std::string_view>;  // placeholder -> text

  static std::vector<Binding> matches(std::string_view form, std::string_view text) {
    std::vector<Binding> found;
    Binding binding;
    match(form, text, binding, found);
    return found;
  }

  static void match(std::string_view form, std::string_view text, Binding& binding,
                    std::vector<Binding>& found) {
    const std::string_view plain = form.substr(0, form.find('{'));
    if (!text.starts_with(plain)) return;
    form.remove_prefix(plain.size());
    text.remove_prefix(plain.size());
    if (form.empty()) {
      if (text.empty()) found.push_back(binding);
      return;
    }
    const std::size_t end = form.find('}') + 1;
    const std::string_view rest = form.substr(end);
    const std::string_view next = rest.substr(0, rest.find('{'));
    for (std::size_t n = 1; n <= text.size(); ++n) {
      if (!text.substr(n).starts_with(next)) continue;
      binding[form.substr(0, end)] = text.substr(0, n);
      match(rest, text.substr(n), binding, found);
    }
    binding.erase(form.substr(0, end));
  }

  bool is_item(std::string_view text) const {
    const std::size_t space = text.find(' ');
    return space != std::string_view::npos && types_.contains(text.substr(space + 1)) &&
           contains(domain_->adjectives, text.substr(0, space));
  }

  template <typename Range, typename Value>
  static bool contains(const Range& range, const Value& value) {
    return std::find(std::begin(range), std::end(range), value) != std::end(range);
  }

  std::optional<std::string> literal(std::string_view form, std::string_view text) const {
    for (const Binding& b : matches(form, text)) {
      const std::string_view item = b.at("{item}");
      const auto property = properties_.find(b.at("{word}"));
      if (property == properties_.end() || !is_item(item)) continue;
      const auto& of_type = types_.at(item.substr(item.find(' ') + 1))->properties;
      const auto index = static_cast<std::uint8_t>(property->second - domain_->properties.data());
      if (contains(of_type, index)) return std::string(item) + " " + std::string(property->first);
    }
    return std::nullopt;
  }

  std::optional<std::vector<std::string>> literals(std::string_view text) const {
    constexpr std::string_view kAnd = " and ";
    std::vector<std::string> found;
    for (bool more = true; more;) {
      const std::size_t end = text.find(kAnd);
      more = end != std::string_view::npos;
      const auto one = literal(domain_->literal, text.substr(0, end));
      if (!one) return std::nullopt;
      found.push_back(*one);
      if (more) text.remove_prefix(end + kAnd.size());
    }
    return found;
  }

  bool is_tool(std::string_view text) const {
    return std::any_of(domain_->properties.begin(), domain_->properties.end(),
                       [&](const Property& p) { return contains(p.tools, text); });
  }

  void add(std::vector<ReadMechanism>& readings, const Binding& b, bool is_law) const {
    ReadMechanism m;
    m.is_law = is_law;
    if (!is_law) {
      if (!is_tool(b.at("{tool}")) || !is_item(b.at("{item}"))) return;
      m.call = std::string(b.at("{tool}")) + " " + std::string(b.at("{item}"));
    }
    if (b.contains("{pre}")) {
      const auto pre = literals(b.at("{pre}"));
      if (!pre) return;
      m.pre = *pre;
    }
    const auto eff = literals(b.at("{eff}"));
    if (!eff) return;
    m.eff = *eff;
    readings.push_back(std::move(m));
  }

  const Domain* domain_;
  std::map<std::string_view, const EntityType*> types_;     // by noun
  std::map<std::string_view, const Property*> properties_;  // by word
};

}  // namespace hadal::worlds
