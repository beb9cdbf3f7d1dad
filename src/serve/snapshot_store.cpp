#include "serve/snapshot_store.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hadal {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSuffix = ".snapshot";

/// Left by a process that was killed while it wrote (AtomicFile).
bool is_partial(const fs::path& path) {
  return path.filename().string().find(std::string(kSuffix) + ".partial-") != std::string::npos;
}

}  // namespace

struct SnapshotStore::Entry {
  SnapshotIndex index;
  std::size_t n_children = 0;
  std::uint64_t used = 0;
  bool is_written = false;

  const SnapshotHeader& header() const { return index.header; }
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
  if (lock < 0) {
    return error(ErrorCode::io_error, "{}: cannot be opened for writing: {}", lock_path.string(),
                 std::generic_category().message(errno));
  }
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
    if (is_partial(path)) fs::remove(path, failed);
    if (path.extension() != kSuffix) continue;
    SnapshotIndex index;
    const SnapshotFit fit = read_snapshot_index(path, options_.numerics, index);
    const std::uint64_t id = index.header.id;
    if (fit == SnapshotFit::foreign) {
      n_bytes_ += foreign_[path] = file.file_size(failed);
    } else if (fit == SnapshotFit::damaged || path_of(id) != path) {
      ++n_damaged;
      fs::remove(path, failed);
    } else {
      n_bytes_ += index.header.file_bytes();
      entries_[id] = {.index = std::move(index), .is_written = true};
    }
  }
  for (auto& [id, entry] : entries_) {
    const auto parent = entries_.find(entry.header().parent);
    if (parent != entries_.end()) ++parent->second.n_children;
  }
  // What has lost its beginning, and then what hangs on that.
  std::vector<Id> orphans;
  for (const auto& [id, entry] : entries_) {
    const auto parent = entries_.find(entry.header().parent);
    const bool fits = entry.header().parent == 0
                          ? entry.header().n_parent_tokens == 0
                          : parent != entries_.end() &&
                                parent->second.header().n_tokens == entry.header().n_parent_tokens;
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
  evict();
}

void SnapshotStore::for_each(
    const std::function<void(std::span<const std::int32_t> tokens, Id id)>& visit) const {
  std::vector<std::pair<std::vector<std::int32_t>, Id>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) all.emplace_back(tokens_of(id), id);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  for (const auto& [tokens, id] : all) visit(tokens, id);
}

/// From the beginning of its text. The mutex is held.
std::vector<std::int32_t> SnapshotStore::tokens_of(Id id) const {
  std::vector<std::int32_t> tokens;
  for (Id at = id; at != 0; at = entries_.at(at).header().parent) {
    const auto& own = entries_.at(at).index.tokens;
    tokens.insert(tokens.begin(), own.begin(), own.end());
  }
  return tokens;
}

/// Whether the snapshot is of this text. An id is a hash, and no proof: texts with equal ones can
/// be made. The mutex is held.
bool SnapshotStore::has_tokens(Id id, std::span<const std::int32_t> tokens) const {
  for (Id at = id; at != 0;) {
    const auto found = entries_.find(at);
    if (found == entries_.end()) return false;
    const auto& own = found->second.index.tokens;
    if (own.size() > tokens.size()) return false;
    const auto rest = tokens.size() - own.size();
    if (!std::equal(own.begin(), own.end(), tokens.subspan(rest).begin())) return false;
    tokens = tokens.first(rest);
    at = found->second.header().parent;
  }
  return tokens.empty();
}

SnapshotStore::Id SnapshotStore::put(std::span<const std::int32_t> tokens,
                                     const SequenceState& state, Id parent) {
  SnapshotImage image;
  SnapshotHeader& header = image.index.header;
  header.numerics = options_.numerics;
  header.id = snapshot_id(options_.numerics, tokens);
  header.n_tokens = tokens.size();
  RowCounts parent_counts;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = entries_.find(header.id); known != entries_.end()) {
      if (!has_tokens(header.id, tokens)) return 0;
      known->second.used = ++clock_;
      return header.id;
    }
    const auto found = entries_.find(parent);
    if (found != entries_.end() && found->second.header().n_tokens < tokens.size() &&
        has_tokens(parent, tokens.first(found->second.header().n_tokens))) {
      parent_counts = found->second.index.counts;
      header.parent = parent;
      header.n_parent_tokens = found->second.header().n_tokens;
    }
    if (unwritten_bytes_ > options_.max_unwritten) {
      ++numbers_.n_unwritten;
      return 0;
    }
  }
  const auto own_tokens = tokens.subspan(header.n_parent_tokens);
  image.index.tokens.assign(own_tokens.begin(), own_tokens.end());
  image.index.counts = row_counts(state);
  image.rows = rows_to_bytes(state, parent_counts);
  image.tail = tail_to_bytes(state);
  seal(image);
  return enqueue(std::move(image));
}

