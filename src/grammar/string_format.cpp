#include "grammar/string_format.h"

#include <utility>

namespace hadal::grammar {
namespace {

// Dates: months with their days; 29 February only in years that are multiples of 4, not of 100.
#define HADAL_DATE                                                      \
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"       \
  "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" \
  "[0-9]{2}(?:0[48]|[2468][048]|[13579][26])-02-29)"
#define HADAL_TIME                                               \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" \
  "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define HADAL_LABEL "[a-zA-Z0-9](?:[a-zA-Z0-9]{0,30}|[a-zA-Z0-9]{1,15}-[a-zA-Z0-9]{1,15})"
#define HADAL_OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

constexpr std::pair<std::string_view, std::string_view> kPatterns[] = {
    {"date", "^" HADAL_DATE "$"},
    {"time", "^" HADAL_TIME "$"},
    {"date-time", "^" HADAL_DATE "T" HADAL_TIME "$"},
    {"duration",
     "^P(?:[0-9]{1,4}W|[0-9]{1,4}D|T(?:[0-9]{1,4}H|[0-9]{1,4}M|[0-9]{1,4}S)|"
     "[0-9]{1,4}Y(?:[0-9]{1,2}M(?:[0-9]{1,2}D)?)?|[0-9]{1,2}M(?:[0-9]{1,2}D)?|"
     "[0-9]{1,4}DT(?:[0-9]{1,2}H(?:[0-9]{1,2}M(?:[0-9]{1,2}S)?)?|"
     "[0-9]{1,2}M(?:[0-9]{1,2}S)?|[0-9]{1,2}S)|"
     "T[0-9]{1,4}H[0-9]{1,2}M(?:[0-9]{1,2}S)?|T[0-9]{1,4}M[0-9]{1,2}S)$"},
    {"email", "^[a-zA-Z0-9_+-]{1,32}(?:\\.[a-zA-Z0-9_+-]{1,32}){0,2}@" HADAL_LABEL
              "(?:\\." HADAL_LABEL "){1,4}$"},
    {"hostname", "^" HADAL_LABEL "(?:\\." HADAL_LABEL "){0,4}$"},
    {"ipv4", "^" HADAL_OCTET "(?:\\." HADAL_OCTET "){3}$"},
    {"uuid", "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
    {"uri", "^[a-zA-Z][a-zA-Z0-9+.-]{1,15}://" HADAL_LABEL "(?:\\." HADAL_LABEL
            "){0,4}(?::[0-9]{1,4})?(?:/[a-zA-Z0-9._~!$&'()*+,;=:@-]*)*"
            "(?:\\?[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?(?:#[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?$"},
};

}  // namespace

std::optional<std::string_view> pattern_of_format(std::string_view format) {
  for (const auto& [name, pattern] : kPatterns)
    if (name == format) return pattern;
  return std::nullopt;
}

}  // namespace hadal::grammar
