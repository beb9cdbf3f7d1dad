#include "engine/memory/page_mapper.h"

#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace hadal {
namespace {

namespace fs = std::filesystem;

class PageMapperTest : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 24 * 1024 * 1024 + 12345;

  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hadal-pages-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    path_ = name;
    std::ofstream(path_) << std::string(kBytes, 'x');
  }
  void TearDown() override { fs::remove(path_); }

  /// Page faults of this thread while it reads every page of a range.
  static long faults_of_reading(PageMapper::Range range) {
    const auto faults = [] {
      ::rusage usage{};
      ::getrusage(RUSAGE_THREAD, &usage);
      return usage.ru_minflt + usage.ru_majflt;
    };
    const long before = faults();
    std::byte sum{};
    for (std::size_t i = 0; i < range.size(); i += 4096) sum ^= range[i];
    volatile std::byte sink = sum;  // the reads count
    static_cast<void>(sink);
    return faults() - before;
  }

  fs::path path_;
};

}  // namespace

TEST_F(PageMapperTest, LeavesNoFaultsForPagesInThePageCache) {
  const auto plain = MappedFile::open(path_);
  const auto mapped = MappedFile::open(path_);
  ASSERT_TRUE(plain && mapped);
  PageMapper mapper({mapped->bytes()});
  mapper.wait();
  const long without = faults_of_reading(plain->bytes());
  if (without == 0) GTEST_SKIP() << "this system maps all pages of a file at once";
  EXPECT_EQ(faults_of_reading(mapped->bytes()), 0);
}

TEST_F(PageMapperTest, TakesPartsOfPagesAndRangesThatMeet) {
  const auto file = MappedFile::open(path_);
  ASSERT_TRUE(file);
  const PageMapper::Range all = file->bytes();
  PageMapper mapper({all.subspan(5000, 100), all.subspan(5100, 9000000), all.subspan(9005100)});
  mapper.wait();
  EXPECT_EQ(faults_of_reading(all.subspan(5000)), 0);
}

TEST_F(PageMapperTest, ReadsNothingFromDisk) {
  const int fd = ::open(path_.c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  const auto file = MappedFile::open(path_);
  ASSERT_TRUE(file);
  const auto resident_pages = [&] {
    std::vector<unsigned char> flags((kBytes + 4095) / 4096);
    ::mincore(const_cast<std::byte*>(file->bytes().data()), kBytes, flags.data());
    return std::count_if(flags.begin(), flags.end(), [](unsigned char f) { return f & 1; });
  };
  const auto before = resident_pages();
  ::close(fd);
  if (before != 0) GTEST_SKIP() << "this file system keeps pages in memory";
  PageMapper mapper({file->bytes()});
  mapper.wait();
  EXPECT_EQ(resident_pages(), 0);
}

TEST_F(PageMapperTest, MayEndAtAnyTime) {
  const auto file = MappedFile::open(path_);
  ASSERT_TRUE(file);
  for (int i = 0; i < 20; ++i) {
    const PageMapper mapper({file->bytes(), file->bytes()});
  }
  const PageMapper nothing({});
}

}  // namespace hadal
