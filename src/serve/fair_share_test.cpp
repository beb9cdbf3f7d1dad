#include "serve/fair_share.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(FairShare, WhoeverHadLessComesFirst) {
  FairShare share;
  share.arrive("a");
  share.arrive("b");

  share.charge("a", 10);
  share.charge("b", 4);

  EXPECT_LT(share.served("b"), share.served("a"));
}

// Else one that comes late would keep all others waiting until it has had what they had in hours.
TEST(FairShare, WhoComesLateIsOwedNothing) {
  FairShare share;
  share.arrive("a");
  share.arrive("b");
  share.charge("a", 1000);
  share.charge("b", 1000);

  share.arrive("late");

  EXPECT_EQ(share.served("late"), 1000);
}

// Else leaving and coming back would clear what was had.
TEST(FairShare, WhoComesBackKeepsWhatWasHadBeyondTheShare) {
  FairShare share;
  share.arrive("stays");
  share.arrive("returns");
  share.charge("returns", 100);
  share.leave("returns");
  share.forget();

  share.arrive("returns");

  EXPECT_EQ(share.served("returns"), 100);
  EXPECT_EQ(share.served("stays"), 0);
}

TEST(FairShare, WhoRestsIsForgottenOnceTheOthersHaveHadAsMuch) {
  FairShare share;
  share.arrive("stays");
  share.arrive("leaves");
  share.charge("leaves", 100);  // the share: 50
  share.leave("leaves");
  share.forget();
  EXPECT_EQ(share.n_known(), 2u);

  share.charge("stays", 50);  // alone: the share rises by all of it
  share.forget();

  EXPECT_EQ(share.n_known(), 1u);
}

TEST(FairShare, OneWithManyJobsIsOneClient) {
  FairShare share;
  share.arrive("many");
  share.arrive("many");
  share.arrive("one");
  share.leave("many");  // one of its two
  share.charge("many", 10);
  share.charge("one", 10);

  share.arrive("late");

  EXPECT_EQ(share.served("late"), 10);
}

}  // namespace
}  // namespace hadal
