// The scheduler keeps promise 2 whatever happens around a job: neighbours, cached prefixes, lack of
// memory, cancellation.

#include "serve/scheduler.h"

#include "base/random.h"
#include "base/temporary_directory_for_test.h"
#include "engine/generate.h"
#include "synthetic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <thread>

namespace hadal {
namespace {

constexpr std::size_t kVocab = 50;
using Tokens = std::vector<std::int32_t>;

/// Collects an answer; on its way it may ask the scheduler's user to act.
class Listener final : public JobListener {
 public:
  bool on_token(const TokenChoice& choice) override {
    tokens.push_back(choice.token);
    if (at_token) at_token(tokens.size());
    return tokens.size() < stop_after;
  }
  void on_prefill(std::size_t done, std::size_t total) override {
    EXPECT_GT(done, n_read);
    EXPECT_LE(done, total);
    n_read = done;
  }
  void on_end(const JobEnd& e) override {
    end = e;
    ended.set_value();
  }
  const JobEnd& wait() {
    ended.get_future().wait();
    return end;
  }

  Tokens tokens;
  std::size_t n_read = 0;
  std::size_t stop_after = static_cast<std::size_t>(-1);
  std::function<void(std::size_t n)> at_token;
  JobEnd end;
  std::promise<void> ended;
};

class SchedulerTest : public testing::Test {
 protected:
  Model& model() { return *engine_.model; }

  static Job job(Tokens prompt, std::size_t max_tokens = 30) {
    Job j;
    j.sampling = {.temperature = 0.9f,
                  .repetition_penalty = 1.1f,
                  .presence_penalty = 0.2f,
                  .seed = prompt.size()};
    j.prompt = std::move(prompt);
    j.max_tokens = max_tokens;
    return j;
  }
  /// The answer of an engine that does nothing else, computed before a scheduler has it.
  Tokens alone(const Job& j) {
    SequenceState state = model().new_sequence();
    GenerationRequest r;
    r.state = &state;
    r.prompt = j.prompt;
    r.sampling = j.sampling;
    r.max_tokens = j.max_tokens;
    return generate(model(), {&r, 1})->front().tokens;
  }
  static std::shared_ptr<Listener> submit(Scheduler& scheduler, Job j) {
    auto listener = std::make_shared<Listener>();
    j.listener = listener;
    const auto id = scheduler.submit(std::move(j));
    EXPECT_TRUE(id) << id.error().message;
    return listener;
  }

  SyntheticEngine engine_ = make_synthetic_engine(g1_config_json(), {.kind = BackendKind::cpu});
};

SchedulerOptions roomy() {
  return {.n_slots = 3, .state_bytes = 256u << 20, .max_batch_tokens = 64};
}

TEST_F(SchedulerTest, MixedLoadGivesEachTheAnswerItGetsAlone) {
  std::vector<Job> jobs;
  std::vector<Tokens> expected;
  for (std::size_t i = 0; i < 12; ++i) {
    jobs.push_back(job(golden_tokens(7 * i, 3 + 37 * i % 200, kVocab), 10 + i));
    jobs.back().n_drafts = i % 3;
    jobs.back().client = i % 4 == 0 ? "a" : "b";
    expected.push_back(alone(jobs.back()));
  }
  Scheduler scheduler(model(), roomy());
  std::vector<std::shared_ptr<Listener>> listeners;
  for (const Job& j : jobs) listeners.push_back(submit(scheduler, j));

  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(listeners[i]->wait().outcome, JobOutcome::length);
    EXPECT_EQ(listeners[i]->tokens, expected[i]) << "job " << i;
  }
  EXPECT_EQ(scheduler.totals().n_preemptions, 0u);
}

TEST_F(SchedulerTest, CachedPrefixesChangeNoBit) {
  // Conversations that grow, branch and are edited.
  RandomStream random(3);
  std::vector<Tokens> texts{golden_tokens(1, 20, kVocab)};
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < 40; ++i) {
    Tokens text = texts[random.below(static_cast<std::uint32_t>(texts.size()))];
    if (random.below(3) == 0)
      text.resize(1 + random.below(static_cast<std::uint32_t>(text.size())));
    const Tokens more = golden_tokens(random.below(1000), 1 + random.below(300), kVocab);
    Job j = job(text, 5 + random.below(20));
    j.boundaries = {text.size()};
    j.prompt.insert(j.prompt.end(), more.begin(), more.end());
    j.boundaries.push_back(j.prompt.size());
    const Tokens answer = alone(j);
    texts.push_back(j.prompt);
    texts.back().insert(texts.back().end(), answer.begin(), answer.end());
    jobs.push_back(j);
  }
  std::vector<Tokens> expected;
  for (const Job& j : jobs) expected.push_back(alone(j));
  auto options = roomy();
  options.snapshot_interval = 50;
  Scheduler scheduler(model(), options);

