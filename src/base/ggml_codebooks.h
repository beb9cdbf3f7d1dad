// Tables of numbers that ggml's look-up types refer to. They are facts of the file format.
#pragma once

#include <bit>
#include <cstdint>

namespace hadal {

/// The sixteen values of IQ4_NL and IQ4_XS codes (ggml: kvalues_iq4nl).
inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

/// The three magnitudes of an IQ2_XXS element.
inline constexpr std::uint8_t kIq2Magnitudes[3] = {8, 25, 43};

/// The 256 patterns of eight IQ2_XXS magnitudes (ggml: iq2xxs_grid): bits 2i and 2i+1 of an entry
/// index kIq2Magnitudes for element i.
extern const std::uint16_t kIq2XxsPatterns[256];

/// The signs of eight elements from their seven stored bits: bit i is set when element i is
/// negative, and the eighth bit makes the number of negative elements even (ggml: ksigns_iq2xs).
constexpr unsigned iq2_signs(unsigned seven_bits) noexcept {
  return seven_bits | (static_cast<unsigned>(std::popcount(seven_bits)) & 1u) << 7;
}

}  // namespace hadal
