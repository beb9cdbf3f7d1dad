// What every fuzz_NAME.cpp defines: libFuzzer or replay_main.cpp calls it with one input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace hadal::fuzz {

/// A property that must hold for every input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n", what);
  std::abort();
}

/// Reads every byte, so that the sanitizers see a view that leaves its memory.
inline void touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte b : bytes) sum += static_cast<unsigned>(b);
  [[maybe_unused]] const volatile unsigned keep = sum;
}

inline void touch(std::string_view text) {
  touch(std::as_bytes(std::span(text)));
}

}  // namespace hadal::fuzz
