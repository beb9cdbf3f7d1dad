// hadal arrange: the weights of a model in the order in which this engine reads them fastest.

#include "byte_progress.h"
#include "common.h"
#include "engine/model/arranged_weights.h"
#include "verbs.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace hadal {
namespace {

struct ArrangeFlags {
  std::string model;
  std::size_t threads = 0;
  bool remove = false;
};

constexpr double kGb = 1e9;

Result<void> remove_arranged(const Checkpoint& checkpoint) {
  const std::filesystem::path path = arranged_file(checkpoint);
  std::error_code failed;
  const bool was_there = !path.empty() && std::filesystem::remove(path, failed);
  if (failed)
    return error(ErrorCode::io_error, "{}: cannot be removed: {}", path.string(), failed.message());
  if (!was_there)
    return error(ErrorCode::not_found, "{}: has no arranged weights in {}", checkpoint.name(),
                 arranged_directory().string());
  fmt::print(stderr, "removed {}\n", path.string());
  return {};
}

Result<void> arrange(const ArrangeFlags& flags) {
  HADAL_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(flags.model));
  if (flags.remove) return remove_arranged(checkpoint);
  if (const auto present = ArrangedWeights::find(checkpoint)) {
    fmt::print(stderr, "{} is there already and fits the model\n", present->path().string());
    return {};
  }
  const std::size_t n_threads = flags.threads != 0 ? flags.threads : default_n_threads();
  ThreadPool pool(n_threads);
  ByteProgress progress;
  HADAL_ASSIGN(const std::filesystem::path path,
               write_arranged(checkpoint, pool, [&](std::uint64_t done, std::uint64_t total) {
                 progress.update(done, total);
               }));
  progress.end();
  const ArrangedLayout layout = arranged_layout(checkpoint);
  fmt::print(stderr, "wrote {}: {} tensors, {:.2f} GB; from now on mapped in place of these\n",
             path.string(), layout.offsets.size(), static_cast<double>(layout.file_bytes) / kGb);
  return {};
}

}  // namespace

void add_arrange(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ArrangeFlags>();
  CLI::App* verb = app.add_subcommand(
      "arrange",
      "Writes the quantised weights of a model once more, into the cache, in the order in which "
      "the "
      "CPU\nreads them fastest. Later starts map that file instead: results stay the same, bit for "
      "bit; memory\ntoo; it costs as much disk as the weights. `hadal show` tells which ones a "
      "model "
      "has.\nExample: hadal arrange -m model.gguf");
  verb->add_option("model,-m,--model", flags->model,
                   "directory with config.json, .gguf file or Hub id in the local cache")
      ->required();
  verb->add_option("-t,--threads", flags->threads, "threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--remove", flags->remove, "remove the model's file from the cache instead");
  verb->callback([flags, &exit_code] {
    if (const auto done = arrange(*flags); !done) exit_code = report("arrange", done.error());
  });
}

}  // namespace hadal
