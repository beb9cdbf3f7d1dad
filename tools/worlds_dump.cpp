// Prints training narratives: the corpus for the tokenizer, and a way to look at the data.
//   worlds_dump [N] [--domain NAME,...|all] [--split train|test|test_names|test_comp] [--depth D]
//   [--seed S]
//               [--pieces] [--speed]
#include "worlds/narrative.h"
#include "worlds/narrator.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>

namespace {

using namespace hadal::worlds;

struct Arguments {
  std::uint64_t count = 10;
  WorldKey key;
  DomainChoice domains;
  int depth = 0;  // 0: 1, 2, 3 in turn
  bool pieces = false;
  bool speed = false;
};

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size();
}

bool parse_split(std::string_view text, Split& split) {
  if (text == "train")
    split = Split::train;
  else if (text == "test")
    split = Split::test;
  else if (text == "test_names")
    split = Split::test_names;
  else if (text == "test_comp")
    split = Split::test_comp;
  else
    return false;
  return true;
}

bool parse_domains(std::string_view text, DomainChoice& domains) {
  auto choice = parse_domain_choice(text);
  if (choice)
    domains = std::move(choice).value();
  else
    fmt::print(stderr, "worlds_dump: {}\n", choice.error().message);
  return choice.has_value();
}

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool has_value = i + 1 < argc;
    std::uint64_t number = 0;
    if (flag == "--pieces")
      arguments.pieces = true;
    else if (flag == "--speed")
      arguments.speed = true;
    else if (flag == "--split" && has_value && parse_split(argv[i + 1], arguments.key.split))
      ++i;
    else if (flag == "--domain" && has_value && parse_domains(argv[i + 1], arguments.domains))
      ++i;
    else if (flag == "--seed" && has_value && parse_number(argv[i + 1], arguments.key.seed))
      ++i;
    else if (flag == "--depth" && has_value && parse_number(argv[i + 1], number) && number >= 1 &&
             number <= kMaxDepth)
      arguments.depth = static_cast<int>(number), ++i;
    else if (!parse_number(flag, arguments.count))
      return false;
  }
  return true;
}

void print(const std::vector<Piece>& pieces, bool with_weights) {
  for (const Piece& piece : pieces) {
    if (with_weights) fmt::print("{:4.1f} ", piece.weight);
    fmt::print("{}{}", piece.text, with_weights ? "\n" : "");
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    fmt::print(stderr,
               "worlds_dump [N] [--domain NAME,...|all] [--split train|test|test_names|test_comp] "
               "[--depth D] "
               "[--seed S] [--pieces] [--speed]\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  std::size_t n_bytes = 0;
  for (std::uint64_t i = 0; i < arguments.count; ++i) {
    arguments.key.index = i;
    arguments.key.domain = domain_of(arguments.domains, arguments.key.split, i);
    arguments.key.depth = arguments.depth > 0 ? arguments.depth : static_cast<int>(i % 3) + 1;
    const auto pieces = training_narrative(arguments.key, {});
    if (arguments.speed)
      n_bytes += text_of(pieces).size();
    else
      print(pieces, arguments.pieces);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (arguments.speed)
    fmt::print("{} narratives, {} bytes, {:.0f} per second\n", arguments.count, n_bytes,
               static_cast<double>(arguments.count) / seconds.count());
  return 0;
}