  std::size_t n_restored = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto listener = submit(scheduler, jobs[i]);
    const PrefixUse& use = listener->wait().prefix;
    EXPECT_EQ(listener->tokens, expected[i]) << "job " << i;
    EXPECT_EQ(use.n_restored + use.n_repeated + use.n_new, jobs[i].prompt.size());
    n_restored += use.n_restored;
  }
  EXPECT_GT(n_restored, 1000u);
}

TEST_F(SchedulerTest, SnapshotsOnDiskChangeNoBit) {
  const TemporaryDirectory folder;
  std::vector<Job> jobs;
  std::vector<Tokens> expected;
  for (std::size_t i = 0; i < 12; ++i) {
    Job j = job(golden_tokens(i % 3, 150, kVocab), 8);
    const Tokens more = golden_tokens(50 * i, 20 + 9 * i, kVocab);
    j.boundaries = {j.prompt.size()};
    j.prompt.insert(j.prompt.end(), more.begin(), more.end());
    expected.push_back(alone(j));
    jobs.push_back(std::move(j));
  }
  std::size_t n_from_disk = 0, n_repeated = 0;

  for (int server = 0; server < 2; ++server) {  // the second one begins with the first one's files
    const auto store =
        SnapshotStore::open({.folder = folder.path(), .numerics = 1, .max_bytes = 64u << 20});
    ASSERT_TRUE(store) << store.error().message;
    auto options = roomy();
    // Room for the sequence that runs: what it needs, snapshots of others give up.
    options.state_bytes = model().new_sequence().bytes_at(150 + 20 + 9 * 11 + 8);
    options.snapshots = store->get();
    Scheduler scheduler(model(), options);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const auto listener = submit(scheduler, jobs[i]);
      const PrefixUse& use = listener->wait().prefix;
      EXPECT_EQ(listener->tokens, expected[i]) << "server " << server << ", job " << i;
      n_from_disk += use.from_disk;
      if (server == 1) n_repeated += use.n_repeated;
    }
    (*store)->flush();
  }

  EXPECT_GE(n_from_disk, jobs.size());
  EXPECT_LE(n_repeated, jobs.size()) << "the last token of each prompt at most";
}

TEST_F(SchedulerTest, WorkBetweenPassesIsDoneOnTheEnginesThread) {
  Scheduler scheduler(model(), roomy());
  std::promise<std::thread::id> first, second;

  ASSERT_TRUE(scheduler.between_passes([&] {
    first.set_value(std::this_thread::get_id());
    scheduler.between_passes([&] { second.set_value(std::this_thread::get_id()); });
  }));
  const auto listener = submit(scheduler, job(golden_tokens(1, 20, kVocab)));

  const auto thread = first.get_future().get();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(second.get_future().get(), thread);
  EXPECT_EQ(listener->wait().outcome, JobOutcome::length);
  scheduler.drain(0);
  EXPECT_FALSE(scheduler.between_passes([] {}));
}

