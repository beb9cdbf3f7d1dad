#include "engine/model/step.h"

#include <algorithm>

namespace hadal {

Rows<const float> linear_input(Step& s, Rows<const float> x) {
  constexpr std::size_t kBlock =
      128;  // quantization_config.activation_scheme: dynamic, per 1 x 128
  if (!s.fake_quant) return x;
  const Rows<float> copy = s.scratch.rows(x.n, x.width);
  for (std::size_t i = 0; i < x.n; ++i) std::copy_n(x[i], x.width, copy[i]);
  fake_quant_e4m3(copy, kBlock);
  return copy;
}

}  // namespace hadal
