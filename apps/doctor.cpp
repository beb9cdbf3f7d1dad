// hadal doctor: what this machine and this build have, and which models fit.

#include "common.h"
#include "engine/bench/machine_meter.h"
#include "engine/model/arranged_weights.h"
#include "formats/hub_cache.h"
#include "known_models.h"
#include "machine.h"
#include "model_needs.h"
#include "verbs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace hadal {
namespace {

#ifdef HADAL_WITH_TRAIN
constexpr bool kHasTrainer = true;
#else
constexpr bool kHasTrainer = false;
#endif

struct ModelRow {
  std::string name;
  ModelNeeds needs;
  bool fits_in_memory = false;
  bool on_this_machine = false;  ///< built in or in the Hub cache; others would need the disk space
};

struct Diagnosis {
  Machine machine;
  MemoryPlacement placement = MemoryPlacement::local;  ///< of a run with the default threads
  std::string kernels;  ///< the cpu backend in words, or why there is none
  bool kernels_ok = false;
  double read_bytes_per_s = 0;
  double int8_ops_per_s = 0;  ///< 2 per multiply-add
  double bf16_ops_per_s = 0;
  std::filesystem::path cache;
  std::uint64_t cache_free_bytes = 0;
  std::vector<std::string> cached_models;
  std::size_t n_arranged = 0;  ///< files of `hadal arrange`
  std::uint64_t arranged_bytes = 0;
  std::vector<ModelRow> models;
};

/// Memory beside weights and state: the program, its scratch, the system.
constexpr std::uint64_t kReserveBytes = 500'000'000;

std::vector<std::string> models_in(const std::filesystem::path& cache) {
  std::vector<std::string> ids;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(cache, failed)) {
    std::string name = entry.path().filename().string();
    if (name.rfind("models--", 0) != 0) continue;
    name.erase(0, std::string_view("models--").size());
    if (const std::size_t dashes = name.find("--"); dashes != std::string::npos)
      name.replace(dashes, 2, "/");
    ids.push_back(std::move(name));
  }
  return ids;
}

/// Files of `hadal arrange`, of whatever models.
void count_arranged(Diagnosis& d) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(arranged_directory(), failed)) {
    if (entry.path().extension() != ".panels") continue;
    std::error_code vanished;
    const std::uint64_t bytes = entry.file_size(vanished);
    if (vanished) continue;
    ++d.n_arranged;
    d.arranged_bytes += bytes;
  }
}

ModelRow make_row(std::string name, const ModelNeeds& needs, const Machine& machine, bool here) {
  constexpr std::uint64_t kContext = 8;  // x 1024 tokens
  const std::uint64_t wanted =
      needs.weight_bytes + needs.state_bytes + kContext * needs.state_bytes_per_1k + kReserveBytes;
  return {.name = std::move(name),
          .needs = needs,
          .fits_in_memory = wanted <= machine.available_bytes,
          .on_this_machine = here};
}

Result<std::vector<ModelRow>> model_rows(const Diagnosis& d) {
  std::vector<ModelRow> rows;
  if (const auto builtin = open_builtin_checkpoint())
    rows.push_back(make_row("builtin", needs_of(*builtin), d.machine, true));
  for (const std::string& id : d.cached_models) {
    if (const auto cached = Checkpoint::open(id))
      rows.push_back(make_row(id, needs_of(*cached), d.machine, true));
  }
  for (const KnownModel& model : kKnownModels) {
    HADAL_ASSIGN(const ModelConfig config, parse_config(model.config_json, model.name));
    rows.push_back(make_row(std::string(model.name), needs_of_published(config), d.machine, false));
  }
  return rows;
}

Result<Diagnosis> diagnose() {
  Diagnosis d;
  d.machine = look_at_machine();
  d.placement = place_memory(d.machine.n_threads);
  const auto backend = make_backend({.kind = BackendKind::cpu, .n_threads = 0});
  d.kernels_ok = backend.has_value();
  d.kernels = backend ? (*backend)->description() : backend.error().message;
  bench::MachineMeter meter(d.machine.available_bytes);
  d.read_bytes_per_s = meter.read_bytes_per_s(d.machine.n_threads);
  d.int8_ops_per_s = meter.ops_per_s(bench::OperandClass::int8, d.machine.n_threads);
  d.bf16_ops_per_s = meter.ops_per_s(bench::OperandClass::bf16, d.machine.n_threads);
  d.cache = hub_cache_root();
  d.cache_free_bytes = free_disk_bytes(d.cache);
  d.cached_models = models_in(d.cache);
  count_arranged(d);
  HADAL_ASSIGN(d.models, model_rows(d));
  return d;
}

