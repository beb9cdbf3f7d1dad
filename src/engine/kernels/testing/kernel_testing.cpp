#include "engine/kernels/testing/kernel_testing.h"

#include "base/checked_math.h"
#include "base/float_formats.h"

#include <bit>
#include <cstring>

namespace hadal::testing {
namespace {

std::byte random_byte(RandomStream& random) {
  return static_cast<std::byte>(random.next() >> 56);
}

template <typename T>
void put(std::vector<std::byte>& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

/// Where the halves of a ggml block stand (the second: dmin) and how large they are.
struct BlockHalves {
  std::size_t d;
  std::size_t dmin;  ///< 0: none
  float unit;
};

BlockHalves halves_of(DType dtype) {
  switch (dtype) {
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2, 0.002f};
    case DType::q6_k:
      return {208, 0, 0.0005f};
    case DType::q2_k:
      return {80, 82, 0.03f};
    case DType::q3_k:
      return {108, 0, 0.01f};
    case DType::iq2_xxs:
      return {0, 0, 0.01f};
    case DType::iq4_xs:
      return {0, 0, 0.0005f};
    default:  // q4_0, q8_0
      return {0, 0, 0.01f};
  }
}

void fill_halves(StoredMatrix& m) {
  const BlockHalves halves = halves_of(m.view.dtype);
  const std::size_t step = info(m.view.dtype).block_bytes;
  for (std::size_t i = 0; i < m.data.size(); i += step) {
    const float value = halves.unit * (1.0f + 0.1f * static_cast<float>(i / step % 7));
    put(m.data, i + halves.d, f16_from_float(value));
    if (halves.dmin != 0) put(m.data, i + halves.dmin, f16_from_float(3.0f * value));
  }
}

/// Elements (or blocks) of all rows.
void fill_data(StoredMatrix& m, RandomStream& random, std::uint64_t seed) {
  const auto values = gaussian_with_outliers(m.view.rows * m.view.cols, seed);
  for (std::byte& b : m.data) b = random_byte(random);
  switch (m.view.dtype) {
    case DType::f32:
      std::memcpy(m.data.data(), values.data(), m.data.size());
      break;
    case DType::f16:
      for (std::size_t i = 0; i < values.size(); ++i) put(m.data, 2 * i, f16_from_float(values[i]));
      break;
    case DType::bf16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        put(m.data, 2 * i, bf16_from_float(values[i]));
      }
      break;
    case DType::f8_e4m3:
      for (std::byte& b : m.data) {
        if ((b & std::byte{0x7F}) == std::byte{0x7F}) b = std::byte{0};  // no NaN
      }
      break;
    case DType::q8_0:
    case DType::q4_0:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
    case DType::q2_k:
    case DType::q3_k:
    case DType::iq2_xxs:
    case DType::iq4_xs:
      fill_halves(m);
      break;
    case DType::mxfp4:
      for (std::size_t i = 0; i < m.data.size(); i += 17) {
        m.data[i] = static_cast<std::byte>(122 + i % 9);
      }
      break;
    default:
      break;  // fp4: any nibbles
  }
}

void fill_scales(StoredMatrix& m, std::size_t n, RandomStream& random) {
  const bool floats = m.view.scale_dtype == DType::f32;
  m.scale.resize(n * (floats ? 4 : 1));
  for (std::size_t i = 0; i < n; ++i) {
    const auto step = static_cast<std::uint8_t>(random.next() % 9);
    if (floats) {
      put(m.scale, 4 * i, 0.003f + 0.0007f * static_cast<float>(step));
    } else {
      m.scale[i] = static_cast<std::byte>(116 + step);
    }
  }
  m.view.scale = m.scale.data();
}

}  // namespace

std::vector<float> gaussian_with_outliers(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> values(n);
  for (float& v : values) {
    double sum = -6.0;  // twelve uniform values: variance 1
    for (int i = 0; i < 12; ++i) sum += random.uniform();
    v = static_cast<float>(sum);
    const std::uint64_t kind = random.next() % 50;
    if (kind == 0) v *= 30.0f;
    if (kind == 1) v *= 0x1p-130f;
  }
  return values;
}

const std::vector<Storage>& all_storages() {
  static const std::vector<Storage> storages = {
      {"f32", DType::f32},
      {"f16", DType::f16},
      {"bf16", DType::bf16},
      {"f8_e4m3_block128", DType::f8_e4m3, ScaleLayout::block128},
      {"f8_e4m3_block128_f32", DType::f8_e4m3, ScaleLayout::block128, DType::f32},
      {"f8_e4m3_unscaled", DType::f8_e4m3},
      {"fp4_group32", DType::fp4, ScaleLayout::group32},
      {"q8_0", DType::q8_0},
      {"mxfp4", DType::mxfp4},
      {"q4_0", DType::q4_0},
      {"q4_k", DType::q4_k},
      {"q5_k", DType::q5_k},
      {"q6_k", DType::q6_k},
      {"q2_k", DType::q2_k},
      {"q3_k", DType::q3_k},
      {"iq2_xxs", DType::iq2_xxs},
      {"iq4_xs", DType::iq4_xs},
  };
  return storages;
}

StoredMatrix random_matrix(const Storage& storage, std::size_t rows, std::size_t cols,
                           std::uint64_t seed) {
  RandomStream random(seed);
  StoredMatrix m;
  m.view = {.dtype = storage.dtype,
            .scale_layout = storage.scale_layout,
            .scale_dtype = storage.scale_dtype,
            .rows = rows,
            .cols = cols};
  const DTypeInfo& type = info(storage.dtype);
  m.view.row_stride = ceil_div(cols, type.block_elements) * type.block_bytes;
  m.data.resize(rows * m.view.row_stride);
  fill_data(m, random, seed + 1);
  m.view.data = m.data.data();
  if (storage.scale_layout == ScaleLayout::block128) {
    m.view.scale_stride = ceil_div(cols, 128);
    fill_scales(m, ceil_div(rows, 128) * m.view.scale_stride, random);
  } else if (storage.scale_layout == ScaleLayout::group32) {
    m.view.scale_stride = ceil_div(cols, 32);
    fill_scales(m, rows * m.view.scale_stride, random);
  }
  return m;
}

std::vector<float> decoded(const MatrixView& matrix) {
  std::vector<float> values(matrix.rows * matrix.cols);
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    decode_row(matrix, r, 0, matrix.cols, values.data() + r * matrix.cols);
  }
  return values;
}

bool same_float(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

double absolute_dot(const float* a, const float* b, std::size_t n) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += std::fabs(double{a[i]} * double{b[i]});
  return sum;
}

std::vector<const CpuKernels*> all_variants() {
  std::vector<const CpuKernels*> variants;
  for (const CpuKernels& kernels : cpu_kernels()) {
    // AMX alone is left out where it is missing: int8_amx_test.cpp emulates it.
    if (kernels.name != "amx" || kernels.runs_here()) variants.push_back(&kernels);
  }
  return variants;
}

}  // namespace hadal::testing
