#include "base/dtype.h"

#include "base/check.h"

namespace hadal {

const DTypeInfo& info(DType dtype) {
  static constexpr DTypeInfo kInfo[] = {
      {"F32", 1, 4},     {"F16", 1, 2}, {"BF16", 1, 2},   {"F8_E4M3", 1, 1},
      {"F8_E8M0", 1, 1}, {"FP4", 2, 1}, {"I8", 1, 1},     {"I32", 1, 4},
      {"I64", 1, 8},     {"U8", 1, 1},  {"Q8_0", 32, 34}, {"MXFP4", 32, 17},
  };
  return kInfo[static_cast<std::size_t>(dtype)];
}

std::size_t bytes_of(DType dtype, std::size_t n) {
  const DTypeInfo& i = info(dtype);
  HADAL_DCHECK(n % i.block_elements == 0, "element count is a multiple of the block");
  return n / i.block_elements * i.block_bytes;
}

}  // namespace hadal