TEST_F(SchedulerTest, OnePieceOfWorkIsDoneBeforeEachPass) {
  Scheduler scheduler(model(), roomy());
  Job j = job(golden_tokens(1, 20, kVocab), 5000);
  auto listener = std::make_shared<Listener>();
  std::promise<void> is_running, is_asked, is_done;
  listener->at_token = [&](std::size_t n) {
    if (n != 5) return;
    is_running.set_value();
    is_asked.get_future().wait();  // so that all wait at once
  };
  j.listener = listener;
  const auto id = scheduler.submit(std::move(j));
  ASSERT_TRUE(id);
  is_running.get_future().wait();
  std::vector<std::uint64_t> n_passes;
  for (std::size_t i = 0; i < 6; ++i) {
    scheduler.between_passes([&] {
      n_passes.push_back(scheduler.totals().n_passes);
      if (n_passes.size() == 6) is_done.set_value();
    });
  }
  is_asked.set_value();
  is_done.get_future().wait();

  for (std::size_t i = 1; i < n_passes.size(); ++i)
    EXPECT_EQ(n_passes[i], n_passes[i - 1] + 1) << "a pass in between";
  scheduler.cancel(*id);
  listener->wait();
}

TEST_F(SchedulerTest, DrainsWorkBetweenPassesToo) {
  Scheduler scheduler(model(), roomy());
  std::promise<void> begun, go_on;
  std::atomic<bool> is_done{false};
  auto held = std::make_shared<int>(0);
  scheduler.between_passes([&, held] {
    begun.set_value();
    go_on.get_future().wait();
    is_done = true;
  });
  scheduler.between_passes([held] {});
  begun.get_future().wait();
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    go_on.set_value();
  });

  scheduler.drain(0);

  EXPECT_TRUE(is_done);
  EXPECT_EQ(held.use_count(), 1) << "what work holds is gone, done or not";
  later.join();
  scheduler.stop();
  scheduler.stop();
}

