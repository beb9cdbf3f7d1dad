// JSON numbers between two bounds, as digits.
#pragma once

#include "base/result.h"
#include "grammar/grammar_builder.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal::grammar {

/// A bound as decimal digits: sign, whole part without leading zeros ("0" for none), fraction
/// without trailing zeros.
struct Decimal {
  bool is_negative = false;
  std::string whole = "0", fraction;

  /// The shortest decimal that means the double; nothing beyond kMaxBoundDigits digits on a side.
  static std::optional<Decimal> from(double value);
  /// `digits`: of an integer, perhaps behind a minus sign.
  static std::optional<Decimal> from_integer(std::string_view digits);
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};
inline constexpr std::size_t kMaxBoundDigits = 18;

/// < 0, 0, > 0 as a is below, equal to, above b.
int compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> low, high;
  bool is_low_exclusive = false, is_high_exclusive = false;
};

/// Integers of the range, at most kMaxIntegerDigits digits; no fraction, no exponent, no "-0".
StateId json_integer_in(GrammarBuilder& builder, const NumberRange& range, StateId next);

/// Numbers of the range: digits and at most kMaxFractionDigits behind the point; no exponent, no
/// "-0".
StateId json_number_in(GrammarBuilder& builder, const NumberRange& range, StateId next);

}  // namespace hadal::grammar
