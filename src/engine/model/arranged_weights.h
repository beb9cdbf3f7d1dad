// Quantised weights in panel order (kernels/linear/panel_order.h), kept in a file of the user's
// cache: made once by `hadal arrange`, mapped at every later start in place of the same weights as
// stored. So nothing is rearranged at a start, and no weight is in memory twice.
//   file = header of 4096 bytes, then the arranged tensors in canonical order, each at a multiple
//   of
//          64 bytes. What lies where follows from the model alone; the header says of which state
//          of the model's files it was made (their sizes, times and a sample of their bytes).
#pragma once

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "engine/model/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace hadal {

/// Which tensors of a model are arranged, and where each begins in the file. Views the checkpoint.
struct ArrangedLayout {
  std::unordered_map<std::string_view, std::uint64_t> offsets;  ///< by canonical name
  std::uint64_t file_bytes = 0;                                 ///< header included; no tensors: 0
};

/// All whose every product can read panels. Not: the embedding, whose rows are looked up; wo_a when
/// a group ends inside of a panel; w1 or w3 of an expert when the other one has no integer product,
/// because both are multiplied in one way.
ArrangedLayout arranged_layout(const Checkpoint& checkpoint);

/// Where `hadal arrange` keeps its files: $XDG_CACHE_HOME/hadal/arranged, else
/// ~/.cache/hadal/arranged; empty when neither variable is set. Reads the environment.
std::filesystem::path arranged_directory();

/// The file of `checkpoint`, whether it exists or not; empty for a model in memory, or without a
/// directory.
std::filesystem::path arranged_file(const Checkpoint& checkpoint,
                                    const std::filesystem::path& directory = arranged_directory());

/// The mapped file. Immutable; threads may share it. Views a checkpoint's names: it must live as
/// long.
class ArrangedWeights {
 public:
  /// Nothing when there is no file. A file that does not fit the model's present state is left
  /// alone with a warning in the log: nothing then either.
  static std::optional<ArrangedWeights> find(
      const Checkpoint& checkpoint, const std::filesystem::path& directory = arranged_directory());

  /// `tensor` (of that checkpoint) in panel order, or as stored when it was not arranged.
  MatrixView view(const CheckpointTensor& tensor) const;

  const std::filesystem::path& path() const { return file_.path(); }
  std::uint64_t bytes() const { return layout_.file_bytes; }

 private:
  ArrangedWeights(MappedFile file, ArrangedLayout layout)
      : file_(std::move(file)), layout_(std::move(layout)) {}

  MappedFile file_;
  ArrangedLayout layout_;
};

/// Called with bytes done and in all; may be empty.
using ArrangeProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Writes the file of `checkpoint`, complete or not at all; an older one is replaced. Takes 64 MB
/// of memory beside the mapped weights. Errors: unsupported (a model in memory, no weight that can
/// be arranged), not_found (no cache directory), io_error (also: too little space, which is checked
/// before).
Result<std::filesystem::path> write_arranged(
    const Checkpoint& checkpoint, ThreadPool& pool, const ArrangeProgress& on_progress,
    const std::filesystem::path& directory = arranged_directory());

}  // namespace hadal