TEST_F(SchedulerTest, RefusesAPromptThatNeedsMoreStateThanThereIs) {
  auto options = roomy();
  options.state_bytes = model().new_sequence().bytes_at(500);
  Scheduler scheduler(model(), options);
  Job j = job(golden_tokens(1, 2000, kVocab));
  j.listener = std::make_shared<Listener>();

  const auto refused = scheduler.submit(std::move(j));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument) << "later it is no smaller";
  EXPECT_NE(refused.error().message.find("2000 tokens"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(submit(scheduler, job(golden_tokens(1, 400, kVocab), 5))->wait().outcome,
            JobOutcome::length);
}

TEST_F(SchedulerTest, AnAnswerEndsWhereItHasAllTheStateThereIs) {
  const Job j = job(golden_tokens(1, 40, kVocab), 1500);
  const Tokens expected = alone(j);
  auto options = roomy();
  options.state_bytes = model().new_sequence().bytes_at(600);
  Scheduler scheduler(model(), options);

  const auto listener = submit(scheduler, j);

  EXPECT_EQ(listener->wait().outcome, JobOutcome::length);
  EXPECT_GT(listener->tokens.size(), 500u);
  ASSERT_LT(listener->tokens.size(), 800u);
  EXPECT_TRUE(std::equal(listener->tokens.begin(), listener->tokens.end(), expected.begin()));
  EXPECT_EQ(submit(scheduler, job(golden_tokens(1, 40, kVocab), 5))->wait().outcome,
            JobOutcome::length)
      << "and the next one runs";
}

TEST_F(SchedulerTest, SnapshotsGoBeforeAnybodyIsPreempted) {
  const SequenceState empty = model().new_sequence();
  const std::size_t tail = empty.tail_bytes();
  const auto pages = [&](std::size_t n_tokens) { return empty.bytes_at(n_tokens) - tail; };
  auto options = roomy();
  // The pages of all, and the tails of the two snapshots, but not those of three that run as well.
  options.state_bytes = pages(2019) + 3 * pages(40 + 300 + 32) + 2 * tail;
  ASSERT_LT(3 * empty.bytes_at(40 + 300 + 32), options.state_bytes) << "the three fit";
  Scheduler scheduler(model(), options);
  submit(scheduler, job(golden_tokens(3, 2000, kVocab), 20))->wait();
  std::vector<std::shared_ptr<Listener>> listeners;
  for (std::size_t i = 0; i < 3; ++i) {
    Job j = job(golden_tokens(7 * i, 40, kVocab), 300);
    j.uses_cache = false;
    listeners.push_back(submit(scheduler, std::move(j)));
  }

  for (const auto& listener : listeners) EXPECT_EQ(listener->wait().outcome, JobOutcome::length);

  EXPECT_EQ(scheduler.totals().n_preemptions, 0u);
}

TEST_F(SchedulerTest, RestoredTokensCostNobodyHisTurn) {
  auto options = roomy();
  options.n_slots = 1;
  Scheduler scheduler(model(), options);
  const Tokens known = golden_tokens(1, 900, kVocab);
  submit(scheduler, job(known, 2))->wait();
  const auto longer = [&](std::size_t first) {
    Tokens tokens = known;
    const Tokens more = golden_tokens(first, 100, kVocab);
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
  };
  std::vector<std::string> order;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::promise<void> is_running, is_asked;
  const auto ask = [&](std::string client, Tokens prompt) {
    Job j = job(std::move(prompt), 2);
    j.client = client;
    auto listener = std::make_shared<Listener>();
    listener->at_token = [&, client](std::size_t n) {
      if (n == 1) order.push_back(client);
    };
    j.listener = listener;
    ASSERT_TRUE(scheduler.submit(std::move(j)));
    listeners.push_back(std::move(listener));
  };
  auto first = std::make_shared<Listener>();
  first->at_token = [&](std::size_t n) {
    if (n != 1) return;
    is_running.set_value();
    is_asked.get_future().wait();
  };
  Job blocker = job(golden_tokens(5, 10, kVocab), 2);
  blocker.client = "blocker";
  blocker.listener = first;
  ASSERT_TRUE(scheduler.submit(std::move(blocker)));
  is_running.get_future().wait();

  ask("restored", longer(1));                         // computes 100 tokens, in two passes
  ask("computed", golden_tokens(2000, 300, kVocab));  // all 300
  ask("computed", golden_tokens(3000, 300, kVocab));
  ask("restored", longer(2));
  is_asked.set_value();
  first->wait();
  for (const auto& listener : listeners) listener->wait();

  const std::vector<std::string> expected{"restored", "computed", "restored", "computed"};
  EXPECT_EQ(order, expected);
}

/// Asks again and again, each time when the answer before has ended.
class ReturningClient final : public JobListener,
                              public std::enable_shared_from_this<ReturningClient> {
 public:
  ReturningClient(Scheduler& scheduler, std::string name, Tokens prompt, std::atomic<int>& n_left)
      : scheduler_(scheduler),
        name_(std::move(name)),
        prompt_(std::move(prompt)),
        n_left_(n_left) {}

  void ask() {
    if (--n_left_ < 0) return done.set_value();
    Job job;
    job.prompt = prompt_;
    job.max_tokens = 2;
    job.client = name_;
    job.uses_cache = false;  // else the same prompt costs nothing the next time
    job.listener = shared_from_this();
    EXPECT_TRUE(scheduler_.submit(std::move(job)));
  }
  bool on_token(const TokenChoice&) override { return true; }
  void on_end(const JobEnd&) override { ask(); }

  std::promise<void> done;

 private:
  Scheduler& scheduler_;
  std::string name_;
  Tokens prompt_;
  std::atomic<int>& n_left_;
};

TEST_F(SchedulerTest, ClientsThatComeBackDoNotOvertakeForEver) {
  auto options = roomy();
  options.n_slots = 1;
  Scheduler scheduler(model(), options);
  constexpr int kMost = 400;
  std::atomic<int> n_left{kMost};
  std::vector<std::shared_ptr<ReturningClient>> clients;
  std::vector<std::shared_ptr<Listener>> waiting;
  for (int i = 0; i < 2; ++i) {
    Job j = job(golden_tokens(10 + i, 60, kVocab), 5);
    j.client = "waits";
    waiting.push_back(submit(scheduler, std::move(j)));
  }
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_shared<ReturningClient>(scheduler, "returns " + std::to_string(i),
                                                        golden_tokens(i, 10, kVocab), n_left));
    clients.back()->ask();
  }

  for (const auto& listener : waiting) listener->wait();

  // 65 tokens for the first job; six clients share, so five others get as much each before the
  // second is due: some 30 answers of 12 tokens.
  EXPECT_GT(n_left, kMost - 100) << kMost - n_left;
  n_left = 0;
  for (const auto& client : clients) client->done.get_future().wait();
}

