// What a constraint costs per token: grammar_mask_bench VOCABULARY [SEED]
//
// VOCABULARY: one token per line, its bytes in hexadecimal; line number = id. Random tokens under
// the mask, for several grammars; prints the median and mean CPU time of mask + accept, over
// all tokens and over the second half of the texts (steady state), and how many masks were new.
#include "base/random.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "grammar/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <time.h>

namespace hadal::grammar {
namespace {

// CPU time of this thread: the machine may be busy with other work.
double now_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

double micros_since(double begin_us) {
  return now_us() - begin_us;
}

TokenTexts read_vocabulary(const char* path) {
  TokenTexts texts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2)
      bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
    texts.bytes.push_back(bytes);
  }
  texts.bytes.emplace_back("<end>");
  texts.is_special.assign(texts.bytes.size(), false);
  texts.end_ids = {static_cast<std::int32_t>(texts.bytes.size() - 1)};
  return texts;
}

std::int32_t random_token(const TokenMask& mask, RandomStream& random) {
  for (int i = 0; i < 2000; ++i) {
    const auto id =
        static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(mask.vocab_size())));
    if (mask.allows(id)) return id;
  }
  std::size_t k = random.below(static_cast<std::uint32_t>(std::max<std::size_t>(mask.count(), 1)));
  for (std::size_t id = 0; id < mask.vocab_size(); ++id)
    if (mask.allows(static_cast<std::int32_t>(id)) && k-- == 0)
      return static_cast<std::int32_t>(id);
  return -1;
}

void measure(const char* name, Result<Grammar> grammar, double compile_us,
             const std::shared_ptr<const TokenVocabulary>& vocabulary, std::uint64_t seed) {
  if (!grammar) {
    fmt::print("{}: {}\n", name, grammar.error().message);
    return;
  }
  const auto constraint = std::make_shared<Constraint>(
      std::make_shared<const Grammar>(std::move(grammar).value()), vocabulary);
  RandomStream random(seed);
  std::vector<double> times;
  for (int text = 0; text < 40; ++text) {
    Matcher matcher(constraint);
    for (int i = 0; i < 100 && !matcher.is_ended(); ++i) {
      const auto begin = now_us();
      const TokenMask& mask = matcher.mask();
      const double mask_us = micros_since(begin);
      const std::int32_t token = random_token(mask, random);
      if (token < 0) break;
      const auto again = now_us();
      matcher.accept_token(token);
      times.push_back(mask_us + micros_since(again));
    }
  }
  const std::vector<double> late(times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                                 times.end());
  const auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const auto median = [](std::vector<double> v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  fmt::print(
      "{:<28} compile {:>8.0f} us; per token: median {:>7.2f} mean {:>8.1f} us; steady state: "
      "median {:>7.2f} mean {:>7.1f} us; worst {:>8.0f} us; {} tokens, {} masks computed\n",
      name, compile_us, median(times), mean(times), median(late), mean(late),
      *std::max_element(times.begin(), times.end()), times.size(), constraint->n_computed_masks());
}

template <typename Compile>
void run(const char* name, const std::shared_ptr<const TokenVocabulary>& vocabulary,
         std::uint64_t seed, Compile&& compile) {
  const auto begin = now_us();
  auto grammar = compile();
  const double compile_us = micros_since(begin);
  measure(name, std::move(grammar), compile_us, vocabulary, seed);
}

int bench(const char* path, std::uint64_t seed) {
  const auto begin = now_us();
  auto made = TokenVocabulary::create(read_vocabulary(path));
  if (!made) {
    fmt::print(stderr, "{}\n", made.error().message);
    return 1;
  }
  const auto vocabulary = *made;
  fmt::print("vocabulary of {} tokens, {} trie nodes, prepared in {:.0f} ms\n",
             vocabulary->vocab_size(), vocabulary->trie().nodes().size(),
             micros_since(begin) / 1000);
  const std::pair<const char*, const char*> schemas[] = {
      {"string", R"({"type": "string"})"},
      {"string of 20 to 200", R"({"type": "string", "minLength": 20, "maxLength": 200})"},
      {"record",
       R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 40}, "age":
           {"type": "integer", "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items":
           {"type": "string", "maxLength": 12}, "maxItems": 5}, "kind": {"enum": ["a", "bb",
           "ccc"]}}, "required": ["name", "age", "tags", "kind"], "additionalProperties": false})"},
      {"list of numbers", R"({"type": "array", "items": {"type": "number"}, "maxItems": 50})"},
      {"pattern", R"({"type": "string", "pattern": "^[A-Za-z ]{1,60}$"})"},
      {"any object", R"({"type": "object"})"}};
  for (const auto& [name, schema] : schemas)
    run(name, vocabulary, seed, [&] { return compile_json_schema(schema, name); });
  run("regex .*", vocabulary, seed, [] { return compile_regex("(.|\\n)*"); });
  return 0;
}

}  // namespace
}  // namespace hadal::grammar

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: grammar_mask_bench VOCABULARY [SEED]\n");
    return 2;
  }
  return hadal::grammar::bench(argv[1], argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}
