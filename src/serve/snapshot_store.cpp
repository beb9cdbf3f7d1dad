#include "serve/snapshot_store.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hadal {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMagic = 0x314e534c41444148;  // "HADALSN1"
constexpr const char* kSuffix = ".snapshot";
constexpr const char* kTemporary = ".tmp";
/// More tokens than any model takes: a header that claims more is damaged.
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 32;
constexpr std::uint64_t kMostStores = 1 << 16;

/// A file begins with this; tokens and row counts follow, then rows, then the tail.
struct Header {
  std::uint64_t magic = kMagic;
  std::uint64_t numerics = 0;
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::uint64_t n_tokens = 0;
  std::uint64_t n_parent_tokens = 0;
  std::uint64_t n_stores = 0;
  std::uint64_t rows_bytes = 0;
  std::uint64_t tail_bytes = 0;
  std::uint64_t rows_sum = 0;
  std::uint64_t tail_sum = 0;
  std::uint64_t index_sum = 0;  ///< of the header with 0 here, tokens and row counts

  std::uint64_t n_own_tokens() const { return n_tokens - n_parent_tokens; }
  std::uint64_t index_bytes() const {
    return n_own_tokens() * sizeof(std::int32_t) + n_stores * sizeof(std::uint64_t);
  }
  std::uint64_t rows_offset() const { return sizeof(Header) + index_bytes(); }
  std::uint64_t tail_offset() const { return rows_offset() + rows_bytes; }
  std::uint64_t file_bytes() const { return tail_offset() + tail_bytes; }
};

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

std::uint64_t index_sum_of(Header header, std::span<const std::byte> index) {
  header.index_sum = 0;
  Checksum sum;
  sum.add(std::as_bytes(std::span(&header, 1)));
  sum.add(index);
  return sum.value();
}

std::uint64_t id_of(std::uint64_t numerics, std::span<const std::int32_t> tokens) {
  Checksum sum;
  sum.add(std::as_bytes(std::span(&numerics, 1)));
  sum.add(std::as_bytes(tokens));
  return std::max<std::uint64_t>(sum.value(), 1);
}

Error system_failure(const fs::path& path, std::string_view what) {
  return error(ErrorCode::io_error, "{}: cannot be {}: {}", path.string(), what,
               std::generic_category().message(errno));
}

/// A file descriptor that closes.
class File {
 public:
  File(const fs::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
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
  bool write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const auto n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

 private:
  int fd_;
};

/// What a file says of itself, checked.
struct FileIndex {
  Header header;
  std::vector<std::int32_t> tokens;  ///< behind those of the parent
  RowCounts counts;
};

/// Nothing: damaged. @param is_foreign  set when it is of another model or build
std::optional<FileIndex> read_index(const fs::path& path, std::uint64_t numerics,
                                    bool& is_foreign) {
  const File file(path, O_RDONLY);
  FileIndex index;
  Header& header = index.header;
  if (!file.is_open() || !file.read(0, std::as_writable_bytes(std::span(&header, 1))))
    return std::nullopt;
  if (header.magic != kMagic) return std::nullopt;
  is_foreign = header.numerics != numerics;
  if (is_foreign) return std::nullopt;
  std::error_code ignored;
  if (header.n_tokens > kMostTokens || header.n_parent_tokens >= header.n_tokens ||
      header.n_stores > kMostStores || header.file_bytes() != fs::file_size(path, ignored))
    return std::nullopt;
  std::vector<std::byte> bytes(header.index_bytes());
  if (!file.read(sizeof header, bytes) || index_sum_of(header, bytes) != header.index_sum)
    return std::nullopt;
  index.tokens.resize(header.n_own_tokens());
  index.counts.resize(header.n_stores);
  const std::size_t token_bytes = index.tokens.size() * sizeof(std::int32_t);
  std::memcpy(index.tokens.data(), bytes.data(), token_bytes);
  std::memcpy(index.counts.data(), bytes.data() + token_bytes,
              index.counts.size() * sizeof(std::uint64_t));
  return index;
}

}  // namespace

struct SnapshotStore::Entry {
  Header header;
  std::vector<std::int32_t> tokens;  ///< behind those of the parent
  RowCounts counts;
  std::size_t n_children = 0;
  std::uint64_t used = 0;
  bool is_written = false;
};

