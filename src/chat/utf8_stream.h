// Bytes in pieces -> valid UTF-8 in pieces: tokens may end inside of a character.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

/// Holds back the beginning of a character until the rest arrives (at most 3 bytes). What can never
/// become a character is replaced by U+FFFD, one for each maximal part (Unicode 15, section 3.9,
/// "U+FFFD substitution").
class Utf8Stream {
 public:
  /// Returns what is complete after `bytes`.
  std::string push(std::string_view bytes);
  /// Ends the stream: a held beginning becomes U+FFFD.
  std::string flush();

 private:
  std::string held_;
};

}  // namespace hadal