std::string bytes_text(std::uint64_t bytes) {
  const double n = static_cast<double>(bytes);
  if (n >= 1e12) return fmt::format("{:.2f} TB", n / 1e12);
  if (n >= 1e9) return fmt::format("{:.1f} GB", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} MB", n / 1e6);
  return fmt::format("{:.1f} KB", n / 1e3);
}

std::string short_count_text(std::uint64_t n) {
  return n >= 1'000'000'000 ? fmt::format("{:.0f}B", static_cast<double>(n) / 1e9)
                            : fmt::format("{:.1f}M", static_cast<double>(n) / 1e6);
}

/// Tokens per second that the memory allows when every weight a token needs is read once.
double decode_ceiling(const ModelRow& row, const Diagnosis& d) {
  return d.read_bytes_per_s / static_cast<double>(row.needs.bytes_per_token);
}

std::string verdict(const ModelRow& row, const Diagnosis& d) {
  if (row.fits_in_memory)
    return fmt::format("fits; memory allows up to {:.0f} tokens/s", decode_ceiling(row, d));
  if (!row.on_this_machine && row.needs.weight_bytes > d.cache_free_bytes) {
    return fmt::format("no: needs {} of disk, {} are free", bytes_text(row.needs.weight_bytes),
                       bytes_text(d.cache_free_bytes));
  }
  return fmt::format(
      "{} more than memory: weights would be read from disk again and again",
      bytes_text(row.needs.weight_bytes + kReserveBytes - d.machine.available_bytes));
}

