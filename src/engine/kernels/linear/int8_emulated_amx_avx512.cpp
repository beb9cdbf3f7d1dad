// AMX-INT8 in plain C++, by the Intel SDM's words for TDPBSUD: for the test of everything around
// the tile instructions on CPUs that lack them.
#include "engine/kernels/linear/int8_emulated_amx.h"
#include "engine/kernels/linear/int8_simd.h"

namespace hadal {
namespace {

struct EmulatedUnit {
  static constexpr bool kExists = true;
  struct Session {};

  template <std::size_t K>
  static void multiply(const std::int8_t* tokens, const std::uint8_t* weights,
                       std::int32_t* products) {
    for (std::size_t t = 0; t < TokenRows::kTokens; ++t)
      for (std::size_t r = 0; r < 16; ++r) {
        std::int32_t sum = 0;
        for (std::size_t k = 0; k < K; ++k)
          sum += tokens[t * kInt8Block + k] * weights[k / 4 * 64 + 4 * r + k % 4];
        products[t * 16 + r] = sum;
      }
  }
};

}  // namespace

const LinearKernels kInt8EmulatedAmx = int8_kernels<EmulatedUnit>();

}  // namespace hadal