struct SnapshotStore::Unwritten {
  Id id;
  std::vector<std::byte> head;  ///< header, tokens and row counts
  std::vector<std::byte> rows;
  std::vector<std::byte> tail;

  std::size_t size() const { return head.size() + rows.size() + tail.size(); }
};

Result<std::unique_ptr<SnapshotStore>> SnapshotStore::open(Options options) {
  std::error_code failed;
  fs::create_directories(options.folder, failed);
  if (failed) {
    return error(ErrorCode::io_error, "{}: cannot be made: {}", options.folder.string(),
                 failed.message());
  }
  ::chmod(options.folder.c_str(), S_IRWXU);  // conversations are private
  const fs::path lock_path = options.folder / "lock";
  const int lock = ::open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (lock < 0) return system_failure(lock_path, "opened for writing");
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return error(ErrorCode::io_error, "{}: another server uses this folder",
                 options.folder.string());
  }
  std::unique_ptr<SnapshotStore> store(new SnapshotStore(std::move(options), lock));
  store->scan();
  store->writer_ = std::thread([raw = store.get()] { raw->write_loop(); });
  return store;
}

SnapshotStore::SnapshotStore(Options options, int lock)
    : options_(std::move(options)), lock_(lock) {
  numbers_.max_bytes = options_.max_bytes;
}

SnapshotStore::~SnapshotStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (writer_.joinable()) writer_.join();
  ::close(lock_);
}

fs::path SnapshotStore::path_of(Id id) const {
  return options_.folder / fmt::format("{:016x}{}", id, kSuffix);
}

void SnapshotStore::scan() {
  std::error_code failed;
  std::size_t n_damaged = 0;
  for (const auto& file : fs::directory_iterator(options_.folder, failed)) {
    const fs::path& path = file.path();
    if (path.extension() == kTemporary) fs::remove(path, failed);  // of a process that was killed
    if (path.extension() != kSuffix) continue;
    bool is_foreign = false;
    auto index = read_index(path, options_.numerics, is_foreign);
    if (is_foreign) {
      n_bytes_ += foreign_[path] = file.file_size(failed);
    } else if (!index || path_of(index->header.id) != path) {
      ++n_damaged;
      fs::remove(path, failed);
    } else {
      n_bytes_ += index->header.file_bytes();
      entries_[index->header.id] = {.header = index->header,
                                    .tokens = std::move(index->tokens),
                                    .counts = std::move(index->counts),
                                    .is_written = true};
    }
  }
  for (auto& [id, entry] : entries_) {
    const auto parent = entries_.find(entry.header.parent);
    if (parent != entries_.end()) ++parent->second.n_children;
  }
  // What has lost its beginning, and then what hangs on that.
  std::vector<Id> orphans;
  for (const auto& [id, entry] : entries_) {
    const auto parent = entries_.find(entry.header.parent);
    const bool fits = entry.header.parent == 0
                          ? entry.header.n_parent_tokens == 0
                          : parent != entries_.end() &&
                                parent->second.header.n_tokens == entry.header.n_parent_tokens;
    if (!fits) orphans.push_back(id);
  }
  for (const Id id : orphans) forget(id);
  numbers_.n_damaged = n_damaged + orphans.size();
  if (numbers_.n_damaged > 0)
    log_warning("snapshots", "{}: {} damaged files dropped", options_.folder.string(),
                numbers_.n_damaged);
  if (!foreign_.empty())
    log_info("snapshots", "{}: {} files of another model or build are left alone",
             options_.folder.string(), foreign_.size());
  make_room(0);
}

void SnapshotStore::for_each(
    const std::function<void(std::span<const std::int32_t> tokens, Id id)>& visit) const {
  std::vector<Id> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) ids.push_back(id);
    std::sort(ids.begin(), ids.end(), [&](Id a, Id b) {
      return entries_.at(a).header.n_tokens < entries_.at(b).header.n_tokens;
    });
  }
  for (const Id id : ids) {
    std::vector<std::int32_t> tokens;
    {
      const std::lock_guard lock(mutex_);
      for (Id at = id; at != 0; at = entries_.at(at).header.parent) {
        const auto& own = entries_.at(at).tokens;
        tokens.insert(tokens.begin(), own.begin(), own.end());
      }
    }
    visit(tokens, id);
  }
}

