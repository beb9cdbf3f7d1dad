#include "grammar/number_range.h"

#include "grammar/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal::grammar {
namespace {

// Bounds of a number that is not negative.
struct Magnitudes {
  Decimal low;
  std::optional<Decimal> high;
  bool is_low_exclusive = false, is_high_exclusive = false;
};

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int order = a.whole.compare(b.whole); order != 0) return order;
  return a.fraction.compare(b.fraction);  // digits behind the point compare like text
}

bool is_empty(const Magnitudes& range) {
  if (!range.high) return false;
  const int order = compare_magnitudes(range.low, *range.high);
  return order > 0 || (order == 0 && (range.is_low_exclusive || range.is_high_exclusive));
}

std::optional<Magnitudes> positive_part(const NumberRange& range) {
  if (range.high && range.high->is_negative && !range.high->is_zero()) return std::nullopt;
  Magnitudes part{{}, range.high, false, range.is_high_exclusive};
  if (range.low && !range.low->is_negative) {
    part.low = *range.low;
    part.is_low_exclusive = range.is_low_exclusive;
  }
  if (is_empty(part)) return std::nullopt;
  return part;
}

std::optional<Magnitudes> negative_part(const NumberRange& range) {
  if (range.low && !range.low->is_negative) return std::nullopt;
  Magnitudes part{{}, range.low, true, range.is_low_exclusive};  // -0 is left to the other part
  if (range.high && range.high->is_negative && !range.high->is_zero()) {
    part.low = *range.high;
    part.is_low_exclusive = range.is_high_exclusive;
  }
  if (is_empty(part)) return std::nullopt;
  return part;
}

class RangeWriter {
 public:
  RangeWriter(GrammarBuilder& builder, StateId next) : builder_(builder), next_(next) {}

  // All texts of digits between low and high, which are of the same length.
  StateId digits(std::string_view low, std::string_view high, StateId next) {
    if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos) {
      for (std::size_t i = 0; i < low.size(); ++i) next = builder_.byte_range('0', '9', next);
      return next;
    }
    const auto first = static_cast<std::uint8_t>(low.front());
    const auto last = static_cast<std::uint8_t>(high.front());
    const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
    if (first == last) return builder_.byte_range(first, first, digits(low_rest, high_rest, next));
    const std::string nines(low_rest.size(), '9'), zeros(low_rest.size(), '0');
    std::vector<Edge> edges = {{first, first, digits(low_rest, nines, next)},
                               {last, last, digits(zeros, high_rest, next)}};
    if (last - first > 1) {
      edges.push_back({static_cast<std::uint8_t>(first + 1), static_cast<std::uint8_t>(last - 1),
                       digits(zeros, nines, next)});
    }
    return builder_.read(std::move(edges));
  }

  // Whole numbers from low to high (nothing: as many digits as we write), no leading zeros.
  StateId whole(const std::string& low, const std::optional<std::string>& high, StateId next) {
    std::vector<StateId> lengths;
    const std::size_t longest = high ? high->size() : kMaxIntegerDigits;
    for (std::size_t n = low.size(); n <= longest; ++n) {
      std::string from = low;
      if (n > low.size()) {
        from.assign(n, '0');
        from[0] = '1';
      }
      const std::string to = high && n == high->size() ? *high : std::string(n, '9');
      if (from <= to) lengths.push_back(digits(from, to, next));
    }
    return builder_.split(std::move(lengths));
  }

  StateId integers(const Magnitudes& range) {
    std::string low = range.low.whole;
    if (!range.low.fraction.empty() || range.is_low_exclusive) low = plus_one(low);
    std::optional<std::string> high;
    if (range.high) {
      high = range.high->whole;
      if (range.is_high_exclusive && range.high->fraction.empty()) {
        if (*high == "0") return builder_.split({});
        high = minus_one(*high);
      }
      if (is_less(*high, low)) return builder_.split({});
    }
    return whole(low, high, next_);
  }

  StateId numbers(const Magnitudes& range) {
    std::vector<StateId> ways;
    const std::string low = range.low.whole;
    if (range.high && range.high->whole == low) {
      return whole(low, low, fraction(&range, &range));
    }
    ways.push_back(whole(low, low, fraction(&range, nullptr)));
    std::optional<std::string> last_free;
    if (range.high) {
      ways.push_back(whole(range.high->whole, range.high->whole, fraction(nullptr, &range)));
      last_free = minus_one(range.high->whole);
    }
    const std::string first_free = plus_one(low);
    if (!last_free || !is_less(*last_free, first_free))
      ways.push_back(whole(first_free, last_free, fraction(nullptr, nullptr)));
    return builder_.split(std::move(ways));
  }

 private:
  static bool is_less(const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }
  static std::string plus_one(std::string digits) {
    for (std::size_t i = digits.size(); i-- > 0;) {
      if (digits[i]++ != '9') return digits;
      digits[i] = '0';
    }
    digits.insert(digits.begin(), '1');
    return digits;
  }
  static std::string minus_one(std::string digits) {  // > 0
    for (std::size_t i = digits.size(); i-- > 0;) {
      if (digits[i]-- != '0') break;
      digits[i] = '9';
    }
    if (digits.size() > 1 && digits[0] == '0') digits.erase(0, 1);
    return digits;
  }

  // What may follow a whole part that equals that of a bound: `low`, `high` are the bounds that
  // still bind.
  StateId fraction(const Magnitudes* low, const Magnitudes* high) {
    const StateId digits = fraction_digits(0, low, high);
    const StateId with_point = builder_.literal(".", digits);
    if (may_end(0, low, high)) return builder_.split({next_, with_point});
    return with_point;
  }

  // Whether the digits so far, which equal the first `at` digits of the binding bounds, may end.
  static bool may_end(std::size_t at, const Magnitudes* low, const Magnitudes* high) {
    if (low != nullptr) {
      if (low->low.fraction.size() > at) return false;  // below it
      if (low->is_low_exclusive) return false;
    }
    if (high != nullptr && high->high->fraction.size() <= at && high->is_high_exclusive)
      return false;
    return true;
  }

  static std::uint8_t digit_of(const std::string& fraction, std::size_t at) {
    return static_cast<std::uint8_t>(at < fraction.size() ? fraction[at] : '0');
  }

  StateId fraction_digits(std::size_t at, const Magnitudes* low, const Magnitudes* high) {
    if (low == nullptr && high == nullptr) return free_digits(at, /*min=*/1);
    if (at >= kMaxFractionDigits) return builder_.split({});
    std::vector<Edge> edges;
    const std::uint8_t from = low != nullptr ? digit_of(low->low.fraction, at) : '0';
    const std::uint8_t to = high != nullptr ? digit_of(high->high->fraction, at) : '9';
    const auto add = [&](int first, int last, const Magnitudes* low_then,
                         const Magnitudes* high_then) {
      if (first > last) return;
      const StateId then = behind_digit(at + 1, low_then, high_then);
      edges.push_back({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last), then});
    };
    if (low != nullptr && high != nullptr) {
      if (from == to) {
        add(from, to, low, high);
      } else if (from < to) {
        add(from, from, low, nullptr);
        add(from + 1, to - 1, nullptr, nullptr);
        add(to, to, nullptr, high);
      }
    } else if (low != nullptr) {
      add(from, from, low, nullptr);
      add(from + 1, '9', nullptr, nullptr);
    } else {
      add('0', to - 1, nullptr, nullptr);
      add(to, to, nullptr, high);
    }
    return builder_.read(std::move(edges));
  }

  StateId behind_digit(std::size_t at, const Magnitudes* low, const Magnitudes* high) {
    if (low == nullptr && high == nullptr) return free_digits(at, /*min=*/0);
    const StateId more = fraction_digits(at, low, high);
    return may_end(at, low, high) ? builder_.split({next_, more}) : more;
  }

  StateId free_digits(std::size_t at, std::uint32_t min) {
    return builder_.repeat(builder_.byte_range('0', '9', kReturn), min,
                           static_cast<std::uint32_t>(kMaxFractionDigits - at), next_);
  }

  GrammarBuilder& builder_;
  StateId next_;
};

