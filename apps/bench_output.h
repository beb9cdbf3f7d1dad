// How `hadal bench` says what it measured: a table for people, JSON for programs.
#pragma once

#include "engine/bench/bench.h"
#include "machine.h"
#include "model_needs.h"

#include <string>

namespace hadal {

/// What was measured, and on what.
struct BenchFacts {
  std::string model;  ///< as the user named it
  ModelNeeds needs;
  Machine machine;
  std::size_t rounds = 0;
  std::size_t chunk = 0;
};

/// Aligned columns, one line per case; with timed operators one more table per case.
std::string bench_table(const bench::Report& report, const BenchFacts& facts);

/// {"machine": {...}, "model": {...}, "results": [...]}: the keys of product.md section 2 and more.
std::string bench_json(const bench::Report& report, const BenchFacts& facts);

/// The array that llama-bench writes with `-o json` (one object per case), or one object per line.
std::string llama_bench_json(const bench::Report& report, const BenchFacts& facts, bool lines);

/// The table that llama-bench writes with `-o md`.
std::string llama_bench_markdown(const bench::Report& report, const BenchFacts& facts);

}  // namespace hadal
