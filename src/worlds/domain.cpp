#include "worlds/domain.h"

#include "base/random.h"
#include "worlds/domains/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace hadal::worlds {

std::span<const Domain> domains() {
  static const std::array kDomains = {kHouseholdDomain, kSupplyDomain,     kIndustrialDomain,
                                      kFinanceDomain,   kHealthcareDomain, kManufacturingDomain};
  return kDomains;
}

std::size_t n_values(const Property& property) noexcept {
  std::size_t n = 2;
  while (n < kMaxValues && !property.words[n].empty()) ++n;
  return n;
}

std::size_t n_nouns(const EntityType& type, std::size_t limit) noexcept {
  return limit == 0 ? type.nouns.size() : std::min(limit, type.nouns.size());
}

bool is_held_out_name(std::string_view adjective, std::string_view noun) {
  return splitmix64_mix(fnv1a64(adjective) ^ (fnv1a64(noun) * 3)) % 5 == 0;
}

Result<DomainChoice> parse_domain_choice(std::string_view names) {
  DomainChoice choice{.indices = {}};
  if (names == "all") {
    for (std::size_t i = 0; i < domains().size(); ++i) choice.indices.push_back(i);
    return choice;
  }
  for (bool more = true; more;) {
    const std::size_t comma = names.find(',');
    const std::string_view name = names.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) names.remove_prefix(comma + 1);
    const auto known = domains();
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const Domain& domain) { return domain.name == name; });
    if (found == known.end()) {
      std::string all;
      for (const Domain& domain : known) all += fmt::format("{}, ", domain.name);
      return error(ErrorCode::invalid_argument,
                   "no domain is called '{}'; there are {}and all for all of them", name, all);
    }
    const auto index = static_cast<std::size_t>(found - known.begin());
    if (std::find(choice.indices.begin(), choice.indices.end(), index) != choice.indices.end())
      return error(ErrorCode::invalid_argument, "domain {} is named twice", name);
    choice.indices.push_back(index);
  }
  return choice;
}

}  // namespace hadal::worlds
