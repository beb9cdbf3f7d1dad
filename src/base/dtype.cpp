#include "base/dtype.h"

#include "base/check.h"

namespace hadal {

const DTypeInfo& info(DType dtype) {
  static constexpr DTypeInfo kInfo[] = {
      {"F32", 1, 4},     {"F16", 1, 2},      {"BF16", 1, 2},       {"F8_E4M3", 1, 1},
      {"F8_E8M0", 1, 1}, {"FP4", 2, 1},      {"I8", 1, 1},         {"I32", 1, 4},
      {"I64", 1, 8},     {"U8", 1, 1},       {"Q8_0", 32, 34},     {"MXFP4", 32, 17},
      {"Q4_0", 32, 18},  {"Q4_K", 256, 144}, {"Q5_K", 256, 176},   {"Q6_K", 256, 210},
      {"Q2_K", 256, 84}, {"Q3_K", 256, 110}, {"IQ2_XXS", 256, 66}, {"IQ4_XS", 256, 136},
  };
  return kInfo[static_cast<std::size_t>(dtype)];
}

std::size_t bytes_of(DType dtype, std::size_t n) {
  const DTypeInfo& i = info(dtype);
  HADAL_DCHECK(n % i.block_elements == 0, "element count is a multiple of the block");
  return n / i.block_elements * i.block_bytes;
}

}  // namespace hadal
