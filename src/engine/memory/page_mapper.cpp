#include "engine/memory/page_mapper.h"

#include "base/memory_info.h"

#include <algorithm>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr std::size_t kStepBytes = 8 * 1024 * 1024;  // between looks at stop_: below a millisecond

#ifndef MADV_POPULATE_READ
constexpr int MADV_POPULATE_READ = 22;
#endif

bool is_in_page_cache(std::byte* begin, std::size_t n_bytes, std::size_t page) {
  unsigned char resident[kStepBytes / 4096];
  if (::mincore(begin, n_bytes, resident) != 0) return false;
  return std::all_of(resident, resident + (n_bytes + page - 1) / page,
                     [](unsigned char flags) { return (flags & 1) != 0; });
}

/// Whole pages that touch `range`, in steps.
template <typename Step>
void for_steps(PageMapper::Range range, std::size_t page, const Step& step) {
  const auto address = reinterpret_cast<std::uintptr_t>(range.data());
  const std::uintptr_t end = (address + range.size() + page - 1) / page * page;
  for (std::uintptr_t at = address / page * page; at < end; at += kStepBytes)
    if (!step(reinterpret_cast<std::byte*>(at), std::min<std::size_t>(end - at, kStepBytes)))
      return;
}

}  // namespace

PageMapper::PageMapper(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
  std::uint64_t total = 0;
  for (const Range& range : ranges_) total += range.size();
  if (total > 0 && total < available_memory_bytes()) thread_ = std::thread([this] { work(); });
}

PageMapper::~PageMapper() {
  stop_ = true;
  wait();
}

void PageMapper::wait() {
  if (thread_.joinable()) thread_.join();
}

void PageMapper::work() const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const Range& range : ranges_) {
    for_steps(range, page, [&](std::byte* begin, std::size_t n_bytes) {
      if (stop_) return false;
      if (is_in_page_cache(begin, n_bytes, page)) ::madvise(begin, n_bytes, MADV_POPULATE_READ);
      return true;
    });
    if (stop_) return;
  }
}

}  // namespace hadal
