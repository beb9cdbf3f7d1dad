// Runs a fuzz target over stored inputs, without libFuzzer: each file whole, cut short at some
// places, and with some bytes changed by a fixed rule, so that even a compiler without sanitizers
// walks the error paths.
#include "base/random.h"
#include "fuzz_target.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kVariants = 200;

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const Bytes& input) {
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void run_damaged(const Bytes& input, std::uint64_t seed) {
  hadal::RandomStream random(seed);
  for (int variant = 0; variant < kVariants && !input.empty(); ++variant) {
    Bytes copy = input;
    copy[random.below(static_cast<std::uint32_t>(copy.size()))] =
        static_cast<std::uint8_t>(random.below(256));
    if (variant % 4 == 0) copy.resize(random.below(static_cast<std::uint32_t>(copy.size())));
    copy.shrink_to_fit();
    run(copy);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t n_files = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) files.push_back(entry);
    std::sort(files.begin(), files.end());  // the same damage on every machine
    for (const std::filesystem::path& file : files) {
      const Bytes input = read_file(file);
      run(input);
      run_damaged(input, n_files++);
    }
  }
  std::printf("%zu inputs, whole and in %d damaged variants each\n", n_files, kVariants);
  return n_files > 0 ? 0 : 1;
}