/// Counts scores, too.
class ScoreListener final : public JobListener {
 public:
  void on_prefill(std::size_t done, std::size_t) override { told.push_back(done); }
  void on_prompt_token(const TokenChoice& choice) override { scored.push_back(choice.token); }
  bool on_token(const TokenChoice&) override { return true; }
  void on_end(const JobEnd& end) override { ended.set_value(end); }

  std::vector<std::size_t> told;
  Tokens scored;
  std::promise<JobEnd> ended;
};

TEST_F(SchedulerTest, APreemptedPromptIsScoredOnce) {
  auto options = roomy();
  options.n_slots = 2;
  options.max_batch_tokens = 16;
  const SequenceState empty = model().new_sequence();
  options.state_bytes = empty.bytes_at(1200) + empty.bytes_at(1600);
  Scheduler scheduler(model(), options);
  std::promise<void> is_long, is_asked;
  auto growing = std::make_shared<Listener>();
  growing->at_token = [&](std::size_t n) {
    if (n != 1230) return;  // it has nearly filled the page that was its last when this one fits
    is_long.set_value();
    is_asked.get_future().wait();
  };
  Job old = job(golden_tokens(1, 40, kVocab), 1400);
  old.uses_cache = false;
  old.listener = growing;
  ASSERT_TRUE(scheduler.submit(std::move(old)));
  is_long.get_future().wait();
  Job young = job(golden_tokens(7, 1590, kVocab), 1);
  young.scores_prompt = true;
  young.uses_cache = false;
  const Tokens prompt = young.prompt;
  const auto scores = std::make_shared<ScoreListener>();
  young.listener = scores;
  ASSERT_TRUE(scheduler.submit(std::move(young)));
  is_asked.set_value();

  const JobEnd end = scores->ended.get_future().get();

  EXPECT_EQ(end.n_preemptions, 1u);
  EXPECT_EQ(scores->scored, Tokens(prompt.begin() + 1, prompt.end()));
  EXPECT_TRUE(std::is_sorted(scores->told.begin(), scores->told.end()));
  growing->wait();
}

TEST_F(SchedulerTest, AContinuedConversationComputesOnlyWhatIsNew) {
  Scheduler scheduler(model(), roomy());
  Job first = job(golden_tokens(1, 300, kVocab), 20);
  const auto a = submit(scheduler, first);
  EXPECT_EQ(a->wait().prefix.miss, PrefixMiss::cold);
  EXPECT_EQ(a->end.prefix.n_new, 300u);

  Job second = job(first.prompt, 5);
  second.prompt.insert(second.prompt.end(), a->tokens.begin(), a->tokens.end());
  second.prompt.push_back(7);
  const auto b = submit(scheduler, second);
  EXPECT_EQ(b->wait().prefix.n_restored, 300u + 19u) << "all that the first one had processed";
  EXPECT_EQ(b->end.prefix.n_new, 2u) << "the last token of the answer was never fed";
  EXPECT_EQ(b->end.prefix.miss, PrefixMiss::none);

  const auto again = submit(scheduler, first);
  EXPECT_EQ(again->wait().prefix.n_restored, 299u) << "just before the last token of the prompt";
  EXPECT_EQ(again->tokens, a->tokens);

  Job edited = first;
  edited.prompt[150] = (edited.prompt[150] + 1) % static_cast<std::int32_t>(kVocab);
  edited.boundaries = {100, 300};
  const auto c = submit(scheduler, edited);
  EXPECT_EQ(c->wait().prefix.miss, PrefixMiss::diverged);
  EXPECT_EQ(c->end.prefix.n_repeated, 150u);
  EXPECT_EQ(c->end.prefix.diverged_at, 1u);

  Job uncached = first;
  uncached.uses_cache = false;
  const auto d = submit(scheduler, uncached);
  EXPECT_EQ(d->wait().prefix.miss, PrefixMiss::disabled);
  EXPECT_EQ(d->tokens, a->tokens);
}

