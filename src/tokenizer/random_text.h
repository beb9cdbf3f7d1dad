// Random and adversarial strings for tests: the twin of TextGenerator in
// tools/make_tokenizer_goldens.py, so that both sides know string number k without storing it.
#pragma once

#include "base/random.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

class RandomText {
 public:
  /// Reads tests/golden/tokenizer/text_pools.json; stops the process when it is not there.
  RandomText();

  /// Well-formed UTF-8, 0 to a few thousand bytes.
  std::string text(std::uint64_t index) const;

 private:
  std::string unit(RandomStream& random, std::uint32_t pool, std::string_view previous) const;

  std::vector<std::string> spaces_;
  std::vector<std::string> edges_;
  std::vector<std::string> fragments_;
};

/// UTF-8 of a code point that is not a surrogate.
std::string utf8_of(char32_t code_point);

/// The whole content of tests/golden/tokenizer/<name>; stops the process when it is not there.
std::string read_golden(const std::string& name);

}  // namespace hadal
