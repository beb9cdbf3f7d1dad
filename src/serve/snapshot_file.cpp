#include "serve/snapshot_file.h"

#include "formats/atomic_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace hadal {
namespace fs = std::filesystem;
namespace {

/// More than any model has: a header that claims more is damaged.
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 32;
constexpr std::uint64_t kMostStores = 1 << 16;

/// Finds damage, not forgery: words are multiplied into four lanes (as xxHash does, with its
/// primes).
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    n_ += bytes.size();
    std::size_t i = 0;
    for (; i + 32 <= bytes.size(); i += 32) {
      for (std::size_t lane = 0; lane < 4; ++lane) mix(lane, word(bytes.data() + i + 8 * lane, 8));
    }
    for (std::size_t lane = 0; i < bytes.size(); i += 8, ++lane)
      mix(lane, word(bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i)));
  }
  std::uint64_t value() const {
    std::uint64_t sum = n_;
    for (const std::uint64_t lane : lanes_) sum = (sum ^ lane) * 0x9E3779B185EBCA87 + (sum >> 29);
    return sum ^ (sum >> 32);
  }

 private:
  static std::uint64_t word(const std::byte* bytes, std::size_t n) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes, n);
    return value;
  }
  void mix(std::size_t lane, std::uint64_t value) {
    std::uint64_t& h = lanes_[lane];
    h = (h ^ value) * 0xC2B2AE3D27D4EB4F;
    h ^= h >> 31;
  }

  std::uint64_t lanes_[4] = {1, 2, 3, 4};
  std::uint64_t n_ = 0;
};

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  Checksum sum;
  sum.add(bytes);
  return sum.value();
}

template <typename T>
std::span<const std::byte> bytes_of_one(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// Tokens and row counts as they stand in a file.
std::vector<std::byte> bytes_of(const SnapshotIndex& index) {
  const auto tokens = std::as_bytes(std::span(index.tokens));
  const auto counts = std::as_bytes(std::span(index.counts));
  std::vector<std::byte> bytes(tokens.size() + counts.size());
  std::copy(tokens.begin(), tokens.end(), bytes.begin());
  std::copy(counts.begin(), counts.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(tokens.size()));
  return bytes;
}

std::uint64_t index_sum_of(SnapshotHeader header, std::span<const std::byte> index) {
  header.index_sum = 0;
  Checksum sum;
  sum.add(bytes_of_one(header));
  sum.add(index);
  return sum.value();
}

/// A file that is read; closes.
class InputFile {
 public:
  explicit InputFile(const fs::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~InputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  bool is_open() const { return fd_ >= 0; }
  bool read(std::uint64_t offset, std::span<std::byte> bytes) const {
    while (!bytes.empty()) {
      const auto n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

 private:
  int fd_;
};

}  // namespace

std::uint64_t snapshot_id(std::uint64_t numerics, std::span<const std::int32_t> tokens) {
  Checksum sum;
  sum.add(bytes_of_one(numerics));
  sum.add(std::as_bytes(tokens));
  return std::max<std::uint64_t>(sum.value(), 1);
}

void seal(SnapshotImage& image) {
  SnapshotHeader& header = image.index.header;
  header.n_stores = image.index.counts.size();
  header.rows_bytes = image.rows.size();
  header.tail_bytes = image.tail.size();
  header.rows_sum = sum_of(image.rows);
  header.tail_sum = sum_of(image.tail);
  header.index_sum = index_sum_of(header, bytes_of(image.index));
}

Result<void> write_snapshot(const fs::path& path, const SnapshotImage& image) {
  HADAL_ASSIGN(AtomicFile file, AtomicFile::create(path));
  HADAL_TRY(file.write(bytes_of_one(image.index.header)));
  HADAL_TRY(file.write(bytes_of(image.index)));
  HADAL_TRY(file.write(image.rows));
  HADAL_TRY(file.write(image.tail));
  return file.commit();
}

SnapshotFit read_snapshot_index(const fs::path& path, std::uint64_t numerics,
                                SnapshotIndex& index) {
  const InputFile file(path);
  SnapshotHeader& header = index.header;
  if (!file.is_open() || !file.read(0, std::as_writable_bytes(std::span(&header, 1))) ||
      header.magic != SnapshotHeader::kMagic)
    return SnapshotFit::damaged;
  if (header.numerics != numerics) return SnapshotFit::foreign;
  std::error_code ignored;
  if (header.n_tokens > kMostTokens || header.n_parent_tokens >= header.n_tokens ||
      header.n_stores > kMostStores || header.file_bytes() != fs::file_size(path, ignored))
    return SnapshotFit::damaged;
  std::vector<std::byte> bytes(header.index_bytes());
  if (!file.read(sizeof header, bytes) || index_sum_of(header, bytes) != header.index_sum)
    return SnapshotFit::damaged;
  index.tokens.resize(header.n_own_tokens());
  index.counts.resize(header.n_stores);
  const std::size_t token_bytes = index.tokens.size() * sizeof(std::int32_t);
  std::memcpy(index.tokens.data(), bytes.data(), token_bytes);
  std::memcpy(index.counts.data(), bytes.data() + token_bytes, bytes.size() - token_bytes);
  return SnapshotFit::fits;
}

Result<std::vector<std::byte>> read_snapshot_part(const fs::path& path,
                                                  const SnapshotHeader& header, SnapshotPart part) {
  const bool is_rows = part == SnapshotPart::rows;
  const InputFile file(path);
  if (!file.is_open()) {
    return error(ErrorCode::io_error, "{}: cannot be opened: {}", path.string(),
                 std::generic_category().message(errno));
  }
  std::vector<std::byte> bytes(is_rows ? header.rows_bytes : header.tail_bytes);
  if (!file.read(is_rows ? header.rows_offset() : header.tail_offset(), bytes) ||
      sum_of(bytes) != (is_rows ? header.rows_sum : header.tail_sum)) {
    return error(ErrorCode::bad_format, "{}: its {} damaged", path.string(),
                 is_rows ? "rows are" : "tail is");
  }
  return bytes;
}

}  // namespace hadal
