#include "engine/model/arranged_weights.h"

#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/kernels/linear/int8_layout.h"
#include "engine/kernels/linear/panel_order.h"
#include "formats/atomic_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/stat.h>

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHeaderBytes = 4096;
constexpr std::uint64_t kAlignment = 64;
constexpr std::size_t kBufferBytes = 64 * 1024 * 1024;

/// The beginning of the file; the rest of the header is zero.
struct Header {
  char magic[8] = {'H', 'A', 'D', 'A', 'L', 'P', 'N', 'L'};
  std::uint64_t version = 1;  ///< of this layout and of panel order
  std::uint64_t fingerprint = 0;
  std::uint64_t file_bytes = 0;
};

constexpr std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

/// "layers.3.ffn.experts.7.w1.weight" -> "layers.3.ffn.experts.7.w3.weight" and back; empty for
/// other names.
std::string gate_or_up_twin(std::string_view name) {
  for (const auto& [mine, other] :
       {std::pair{".w1.weight", ".w3.weight"}, std::pair{".w3.weight", ".w1.weight"}}) {
    if (name.ends_with(mine))
      return std::string(name.substr(0, name.size() - std::strlen(mine))) + other;
  }
  return {};
}

bool is_arranged(const Checkpoint& checkpoint, const CheckpointTensor& tensor) {
  if (tensor.name == "embed.weight" || !can_arrange(tensor.view)) return false;
  if (tensor.name.ends_with(".wo_a.weight"))
    return checkpoint.config().o_lora_rank % kPanelRows == 0;
  const CheckpointTensor* twin = checkpoint.find(gate_or_up_twin(tensor.name));
  return twin == nullptr || can_arrange(twin->view);
}

std::string_view bytes_at(const std::byte* data, std::size_t n) {
  return {reinterpret_cast<const char*>(data), n};
}

/// Of the state of the model's files: sizes, times, the list of tensors, and a sample of bytes from
/// some of them. Errors: io_error.
Result<std::uint64_t> fingerprint_of(const Checkpoint& checkpoint) {
  std::string text;
  for (const fs::path& file : checkpoint.files()) {
    struct ::stat status {};
    if (::stat(file.c_str(), &status) != 0)
      return error(ErrorCode::io_error, "{}: cannot be examined: {}", file.string(),
                   std::strerror(errno));
    text += fmt::format("{} {} {}.{}\n", file.string(), status.st_size, status.st_mtim.tv_sec,
                        status.st_mtim.tv_nsec);
  }
  constexpr std::size_t kSamples = 64;
  constexpr std::size_t kSampleBytes = 64;
  const auto tensors = checkpoint.tensors();
  const std::size_t step = std::max<std::size_t>(tensors.size() / kSamples, 1);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const MatrixView& view = tensors[i].view;
    text +=
        fmt::format("{} {} {} {}\n", tensors[i].name, info(view.dtype).name, view.rows, view.cols);
    if (i % step == 0)
      text += bytes_at(view.data, std::min<std::size_t>(bytes_of(view), kSampleBytes));
  }
  return fnv1a64(text);
}

Result<Header> header_of(const Checkpoint& checkpoint, const ArrangedLayout& layout) {
  Header header;
  HADAL_ASSIGN(header.fingerprint, fingerprint_of(checkpoint));
  header.file_bytes = layout.file_bytes;
  return header;
}

/// Nothing when `file` was made of this state of the model; else what is wrong.
std::optional<std::string> why_unfit(const MappedFile& file, const Header& expected) {
  Header found;
  if (file.bytes().size() < kHeaderBytes) return "it is too short";
  std::memcpy(&found, file.bytes().data(), sizeof(found));
  if (std::memcmp(found.magic, expected.magic, sizeof(found.magic)) != 0)
    return "it is no file of arranged weights";
  if (found.version != expected.version)
    return fmt::format("expected version {}, found {}", expected.version, found.version);
  if (found.fingerprint != expected.fingerprint) return "the model's files have changed since";
  if (found.file_bytes != expected.file_bytes || file.bytes().size() != expected.file_bytes)
    return fmt::format("it is damaged: expected {} bytes, found {}", expected.file_bytes,
                       file.bytes().size());
  return std::nullopt;
}

Result<void> make_directory(const fs::path& directory, std::uint64_t needed_bytes) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed)
    return error(ErrorCode::io_error, "{}: cannot be made: {}", directory.string(),
                 failed.message());
  const fs::space_info space = fs::space(directory, failed);
  if (!failed && space.available < needed_bytes)
    return error(ErrorCode::io_error,
                 "{}: expected {:.2f} GB of free space, found {:.2f} GB; XDG_CACHE_HOME chooses "
                 "another place",
                 directory.string(), static_cast<double>(needed_bytes) / 1e9,
                 static_cast<double>(space.available) / 1e9);
  return {};
}

/// Appends to the file and counts.
class Writer {
 public:
  Writer(AtomicFile& file, ThreadPool& pool, std::uint64_t total,
         const ArrangeProgress& on_progress)
      : file_(file), pool_(pool), total_(total), on_progress_(on_progress) {}

  Result<void> write_header(const Header& header) {
    std::vector<std::byte> bytes(kHeaderBytes);
    std::memcpy(bytes.data(), &header, sizeof(header));
    return write(bytes);
  }