TEST_F(SchedulerTest, PreemptedAnswersGoOnUnchanged) {
  std::vector<Job> jobs;
  std::vector<Tokens> expected;
  for (std::size_t i = 0; i < 6; ++i) {
    jobs.push_back(job(golden_tokens(7 * i, 40, kVocab), 1500));
    expected.push_back(alone(jobs.back()));
  }
  auto options = roomy();
  // Room for three when they begin, not when they end.
  options.state_bytes = model().new_sequence().bytes_at(40 + 1024) * 3;
  Scheduler scheduler(model(), options);
  std::vector<std::shared_ptr<Listener>> listeners;
  for (const Job& j : jobs) listeners.push_back(submit(scheduler, j));

  std::size_t n_preempted = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    n_preempted += listeners[i]->wait().n_preemptions;
    EXPECT_EQ(listeners[i]->tokens, expected[i]) << "job " << i;
  }
  EXPECT_GT(n_preempted, 0u);
}

TEST_F(SchedulerTest, CancelledJobsEndWithinAStepAndHarmNobody) {
  const Job long_one = job(golden_tokens(1, 30, kVocab), 5000);
  const Job other = job(golden_tokens(2, 50, kVocab), 60);
  const Tokens expected = alone(other);
  Scheduler scheduler(model(), roomy());
  auto doomed = std::make_shared<Listener>();
  std::promise<void> is_running;
  doomed->at_token = [&](std::size_t n) {
    if (n == 5) is_running.set_value();
  };
  Job j = long_one;
  j.listener = doomed;
  const auto id = scheduler.submit(std::move(j));
  ASSERT_TRUE(id);
  const auto neighbour = submit(scheduler, other);
  is_running.get_future().wait();

  scheduler.cancel(*id);

  EXPECT_EQ(doomed->wait().outcome, JobOutcome::cancelled);
  EXPECT_LT(doomed->tokens.size(), 5000u);
  EXPECT_EQ(neighbour->wait().outcome, JobOutcome::length);
  EXPECT_EQ(neighbour->tokens, expected);
}

TEST_F(SchedulerTest, RefusesWhatItCannotTakeAndGoesOn) {
  auto options = roomy();
  options.n_slots = 1;
  options.max_queue = 1;
  {
    Scheduler scheduler(model(), options);
    const auto bad = submit(scheduler, job({1, 99}));
    EXPECT_EQ(bad->wait().outcome, JobOutcome::refused);
    EXPECT_NE(bad->end.error.message.find("99"), std::string::npos);
  }
  // Another one: a job counts until shortly after its listener has heard of the end.
  Scheduler scheduler(model(), options);
  auto slow = submit(scheduler, job(golden_tokens(1, 30, kVocab), 4000));
  auto queued = submit(scheduler, job(golden_tokens(2, 30, kVocab), 3));
  Job third = job(golden_tokens(3, 30, kVocab));
  third.listener = std::make_shared<Listener>();
  const auto refused = scheduler.submit(std::move(third));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);

  scheduler.drain(0.0);
  EXPECT_EQ(slow->wait().outcome, JobOutcome::cancelled);
  EXPECT_NE(queued->wait().outcome, JobOutcome::refused);
  Job late = job({1});
  late.listener = std::make_shared<Listener>();
  EXPECT_FALSE(scheduler.submit(std::move(late))) << "draining";
}

TEST_F(SchedulerTest, PrefillOnlySaysNothing) {
  Scheduler scheduler(model(), roomy());
  const auto listener = submit(scheduler, job(golden_tokens(1, 100, kVocab), 0));

  EXPECT_EQ(listener->wait().n_tokens, 0u);
  EXPECT_TRUE(listener->tokens.empty());
  const auto next = submit(scheduler, job(golden_tokens(1, 100, kVocab), 4));
  EXPECT_EQ(next->wait().prefix.n_restored, 99u);
}

}  // namespace
}  // namespace hadal
