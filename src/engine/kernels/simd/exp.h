// Vector exp.
#pragma once

#include "engine/kernels/simd/simd.h"

#include <initializer_list>

namespace hadal {
namespace {

/// e^x within 2 ulp for all floats, subnormal results included (exp_test over a dense grid): x = n
/// ln 2 + r, |r| <= ln 2 / 2, and the Taylor polynomial of degree 7, whose truncation error is
/// 0.3466^8 / 8! < 2^-27. -inf gives 0, overflow gives inf, NaN stays NaN.
inline Simd::Vec exp_simd(Simd::Vec x) {
  using S = Simd;
  x = S::max(S::set1(-105.0f), S::min(S::set1(100.0f), x));  // 0 and inf lie inside; keeps NaN
  const S::Vec n = S::round(S::mul(x, S::set1(1.44269504f)));
  S::Vec r = S::fma(n, S::set1(-0.693359375f), x);  // ln 2 = 0.693359375 - 2.12194440e-4
  r = S::fma(n, S::set1(2.12194440e-4f), r);
  S::Vec p = S::set1(1.0f / 5040.0f);
  HADAL_UNROLL
  for (const float c :
       {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f}) {
    p = S::fma(p, r, S::set1(c));
  }
  return S::scale_by_power(p, n);
}

/// v / (1 + e^-v)
inline Simd::Vec silu_simd(Simd::Vec v) {
  const Simd::Vec one = Simd::set1(1.0f);
  return Simd::div(v, Simd::add(one, exp_simd(Simd::sub(Simd::zero(), v))));
}

}  // namespace
}  // namespace hadal
