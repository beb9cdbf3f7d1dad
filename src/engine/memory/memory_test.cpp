#include "engine/memory/position_ring.h"
#include "engine/memory/row_store.h"
#include "engine/memory/scratch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace hadal {
namespace {

constexpr std::size_t kWidth = 3;

std::vector<float> row_of(std::size_t i) {
  return std::vector<float>(kWidth, static_cast<float>(i));
}

void append(RowStore& store, std::size_t first, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) store.append(row_of(first + i).data());
}

void expect_rows(const RowStore& store, std::size_t first, std::size_t begin, std::size_t end) {
  const PagedRows rows = store.view();
  for (std::size_t i = begin; i < end; ++i)
    ASSERT_EQ(rows[i][kWidth - 1], static_cast<float>(first + i)) << "row " << i;
}

}  // namespace

TEST(RowStore, HoldsRowsAcrossPages) {
  RowStore store(kWidth);
  append(store, 0, 100);

  EXPECT_EQ(store.size(), 100u);
  EXPECT_EQ(store.view().n, 100u);
  expect_rows(store, 0, 0, 100);
}

TEST(RowStore, CopiesDoNotSeeEachOthersRows) {
  for (std::size_t shared : {1, 31, 32, 33, 64}) {  // around the ends of pages
    RowStore store(kWidth);
    append(store, 0, shared);
    RowStore copy = store;
    append(store, shared, 40);
    append(copy, 1000 + shared, 40);

    expect_rows(store, 0, 0, shared + 40);
    expect_rows(copy, 0, 0, shared);
    expect_rows(copy, 1000, shared, shared + 40);
  }
}

TEST(RowStore, TruncatedCopyLeavesTheOriginalAlone) {
  RowStore store(kWidth);
  append(store, 0, 50);
  RowStore copy = store;
  copy.truncate(10);
  append(copy, 500, 45);

  expect_rows(store, 0, 0, 50);
  expect_rows(copy, 0, 0, 10);
  expect_rows(copy, 490, 10, 55);
}

TEST(RowStore, ReservedPagesHoldTheRowsAndCopiesLeaveThemAlone) {
  const auto pool = std::make_shared<PagePool>(RowStore::kRowsPerPage * kWidth);
  pool->reserve(10);
  RowStore store(kWidth, pool);
  store.reserve(100);
  const std::size_t n_free = pool->n_free();
  append(store, 0, 40);
  const RowStore copy = store;  // shares 2 pages, not the 2 that are reserved
  append(store, 40, 60);

  EXPECT_EQ(pool->n_free(), n_free - 1);  // the page that the copy reads was cloned
  EXPECT_EQ(store.bytes(), 4 * RowStore::kRowsPerPage * kWidth * sizeof(float));
  EXPECT_EQ(copy.bytes(), store.bytes() / 2);
  expect_rows(store, 0, 0, 100);
  expect_rows(copy, 0, 0, 40);
}

TEST(RowStore, PagesReturnToThePoolWithTheirLastStore) {
  const auto pool = std::make_shared<PagePool>(RowStore::kRowsPerPage * kWidth);
  std::size_t n_pages = 0;
  for (int round = 0; round < 3; ++round) {
    RowStore store(kWidth, pool);
    append(store, 0, 1000);
    RowStore copy = store;
    copy.truncate(500);
    append(copy, 7000, 500);
    if (round == 0) n_pages = pool->n_pages();
    EXPECT_EQ(pool->n_pages(), n_pages) << "round " << round;
  }
  EXPECT_EQ(pool->n_free(), n_pages);
}

TEST(PagePool, GivesDisjointPages) {
  PagePool pool(10);
  pool.reserve(3);
  EXPECT_EQ(pool.n_free(), 3u);
  std::vector<PagePool::Page> pages;
  for (std::size_t i = 0; i < 100'000; ++i) {  // beyond the reserved ones and a slab
    pages.push_back(pool.take());
    for (std::size_t k = 0; k < 10; ++k) pages.back().data()[k] = static_cast<float>(i);
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ASSERT_EQ(pages[i].data()[0], static_cast<float>(i));
    ASSERT_EQ(pages[i].data()[9], static_cast<float>(i));
  }
  const PagePool::Page shared = pages.front();
  pages.clear();
  EXPECT_FALSE(shared.is_shared());
  EXPECT_EQ(pool.n_free() + 1, pool.n_pages());
}

TEST(PositionRing, FindsTheLastPositionsInRingAndChunk) {
  PositionRing ring(8, 2);
  std::vector<float> values(2 * 30);
  std::iota(values.begin(), values.end(), 0.0f);  // row of position p is {2p, 2p + 1}
  ring.write(0, dense_rows(values.data(), 5, 2));
  ring.write(5, dense_rows(values.data() + 10, 20, 2));  // longer than the ring

  const PositionRows rows = ring.view(values.data() + 50, 25);
  for (std::size_t p = 25 - 8; p < 30; ++p)
    EXPECT_EQ(rows[p][1], static_cast<float>(2 * p + 1)) << "position " << p;
}

TEST(Scratch, GivesDisjointAlignedBuffersAndReusesThem) {
  Scratch scratch;
  for (int pass = 0; pass < 3; ++pass) {
    const Scratch::Frame frame(scratch);
    std::vector<Rows<float>> taken;
    for (std::size_t i = 1; i < 60; ++i) {
      taken.push_back(scratch.rows(i, 977));
      std::memset(taken.back().data, static_cast<int>(i), i * 977 * sizeof(float));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(taken.back().data) % 64, 0u);
    }
    for (std::size_t i = 1; i < 60; ++i) {  // nobody wrote over anybody
      const auto* bytes = reinterpret_cast<const unsigned char*>(taken[i - 1].data);
      ASSERT_EQ(bytes[0], i);
      ASSERT_EQ(bytes[i * 977 * sizeof(float) - 1], i);
    }
  }
  const std::size_t after_three = scratch.capacity_bytes();
  const Scratch::Frame frame(scratch);
  for (std::size_t i = 1; i < 60; ++i) scratch.rows(i, 977);
  EXPECT_EQ(scratch.capacity_bytes(), after_three);
}

TEST(Scratch, ReservedMemoryIsOneBlockAndThePeakIsCounted) {
  Scratch scratch;
  scratch.reserve(3 << 20);
  const std::size_t capacity = scratch.capacity_bytes();
  for (int pass = 0; pass < 2; ++pass) {
    const Scratch::Frame outer(scratch);
    scratch.rows(1, 256);  // 1 KiB
    for (int i = 0; i < 3; ++i) {
      const Scratch::Frame inner(scratch);
      scratch.rows(1, 1 << 18);  // 1 MiB
    }
    const Scratch::Frame inner(scratch);
    scratch.rows<std::byte>(1, 65);  // two units of 64
  }

  EXPECT_EQ(scratch.peak_bytes(), (std::size_t{1} << 20) + 1024);
  EXPECT_EQ(scratch.capacity_bytes(), capacity);
  EXPECT_EQ(capacity, std::size_t{3} << 20);
}

TEST(Scratch, FramesNest) {
  Scratch scratch;
  const Scratch::Frame outer(scratch);
  float* kept = scratch.rows(1, 10).data;
  float* inner_data = nullptr;
  {
    const Scratch::Frame inner(scratch);
    inner_data = scratch.rows(1, 10).data;
  }
  EXPECT_NE(kept, inner_data);
  EXPECT_EQ(scratch.rows(1, 10).data, inner_data);
}

}  // namespace hadal
