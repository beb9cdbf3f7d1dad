// Matrix products by BLAS.
#include "train/kernels.h"

#include <cstdlib>
#include <string_view>

// BLAS has no header that every distribution installs at run time; these symbols are its stable
// ABI.
extern "C" {
void sgemm_(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void openblas_set_num_threads(int n) __attribute__((weak));
char* openblas_get_corename(void) __attribute__((weak));
}

namespace hadal::train {

void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          float alpha, const float* a, std::size_t lda, const float* b, std::size_t ldb, float beta,
          float* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  // Row-major C = A B is column-major C' = B' A'.
  const int m_ = static_cast<int>(n), n_ = static_cast<int>(m), k_ = static_cast<int>(k);
  const int lda_ = static_cast<int>(ldb), ldb_ = static_cast<int>(lda),
            ldc_ = static_cast<int>(ldc);
  const char ta = transpose_b ? 'T' : 'N', tb = transpose_a ? 'T' : 'N';
  sgemm_(&ta, &tb, &m_, &n_, &k_, &alpha, b, &lda_, a, &ldb_, &beta, c, &ldc_);
}

void use_single_threaded_blas() {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
}

const char* better_blas_core() {
  if (openblas_get_corename == nullptr || std::getenv("OPENBLAS_CORETYPE") != nullptr)
    return nullptr;
  const std::string_view chosen = openblas_get_corename();
  const bool sse_only = chosen == "Prescott" || chosen == "Core2" || chosen == "Katmai" ||
                        chosen == "Nehalem" || chosen == "Generic" || chosen == "generic";
  if (!sse_only) return nullptr;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
  return nullptr;
}

}  // namespace hadal::train
