// Reads the events that a model writes: acts and answers, as text. Any bytes are accepted.
#pragma once

#include "worlds/simulator.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::worlds {

inline constexpr int kEventIds =
    96;  ///< <|e0|> .. <|e95|>; reused, oldest first, by a longer conversation

/// An act as a model wrote it after act_prefix(): `<|e7|><|e3|><|:|><｜DSML｜invoke
/// name="heat">...`.
struct WrittenAct {
  std::vector<int> causes;  ///< in order; the first should be the mechanism
  std::string tool;
  std::vector<Argument> arguments;
};

/// Reads such a text, which may end early or go on behind the closer. Nothing if there is no
/// complete call in it.
std::optional<WrittenAct> parse_act(std::string_view text);
/// The same for the compact form, `<|e7|><|e3|><|:|> heat red pan<|/ev|>`: a tool, and an item as
/// the argument of the given name. Nothing unless the body is two or more words with single spaces
/// between and no space but one before them, closed or at the end of the text.
std::optional<WrittenAct> parse_compact_act(std::string_view text, std::string_view parameter);

/// The ids before the end of a header, `<|e7|><|e3|><|:|>`; nothing if the header has no end.
std::optional<std::vector<int>> parse_causes(std::string_view text);

/// The header of an act as a model wrote it: `<|act|><|e41|><|by|><|e7|><|e3|><|:|>`.
struct WrittenHeader {
  std::optional<int> id;
  std::vector<int> causes;
};
/// Reads it wherever it stands in `text`; empty if there is none.
WrittenHeader parse_act_header(std::string_view text);
/// The same text with another id for its act; unchanged if its header names none.
std::string with_act_id(std::string text, int id);

/// An answer as a model wrote it behind prefix_pieces: the causes it names, and what it says before
/// its reasons. Nothing if there is no body.
struct WrittenAnswer {
  std::vector<int> causes;
  std::string answer;
};
std::optional<WrittenAnswer> read_answer(std::string_view text);

}  // namespace hadal::worlds