template <typename Write>
StateId both_signs(GrammarBuilder& builder, const NumberRange& range, Write&& write) {
  std::vector<StateId> ways;
  if (const auto part = positive_part(range)) ways.push_back(write(*part));
  if (const auto part = negative_part(range)) ways.push_back(builder.literal("-", write(*part)));
  return builder.split(std::move(ways));
}

}  // namespace

std::optional<Decimal> Decimal::from(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value),
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  digits.erase(std::remove(digits.begin(), digits.end(), '.'), digits.end());
  int exponent = 0;
  const std::size_t sign_end = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + sign_end, end, exponent);

  const int n_whole = exponent + 1;  // digits before the point
  const int limit = static_cast<int>(kMaxBoundDigits);
  if (n_whole > limit || n_whole < -limit) return std::nullopt;
  if (n_whole <= 0) digits.insert(0, static_cast<std::size_t>(1 - n_whole), '0');
  const auto split = static_cast<std::size_t>(std::max(n_whole, 1));
  if (digits.size() < split) digits.append(split - digits.size(), '0');
  Decimal decimal{value < 0, digits.substr(0, split), digits.substr(split)};
  while (!decimal.fraction.empty() && decimal.fraction.back() == '0') decimal.fraction.pop_back();
  if (decimal.fraction.size() > kMaxBoundDigits) return std::nullopt;
  return decimal;
}

std::optional<Decimal> Decimal::from_integer(std::string_view digits) {
  const bool is_negative = digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  if (digits.size() > kMaxBoundDigits) return std::nullopt;
  return Decimal{is_negative, std::string(digits), {}};
}

int compare(const Decimal& a, const Decimal& b) {
  const bool a_negative = a.is_negative && !a.is_zero(), b_negative = b.is_negative && !b.is_zero();
  if (a_negative != b_negative) return a_negative ? -1 : 1;
  const int order = compare_magnitudes(a, b);
  return a_negative ? -order : order;
}

StateId json_integer_in(GrammarBuilder& builder, const NumberRange& range, StateId next) {
  return both_signs(builder, range, [&](const Magnitudes& part) {
    return RangeWriter(builder, next).integers(part);
  });
}

StateId json_number_in(GrammarBuilder& builder, const NumberRange& range, StateId next) {
  return both_signs(builder, range, [&](const Magnitudes& part) {
    return RangeWriter(builder, next).numbers(part);
  });
}

}  // namespace hadal::grammar
