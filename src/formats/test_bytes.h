// Shared by the tests of formats/: known tensor contents, damage to good files.
#pragma once

#include "base/temporary_directory_for_test.h"
#include "formats/tensor_sink.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace hadal::test {

/// Byte i of tensor t is (17 t + 7 i + 3) mod 256, as in tools/make_format_goldens.py.
inline std::vector<std::byte> pattern(std::size_t tensor, std::size_t n_bytes) {
  std::vector<std::byte> bytes(n_bytes);
  for (std::size_t i = 0; i < n_bytes; ++i)
    bytes[i] = static_cast<std::byte>(17 * tensor + 7 * i + 3);
  return bytes;
}

inline bool has_pattern(std::span<const std::byte> data, std::size_t tensor) {
  const auto expected = pattern(tensor, data.size());
  return std::equal(data.begin(), data.end(), expected.begin());
}

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return to_bytes(std::string(std::istreambuf_iterator<char>(file), {}));
}

inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file) << path;
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

/// Calls `parse` with the image cut at every length. The copy is exact, so that sanitizers see any
/// read past its end.
inline void for_each_truncation(
    std::span<const std::byte> image,
    const std::function<void(std::span<const std::byte>, std::size_t length)>& parse) {
  for (std::size_t length = 0; length < image.size(); ++length) {
    const std::vector<std::byte> cut(image.begin(),
                                     image.begin() + static_cast<std::ptrdiff_t>(length));
    parse(cut, length);
  }
}

/// Calls `parse` with each single bit of the first `n_bytes` flipped.
inline void for_each_bit_flip(
    std::span<const std::byte> image, std::size_t n_bytes,
    const std::function<void(std::span<const std::byte>, std::size_t bit)>& parse) {
  std::vector<std::byte> copy(image.begin(), image.end());
  for (std::size_t bit = 0; bit < n_bytes * 8; ++bit) {
    copy[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    parse(copy, bit);
    copy[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
  }
}

/// True when `part` lies inside `whole`.
inline bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace hadal::test
