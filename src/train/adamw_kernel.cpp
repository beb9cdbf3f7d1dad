// The update of AdamW.
#include "train/kernels.h"

#include <cmath>

namespace hadal::train {

void adamw_update(std::size_t n, const AdamStep& s, float gradient_scale, const float* gradient,
                  float* value, float* m, float* v) {
  const float keep = 1.0f - s.learning_rate * s.weight_decay,
              rate = s.learning_rate / s.correction1;
  const float root = 1.0f / std::sqrt(s.correction2);
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] * gradient_scale;
    m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * g * g;
    value[i] = keep * value[i] - rate * m[i] / (std::sqrt(v[i]) * root + s.epsilon);
  }
}

}  // namespace hadal::train