std::string plural(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string threads_text(const Machine& m) {
  const std::string cores =
      fmt::format("{}, {}", plural(m.n_cores, "core"), plural(m.n_cpus, "CPU"));
  const std::string why =
      m.n_threads < m.n_cores
          ? fmt::format("all that the CPU quota of {:.1f} pays for ({})", m.cpu_quota.value_or(0),
                        cores)
          : fmt::format("one per core ({}{})", cores, m.cpu_quota ? "" : ", no CPU quota");
  const char* where = m.n_cores < m.n_cpus ? "kept to one hardware thread of each core"
                                           : "not pinned (--pin fixed ties each to a core)";
  return fmt::format("{} by default: {}, {}", m.n_threads, why, where);
}

/// What becomes of weights and work memory on machines with several memory nodes.
std::string nodes_text(const Diagnosis& d) {
  const std::string n = plural(d.machine.n_nodes, "memory node");
  switch (d.placement) {
    case MemoryPlacement::interleaved:
      return n +
             ": pages in turn on each; files that are cached already stay where they are "
             "(evict them once: vmtouch -e FILE)";
    case MemoryPlacement::given:
      return n + ": the memory policy that this process was started with is kept";
    case MemoryPlacement::refused:
      return n + ": the system allows no policy; start it with numactl --interleave=all";
    case MemoryPlacement::local:
      break;
  }
  return n + (d.machine.n_nodes == 1 ? ": nothing to place" : ": one thread, memory beside it");
}

/// Mapped files (weights) have pages of normal size whatever the mode.
std::string pages_text(std::string_view mode) {
  if (mode == "never") {
    return "huge pages are off; for activations: echo madvise > "
           "/sys/kernel/mm/transparent_hugepage/enabled (as root)";
  }
  if (mode == "always" || mode == "madvise")
    return fmt::format("huge pages for activations (mode {}); weights, mapped: normal pages", mode);
  return "normal; whether huge ones are allowed cannot be read";
}

/// What became of weights that are read in another order than stored.
std::string arranged_text(const Diagnosis& d) {
  if (d.n_arranged == 0)
    return "all weights are read as stored; `hadal arrange` trades disk for faster decoding";
  return fmt::format("weights of {} in panel order: {} in {} (`hadal arrange --remove`)",
                     plural(d.n_arranged, "model"), bytes_text(d.arranged_bytes),
                     arranged_directory().string());
}

std::string_view name_of(MemoryPlacement placement) {
  constexpr std::array<std::string_view, 4> kNames = {"local", "interleaved", "given", "refused"};
  return kNames[static_cast<std::size_t>(placement)];
}

void print_text(const Diagnosis& d) {
  const Machine& m = d.machine;
  fmt::print("This machine\n");
  fmt::print("  cpu        {}, {} usable\n", m.cpu, m.n_cpus);
  fmt::print("  threads    {}\n", threads_text(m));
  fmt::print("  nodes      {}\n", nodes_text(d));
  fmt::print("  features   {}\n", fmt::join(m.cpu_features, " "));
  fmt::print("  kernels    {}\n", d.kernels);
  fmt::print("  memory     {}, {} available{}\n", bytes_text(m.memory_bytes),
             bytes_text(m.available_bytes),
             m.memory_limit_bytes ? fmt::format(" (limit of this control group: {})",
                                                bytes_text(*m.memory_limit_bytes))
                                  : "");
  fmt::print("  pages      {}\n", pages_text(m.huge_pages));
  fmt::print("  bandwidth  {:.1f} GB/s, measured: reading with {} threads\n",
             d.read_bytes_per_s / 1e9, m.n_threads);
  fmt::print("  products   int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s at most, measured likewise\n",
             d.int8_ops_per_s / 1e9, d.bf16_ops_per_s / 1e9);
  fmt::print("  disk       {} free for models in {}\n", bytes_text(d.cache_free_bytes),
             d.cache.string());
  fmt::print("  cached     {}\n", d.cached_models.empty()
                                      ? "no models in the Hugging Face cache"
                                      : fmt::format("{}", fmt::join(d.cached_models, ", ")));
  fmt::print("  panels     {}\n", arranged_text(d));
  fmt::print("  trainer    {}\n",
             kHasTrainer ? "built in" : "not built in (`make train` builds it with LibTorch)");
  fmt::print("\nWhat fits      (state: of one sequence; per token: weights read to decode one)\n");
  fmt::print("  {:<20} {:>7} {:>9} {:>9} {:>12} {:>10}\n", "model", "params", "weights",
             "per token", "state per 1K", "");
  for (const ModelRow& row : d.models) {
    fmt::print("  {:<20} {:>7} {:>9} {:>9} {:>12}   {}\n", row.name,
               short_count_text(row.needs.n_parameters), bytes_text(row.needs.weight_bytes),
               bytes_text(row.needs.bytes_per_token), bytes_text(row.needs.state_bytes_per_1k),
               verdict(row, d));
  }
  fmt::print("\nNext: hadal play\n");
}

void print_json(const Diagnosis& d) {
  using Json = nlohmann::ordered_json;
  const Machine& m = d.machine;
  Json models = Json::array();
  for (const ModelRow& row : d.models) {
    models.push_back({{"name", row.name},
                      {"parameters", row.needs.n_parameters},
                      {"active_parameters", row.needs.n_active_parameters},
                      {"weight_bytes", row.needs.weight_bytes},
                      {"bytes_per_token", row.needs.bytes_per_token},
                      {"state_bytes", row.needs.state_bytes},
                      {"state_bytes_per_1k", row.needs.state_bytes_per_1k},
                      {"fits_in_memory", row.fits_in_memory},
                      {"decode_ceiling_tok_s", decode_ceiling(row, d)}});
  }
  const Json json = {
      {"cpu", m.cpu},
      {"cpu_features", m.cpu_features},
      {"n_cpus", m.n_cpus},
      {"n_cores", m.n_cores},
      {"n_nodes", m.n_nodes},
      {"cpu_quota", m.cpu_quota ? Json(*m.cpu_quota) : Json()},
      {"n_threads", m.n_threads},
      {"memory_placement", name_of(d.placement)},
      {"huge_pages", m.huge_pages},
      {"kernels", d.kernels},
      {"memory_bytes", m.memory_bytes},
      {"available_bytes", m.available_bytes},
      {"memory_limit_bytes", m.memory_limit_bytes ? Json(*m.memory_limit_bytes) : Json()},
      {"read_gb_s", d.read_bytes_per_s / 1e9},
      {"int8_gop_s", d.int8_ops_per_s / 1e9},
      {"bf16_gflop_s", d.bf16_ops_per_s / 1e9},
      {"cache", d.cache.string()},
      {"cache_free_bytes", d.cache_free_bytes},
      {"cached_models", d.cached_models},
      {"arranged_models", d.n_arranged},
      {"arranged_bytes", d.arranged_bytes},
      {"has_trainer", kHasTrainer},
      {"models", models}};
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb =
      app.add_subcommand("doctor", "What this machine has, and which models fit; takes a second");
  verb->add_flag("--json", *json, "the same for programs; sizes in bytes");
  verb->callback([json, &exit_code] {
    const auto diagnosis = diagnose();
    if (!diagnosis) {
      exit_code = report("doctor", diagnosis.error());
      return;
    }
    *json ? print_json(*diagnosis) : print_text(*diagnosis);
    // A machine whose kernels cannot start (HADAL_CPU_ISA) is a finding that scripts want to see.
    if (!diagnosis->kernels_ok) exit_code = kExitFailed;
  });
}

}  // namespace hadal