SnapshotStore::Id SnapshotStore::put(std::span<const std::int32_t> tokens,
                                     const SequenceState& state, Id parent) {
  const Id id = id_of(options_.numerics, tokens);
  RowCounts parent_counts;
  Header header{.numerics = options_.numerics, .id = id, .n_tokens = tokens.size()};
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = entries_.find(id); known != entries_.end()) {
      known->second.used = ++clock_;
      return id;
    }
    if (const auto found = entries_.find(parent); found != entries_.end()) {
      parent_counts = found->second.counts;
      header.parent = parent;
      header.n_parent_tokens = found->second.header.n_tokens;
    }
    if (unwritten_bytes_ > options_.max_unwritten) {
      ++numbers_.n_unwritten;
      return 0;
    }
  }
  const auto own_tokens = tokens.subspan(header.n_parent_tokens);
  RowCounts counts = row_counts(state);
  Unwritten file{.id = id,
                 .head = {},
                 .rows = rows_to_bytes(state, parent_counts),
                 .tail = tail_to_bytes(state)};
  header.n_stores = counts.size();
  header.rows_bytes = file.rows.size();
  header.tail_bytes = file.tail.size();
  header.rows_sum = sum_of(file.rows);
  header.tail_sum = sum_of(file.tail);
  std::vector<std::byte> index(header.index_bytes());
  std::memcpy(index.data(), own_tokens.data(), own_tokens.size_bytes());
  std::memcpy(index.data() + own_tokens.size_bytes(), counts.data(),
              counts.size() * sizeof(std::uint64_t));
  header.index_sum = index_sum_of(header, index);
  const auto head = std::as_bytes(std::span(&header, 1));
  file.head.assign(head.begin(), head.end());
  file.head.insert(file.head.end(), index.begin(), index.end());

  const std::lock_guard lock(mutex_);
  if (header.file_bytes() > options_.max_bytes ||
      (header.parent != 0 && !entries_.contains(header.parent))) {
    ++numbers_.n_unwritten;
    return 0;
  }
  if (header.parent != 0) ++entries_.at(header.parent).n_children;
  entries_[id] = {.header = header,
                  .tokens = {own_tokens.begin(), own_tokens.end()},
                  .counts = std::move(counts),
                  .used = ++clock_};
  n_bytes_ += header.file_bytes();
  unwritten_bytes_ += file.size();
  unwritten_.push_back(std::move(file));
  make_room(0);
  changed_.notify_all();
  return id;
}

bool SnapshotStore::contains(Id id) const {
  const std::lock_guard lock(mutex_);
  return id != 0 && entries_.contains(id);
}

/// Other builds' files first, then leaves that were not used for longest: what others build upon
/// stays. The mutex is held.
void SnapshotStore::make_room(std::uint64_t n_bytes) {
  std::error_code ignored;
  while (n_bytes_ + n_bytes > options_.max_bytes) {
    if (!foreign_.empty()) {
      const auto first = foreign_.begin();
      fs::remove(first->first, ignored);
      n_bytes_ -= first->second;
      foreign_.erase(first);
      continue;
    }
    const Entry* oldest = nullptr;
    for (const auto& [id, entry] : entries_) {
      const bool may_go = entry.is_written && entry.n_children == 0;
      if (may_go && (oldest == nullptr || entry.used < oldest->used)) oldest = &entry;
    }
    if (oldest == nullptr) return;
    forget(oldest->header.id);
  }
}

/// With all that is built upon it. The mutex is held, but during the scan.
void SnapshotStore::forget(Id id) {
  std::vector<Id> waiting{id};
  while (!waiting.empty()) {
    const Id next = waiting.back();
    waiting.pop_back();
    const auto at = entries_.find(next);
    if (at == entries_.end()) continue;
    for (const auto& [child_id, child] : entries_)
      if (child.header.parent == next) waiting.push_back(child_id);
    if (const auto parent = entries_.find(at->second.header.parent); parent != entries_.end())
      --parent->second.n_children;
    n_bytes_ -= at->second.header.file_bytes();
    std::error_code ignored;
    fs::remove(path_of(next), ignored);
    entries_.erase(at);
  }
}