SnapshotStore::Id SnapshotStore::enqueue(SnapshotImage image) {
  const SnapshotHeader header = image.index.header;
  const std::lock_guard lock(mutex_);
  const bool has_lost_parent = header.parent != 0 && !entries_.contains(header.parent);
  if (header.file_bytes() > options_.max_bytes || has_lost_parent) {
    ++numbers_.n_unwritten;
    return 0;
  }
  if (header.parent != 0) ++entries_.at(header.parent).n_children;
  entries_[header.id] = {.index = image.index, .used = ++clock_};
  n_bytes_ += header.file_bytes();
  unwritten_bytes_ += header.file_bytes();
  unwritten_.push_back(std::move(image));
  evict();
  changed_.notify_all();
  return header.id;
}

bool SnapshotStore::contains(Id id) const {
  const std::lock_guard lock(mutex_);
  return id != 0 && entries_.contains(id);
}

/// Files are removed by the writer: a full folder would otherwise stop the engine for each.
/// Other builds' files first, then leaves that were not used for longest: what others build upon
/// stays. The mutex is held.
void SnapshotStore::evict() {
  while (n_bytes_ > options_.max_bytes) {
    if (!foreign_.empty()) {
      const auto first = foreign_.begin();
      unwanted_.push_back(first->first);
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
    forget(oldest->header().id);
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
      if (child.header().parent == next) waiting.push_back(child_id);
    if (const auto parent = entries_.find(at->second.header().parent); parent != entries_.end())
      --parent->second.n_children;
    n_bytes_ -= at->second.header().file_bytes();
    unwanted_.push_back(path_of(next));
    entries_.erase(at);
  }
}

bool SnapshotStore::load(Id id, std::span<const std::int32_t> tokens, SequenceState& state) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const auto found = entries_.find(id);
      return found == entries_.end() || found->second.is_written;
    });
  }
  const auto loaded = load_chain(id, tokens, state);
  const std::lock_guard lock(mutex_);
  if (loaded) {
    ++numbers_.n_loaded;
    return true;
  }
  if (has_tokens(id, tokens)) {
    log_warning("snapshots", "dropped: {}", loaded.error().message);
    ++numbers_.n_damaged;
    forget(id);
    changed_.notify_all();
  }
  return false;
}

Result<void> SnapshotStore::load_chain(Id id, std::span<const std::int32_t> tokens,
                                       SequenceState& state) {
  struct Link {
    SnapshotHeader header;
    RowCounts counts;
  };
  std::vector<Link> chain;  // from `id` to the beginning
  {
    const std::lock_guard lock(mutex_);
    if (!has_tokens(id, tokens)) return error(ErrorCode::not_found, "{:016x} is gone", id);
    for (Id at = id; at != 0; at = chain.back().header.parent) {
      Entry& entry = entries_.at(at);
      entry.used = ++clock_;
      chain.push_back({entry.header(), entry.index.counts});
    }
  }
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
    HADAL_ASSIGN(const auto rows,
                 read_snapshot_part(path_of(link->header.id), link->header, SnapshotPart::rows));
    HADAL_TRY(append_rows(state, rows, link->counts));
  }
  HADAL_ASSIGN(const auto tail,
               read_snapshot_part(path_of(id), chain.front().header, SnapshotPart::tail));
  return set_tail(state, tail, tokens);
}

/// Lets the mutex go meanwhile.
void SnapshotStore::remove_files(std::unique_lock<std::mutex>& lock) {
  std::error_code ignored;
  is_writing_ = true;
  while (!unwanted_.empty()) {
    const auto paths = std::exchange(unwanted_, {});
    lock.unlock();
    for (const fs::path& path : paths) fs::remove(path, ignored);
    lock.lock();
  }
  is_writing_ = false;
}

void SnapshotStore::write_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !unwritten_.empty() || !unwanted_.empty(); });
    remove_files(lock);  // first, since what is to be written may have one of their names
    changed_.notify_all();
    if (unwritten_.empty() && stopping_) return;
    if (unwritten_.empty()) continue;
    const SnapshotImage image = std::move(unwritten_.front());
    const Id id = image.index.header.id;
    unwritten_.pop_front();
    is_writing_ = true;
    const bool is_wanted = entries_.contains(id);
    lock.unlock();
    const auto written = is_wanted ? write_snapshot(path_of(id), image) : Result<void>();
    lock.lock();
    unwritten_bytes_ -= image.index.header.file_bytes();
    is_writing_ = false;
    const auto entry = entries_.find(id);
    if (!written) {
      log_warning("snapshots", "not kept: {}", written.error().message);
      ++numbers_.n_unwritten;
      forget(id);
    } else if (entry != entries_.end()) {
      entry->second.is_written = true;
      evict();
    } else if (is_wanted) {
      std::error_code ignored;
      fs::remove(path_of(id), ignored);  // forgotten while it was written
    }
    changed_.notify_all();
  }
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
  changed_.wait(lock, [&] { return unwritten_.empty() && unwanted_.empty() && !is_writing_; });
}

}  // namespace hadal
