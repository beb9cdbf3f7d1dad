// The table of each domain; domains() in worlds/domain.h puts them into one list.
#pragma once

#include "worlds/domain.h"

namespace hadal::worlds {

extern const Domain kHouseholdDomain;
extern const Domain kSupplyDomain;
extern const Domain kIndustrialDomain;
extern const Domain kFinanceDomain;
extern const Domain kHealthcareDomain;
extern const Domain kManufacturingDomain;

/// A literal as a whole clause.
inline constexpr std::string_view kClause = "the {item} is {word}";

}  // namespace hadal::worlds
