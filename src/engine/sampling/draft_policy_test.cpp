#include "engine/sampling/draft_policy.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

/// Passes until drafts are given up, at most `n_most`; a plain pass takes 1 s and gives one token.
std::size_t passes_until_given_up(DraftPolicy& policy, double seconds_with_drafts,
                                  std::size_t tokens_with_drafts, std::size_t n_most) {
  for (std::size_t n = 0; n < n_most; ++n) {
    if (policy.gave_up()) return n;
    const bool drafts = policy.wants_drafts();
    policy.record(drafts, drafts ? seconds_with_drafts : 1.0, drafts ? tokens_with_drafts : 1);
  }
  return n_most;
}

TEST(DraftPolicy, GivesUpDraftsThatCostMoreThanTheyBring) {
  DraftPolicy policy;
  EXPECT_EQ(passes_until_given_up(policy, 1.5, 1, 10'000), DraftPolicy::kTrial);
  EXPECT_FALSE(policy.wants_drafts());
}

TEST(DraftPolicy, KeepsDraftsThatPay) {
  DraftPolicy policy;
  EXPECT_EQ(passes_until_given_up(policy, 1.5, 2, 10'000), 10'000u);
}

TEST(DraftPolicy, NoticesThatDraftsNoLongerPay) {
  DraftPolicy policy;
  EXPECT_EQ(passes_until_given_up(policy, 1.5, 2, DraftPolicy::kPeriod), DraftPolicy::kPeriod);
  EXPECT_EQ(passes_until_given_up(policy, 2.5, 2, 10'000), DraftPolicy::kTrial);
}

TEST(DraftPolicy, TriesBothKindsInTurn) {
  DraftPolicy policy;
  std::size_t n_with_drafts = 0;
  for (std::size_t n = 0; n < DraftPolicy::kTrial; ++n) {
    n_with_drafts += policy.wants_drafts() ? 1 : 0;
    policy.record(policy.wants_drafts(), 1.0, 1);
  }
  EXPECT_EQ(n_with_drafts, DraftPolicy::kTrial / 2);
  EXPECT_TRUE(policy.wants_drafts());  // equal speed: kept
}

}  // namespace
}  // namespace hadal
