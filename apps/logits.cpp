// hadal logits: logits for given token ids, for tests against other programs.

#include "common.h"
#include "verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <memory>
#include <vector>

namespace hadal {
namespace {

struct LogitsFlags {
  EngineFlags engine;
  std::vector<std::int64_t> tokens;
  std::size_t chunk = 0;
  std::size_t decode_from = 0;
  bool decode_from_given = false;
  bool json = false;
};

/// Lengths of the forward passes: chunks of the prefill, then single tokens.
std::vector<std::size_t> pass_lengths(const LogitsFlags& flags) {
  const std::size_t n = flags.tokens.size();
  const std::size_t n_prefill = flags.decode_from_given ? std::min(flags.decode_from, n) : n;
  const std::size_t chunk = flags.chunk > 0 ? flags.chunk : std::max<std::size_t>(n_prefill, 1);
  std::vector<std::size_t> lengths;
  for (std::size_t done = 0; done < n_prefill; done += lengths.back())
    lengths.push_back(std::min(chunk, n_prefill - done));
  lengths.insert(lengths.end(), n - n_prefill, 1);
  return lengths;
}

Result<std::vector<std::int32_t>> checked_ids(const LogitsFlags& flags, std::size_t vocab_size) {
  std::vector<std::int32_t> ids;
  for (std::int64_t id : flags.tokens) {
    if (id < 0 || static_cast<std::size_t>(id) >= vocab_size) {
      return error(ErrorCode::invalid_argument, "token id {} is outside of the vocabulary (0..{})",
                   id, vocab_size - 1);
    }
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

void print_json_row(std::span<const float> row, bool first) {
  std::string text = first ? "[" : ",\n[";
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) text += ',';
    // JSON has no NaN or infinity
    std::isfinite(row[i]) ? fmt::format_to(std::back_inserter(text), "{:.9g}", row[i])
                          : fmt::format_to(std::back_inserter(text), "null");
  }
  fmt::print("{}]", text);
}

void print_summary_row(std::span<const float> row, std::size_t position, std::int32_t token) {
  const std::int32_t best = argmax(row);
  fmt::print("position {:>6}  token {:>6}  argmax {:>6}  logit {:.9g}\n", position, token, best,
             row[static_cast<std::size_t>(best)]);
}

Result<void> print_logits(const LogitsFlags& flags) {
  HADAL_ASSIGN(auto engine, open_engine(flags.engine));
  HADAL_ASSIGN(const auto ids, checked_ids(flags, engine->config().vocab_size));
  SequenceState state = engine->model().new_sequence();
  if (flags.json) fmt::print("{{\"logits\": [");
  std::size_t position = 0;
  for (std::size_t n : pass_lengths(flags)) {
    const ForwardInput input{
        .state = &state, .tokens = std::span(ids).subspan(position, n), .logits = LogitsFor::all};
    const ForwardOutput output = engine->model().forward({&input, 1});
    for (std::size_t i = 0; i < n; ++i, ++position) {
      if (flags.json) {
        print_json_row(output.row(i), position == 0);
      } else {
        print_summary_row(output.row(i), position, ids[position]);
      }
    }
  }
  if (flags.json) fmt::print("]}}\n");
  return {};
}

}  // namespace

void add_logits(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* verb = app.add_subcommand(
      "logits",
      "Logits for given token ids, one row per position; for tests against other programs");
  add_engine_flags(*verb, flags->engine);
  verb->add_option("--tokens", flags->tokens,
                   "token ids, separated by commas; taken as they are, no BOS is added")
      ->delimiter(',')
      ->required();
  verb->add_option("--chunk", flags->chunk, "feed the prefill in chunks of N tokens");
  CLI::Option* decode_from = verb->add_option("--decode-from", flags->decode_from,
                                              "feed the first K as prefill, the rest one by one");
  verb->add_flag("--json", flags->json, "{\"logits\": [[...], ...]} with 9 significant digits");
  verb->callback([flags, decode_from, &exit_code] {
    flags->decode_from_given = decode_from->count() > 0;
    if (const auto done = print_logits(*flags); !done) exit_code = report("logits", done.error());
  });
}

}  // namespace hadal