bool SnapshotStore::load(Id id, SequenceState& state) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const auto found = entries_.find(id);
      return found == entries_.end() || found->second.is_written;
    });
  }
  const auto loaded = load_chain(id, state);
  const std::lock_guard lock(mutex_);
  if (loaded) {
    ++numbers_.n_loaded;
    return true;
  }
  if (entries_.contains(id)) {
    log_warning("snapshots", "dropped: {}", loaded.error().message);
    ++numbers_.n_damaged;
    forget(id);
  }
  return false;
}

Result<void> SnapshotStore::load_chain(Id id, SequenceState& state) {
  struct Link {
    Header header;
    RowCounts counts;
  };
  std::vector<Link> chain;
  std::vector<std::int32_t> tokens;
  {
    const std::lock_guard lock(mutex_);
    for (Id at = id; at != 0;) {
      const auto found = entries_.find(at);
      if (found == entries_.end()) return error(ErrorCode::not_found, "{:016x} is gone", at);
      Entry& entry = found->second;
      entry.used = ++clock_;
      tokens.insert(tokens.begin(), entry.tokens.begin(), entry.tokens.end());
      chain.push_back({entry.header, entry.counts});
      at = entry.header.parent;
    }
  }
  std::vector<std::byte> bytes;
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
    const Header& header = link->header;
    const fs::path path = path_of(header.id);
    const File file(path, O_RDONLY);
    if (!file.is_open()) return system_failure(path, "opened");
    bytes.resize(header.rows_bytes);
    if (!file.read(header.rows_offset(), bytes) || sum_of(bytes) != header.rows_sum)
      return error(ErrorCode::bad_format, "{}: its rows are damaged", path.string());
    HADAL_TRY(append_rows(state, bytes, link->counts));
    if (header.id != id) continue;
    bytes.resize(header.tail_bytes);
    if (!file.read(header.tail_offset(), bytes) || sum_of(bytes) != header.tail_sum)
      return error(ErrorCode::bad_format, "{}: its tail is damaged", path.string());
    HADAL_TRY(set_tail(state, bytes, tokens));
  }
  return {};
}

void SnapshotStore::write_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !unwritten_.empty(); });
    if (unwritten_.empty()) return;
    const Unwritten file = std::move(unwritten_.front());
    unwritten_.pop_front();
    is_writing_ = true;
    const bool is_wanted = entries_.contains(file.id);
    lock.unlock();
    const auto written = is_wanted ? write(file) : Result<void>();
    lock.lock();
    unwritten_bytes_ -= file.size();
    is_writing_ = false;
    const auto entry = entries_.find(file.id);
    if (!written) {
      log_warning("snapshots", "not kept: {}", written.error().message);
      ++numbers_.n_unwritten;
      forget(file.id);
    } else if (entry != entries_.end()) {
      entry->second.is_written = true;
      make_room(0);
    } else if (is_wanted) {
      std::error_code ignored;
      fs::remove(path_of(file.id), ignored);  // forgotten while it was written
    }
    changed_.notify_all();
  }
}

Result<void> SnapshotStore::write(const Unwritten& unwritten) {
  const fs::path path = path_of(unwritten.id);
  const fs::path temporary = path.string() + kTemporary;
  const auto clean_up = [&](const Error& failure) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    return failure;
  };
  {
    const File file(temporary, O_CREAT | O_TRUNC | O_WRONLY);
    if (!file.is_open()) return system_failure(temporary, "opened for writing");
    for (const auto* part : {&unwritten.head, &unwritten.rows, &unwritten.tail})
      if (!file.write(*part)) return clean_up(system_failure(temporary, "written"));
    if (::fdatasync(file.fd()) != 0) return clean_up(system_failure(temporary, "written"));
  }
  std::error_code failed;
  fs::rename(temporary, path, failed);
  if (failed) {
    return clean_up(
        error(ErrorCode::io_error, "{}: cannot be renamed: {}", path.string(), failed.message()));
  }
  return {};
}

SnapshotStore::Numbers SnapshotStore::numbers() const {
  const std::lock_guard lock(mutex_);
  Numbers numbers = numbers_;
  numbers.n_bytes = n_bytes_;
  numbers.n_snapshots = entries_.size();
  return numbers;
}

void SnapshotStore::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unwritten_.empty() && !is_writing_; });
}

}  // namespace hadal
