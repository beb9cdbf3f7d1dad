#include "worlds/request.h"

#include "worlds/phrase.h"

#include <fmt/format.h>

#include <cctype>
#include <string_view>

namespace hadal::worlds {
namespace {

/// How a literal stands in a request.
enum class Form : std::uint8_t {
  clause,      ///< "the red pan is hot"
  bare,        ///< "the red pan hot"
  infinitive,  ///< "the red pan to be hot"
  call,        ///< "heat the red pan"
};

struct Wording {
  std::string_view before;
  Form form;
  std::string_view after;
};

constexpr Wording kTraining[] = {
    {"Please make ", Form::bare, "."},
    {"Make ", Form::bare, "."},
    {"Get ", Form::bare, "."},
    {"Please get ", Form::bare, "."},
    {"Can you get ", Form::bare, "?"},
    {"Help me get ", Form::bare, "."},
    {"I need ", Form::bare, "."},
    {"", Form::bare, ", please."},
    {"Please see to it that ", Form::clause, "."},
    {"Make sure that ", Form::clause, "."},
    {"Could you make sure ", Form::clause, "?"},
    {"I want ", Form::infinitive, "."},
    {"We need ", Form::infinitive, "."},
    {"I would like ", Form::infinitive, "."},
    {"", Form::call, "."},
    {"Please ", Form::call, "."},
    {"Can you ", Form::call, "?"},
    {"I want you to ", Form::call, "."},
};
constexpr Wording kHeldOut[] = {
    {"Could you please get ", Form::bare, "?"},
    {"I want ", Form::bare, "."},
    {"See that ", Form::clause, "."},
    {"We would like ", Form::infinitive, "."},
    {"Could you ", Form::call, "?"},
};

std::string literal_text(const World& world, Literal literal, Form form) {
  const Variable& variable = world.variables[literal.variable];
  const std::string& item = world.entities[variable.entity].name;
  const std::string_view word = word_of(world, literal);
  switch (form) {
    case Form::clause:
      return sentence(world, literal);
    case Form::bare:
      return fmt::format("the {} {}", item, word);
    case Form::infinitive:
      return fmt::format("the {} to be {}", item, word);
    case Form::call:
      return fmt::format(
          "{} the {}",
          world.domain->properties[variable.property].tools[variable.values[literal.value ? 1 : 0]],
          item);
  }
  return {};
}

}  // namespace

std::string request_text(const World& world, std::span<const Literal> goal, Wordings wordings,
                         RandomStream& random) {
  const std::span<const Wording> choice =
      wordings == Wordings::training ? std::span<const Wording>(kTraining) : kHeldOut;
  const Wording& wording = choice[random.below(static_cast<std::uint32_t>(choice.size()))];
  constexpr double kCarelessShare = 0.25;
  const bool careless = random.uniform() < kCarelessShare;
  std::string text(wording.before);
  for (std::size_t i = 0; i < goal.size(); ++i) {
    if (i > 0) text += " and ";
    text += literal_text(world, goal[i], wording.form);
  }
  const auto convert = [&](int (*convert_letter)(int)) {
    text.front() = static_cast<char>(convert_letter(static_cast<unsigned char>(text.front())));
  };
  if (!careless) {
    convert(std::toupper);
    return text.append(wording.after);
  }
  if (!text.starts_with("I ")) convert(std::tolower);
  return text.append(wording.after.substr(0, wording.after.size() - 1));
}

}  // namespace hadal::worlds