  /// From the next multiple of 64 bytes on.
  Result<void> write_matrix(const MatrixView& stored) {
    HADAL_TRY(write(std::vector<std::byte>(aligned(done_) - done_)));
    const std::size_t n_panels = stored.rows / kPanelRows;
    const std::size_t panel_bytes = arranged_bytes(stored) / n_panels;
    const std::size_t step = std::max<std::size_t>(kBufferBytes / panel_bytes, 1);
    for (std::size_t begin = 0; begin < n_panels; begin += step) {
      const std::size_t n = std::min(step, n_panels - begin);
      buffer_.resize(n * panel_bytes);
      std::byte* panel_zero = buffer_.data() - begin * panel_bytes;
      pool_.run(
          n, [&](std::size_t i) { arrange_panels(stored, begin + i, begin + i + 1, panel_zero); });
      HADAL_TRY(write(buffer_));
    }
    return {};
  }

 private:
  Result<void> write(std::span<const std::byte> bytes) {
    HADAL_TRY(file_.write(bytes));
    done_ += bytes.size();
    if (on_progress_) on_progress_(done_, total_);
    return {};
  }

  AtomicFile& file_;
  ThreadPool& pool_;
  std::uint64_t total_;
  const ArrangeProgress& on_progress_;
  std::uint64_t done_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace

ArrangedLayout arranged_layout(const Checkpoint& checkpoint) {
  ArrangedLayout layout;
  std::uint64_t end = kHeaderBytes;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (!is_arranged(checkpoint, tensor)) continue;
    const std::uint64_t begin = aligned(end);
    layout.offsets.emplace(tensor.name, begin);
    end = begin + arranged_bytes(tensor.view);
  }
  if (!layout.offsets.empty()) layout.file_bytes = end;
  return layout;
}

fs::path arranged_directory() {
  const auto from = [](const char* variable) -> fs::path {
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
  };
  if (const fs::path cache = from("XDG_CACHE_HOME"); cache.is_absolute())
    return cache / "hadal" / "arranged";
  if (const fs::path home = from("HOME"); !home.empty())
    return home / ".cache" / "hadal" / "arranged";
  return {};
}

fs::path arranged_file(const Checkpoint& checkpoint, const fs::path& directory) {
  const std::vector<fs::path> files = checkpoint.files();
  if (files.empty() || directory.empty()) return {};
  std::error_code failed;
  const fs::path model = fs::weakly_canonical(files.front(), failed);
  if (failed) return {};
  // The name is for people, the hash of the whole path keeps namesakes apart.
  const fs::path name =
      model.filename() == "model.safetensors" ? model.parent_path().filename() : model.filename();
  return directory / fmt::format("{}-{:016x}.panels", name.string(), fnv1a64(model.string()));
}

std::optional<ArrangedWeights> ArrangedWeights::find(const Checkpoint& checkpoint,
                                                     const fs::path& directory) {
  const fs::path path = arranged_file(checkpoint, directory);
  std::error_code ignored;
  if (path.empty() || !fs::exists(path, ignored)) return std::nullopt;
  const auto ignore = [&](std::string_view why) {
    log_warning("arrange", "{}: {}; the weights are read as stored (`hadal arrange` makes it anew)",
                path.string(), why);
    return std::nullopt;
  };
  ArrangedLayout layout = arranged_layout(checkpoint);
  const Result<Header> expected = header_of(checkpoint, layout);
  if (!expected) return ignore(expected.error().message);
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return ignore(file.error().message);
  if (const auto why = why_unfit(*file, *expected)) return ignore(*why);
  return ArrangedWeights(std::move(*file), std::move(layout));
}

MatrixView ArrangedWeights::view(const CheckpointTensor& tensor) const {
  const auto it = layout_.offsets.find(tensor.name);
  if (it == layout_.offsets.end()) return tensor.view;
  return arranged_view(tensor.view, file_.bytes().data() + it->second);
}

Result<fs::path> write_arranged(const Checkpoint& checkpoint, ThreadPool& pool,
                                const ArrangeProgress& on_progress, const fs::path& directory) {
  if (checkpoint.files().empty())
    return error(ErrorCode::unsupported,
                 "{}: is a part of the program; expected a model in files of its own",
                 checkpoint.name());
  const ArrangedLayout layout = arranged_layout(checkpoint);
  if (layout.offsets.empty())
    return error(ErrorCode::unsupported,
                 "{}: nothing to arrange; expected weights of types with integer products (FP4, "
                 "MXFP4, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K) in multiples of 16 rows",
                 checkpoint.name());
  if (directory.empty())
    return error(ErrorCode::not_found,
                 "no cache directory: expected XDG_CACHE_HOME (absolute) or HOME to be set");
  HADAL_TRY(make_directory(directory, layout.file_bytes));
  const fs::path path = arranged_file(checkpoint, directory);
  HADAL_ASSIGN(const Header header, header_of(checkpoint, layout));
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  Writer writer(file, pool, layout.file_bytes, on_progress);
  HADAL_TRY(writer.write_header(header));
  for (const CheckpointTensor& tensor : checkpoint.tensors())
    if (layout.offsets.contains(tensor.name)) HADAL_TRY(writer.write_matrix(tensor.view));
  HADAL_TRY(file.commit());
  return path;
}

}  // namespace hadal
