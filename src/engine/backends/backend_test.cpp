// Promises of every backend, operator by operator: bits do not depend on threads, batches or cuts
// (product.md, promise 2), and the CPU variants agree with the reference.
#include "engine/backends/backend.h"

#include "engine/backends/cpu/cpu_backend.h"
#include "engine/backends/ref_backend.h"
#include "engine/kernels/testing/kernel_testing.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

namespace hadal {
namespace {

using namespace testing;

/// An operator on fixed inputs of n_tokens tokens. `run` computes tokens [begin, begin + n) and
/// returns their outputs as floats, token after token (several outputs of a token side by side).
struct OperatorCase {
  std::string name;
  std::size_t n_tokens;
  std::function<std::vector<float>(Backend&, std::size_t begin, std::size_t n)> run;
  double nmse = 1e-11;  ///< against the reference: errors of some 10 eps per element
};

using Floats = std::shared_ptr<const std::vector<float>>;

Floats data(std::size_t n, std::uint64_t seed) {
  return std::make_shared<const std::vector<float>>(gaussian_with_outliers(n, seed));
}

Rows<const float> tokens(const Floats& values, std::size_t begin, std::size_t n,
                         std::size_t width) {
  return dense_rows(values->data() + begin * width, n, width);
}

OperatorCase embedding() {
  const auto table = std::make_shared<StoredMatrix>(random_matrix(all_storages()[2], 40, 515, 1));
  const auto ids = std::make_shared<std::vector<std::int32_t>>();
  for (std::int32_t i = 0; i < 100; ++i) ids->push_back(i * 7 % 40);
  return {"embedding", 100, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> out(n * 515, NAN);
            backend.embedding({.ids = std::span(*ids).subspan(begin, n),
                               .table = table->view,
                               .out = dense_rows(out.data(), n, 515)});
            return out;
          }};
}

OperatorCase linear(const Storage& storage) {
  const std::size_t rows = 77;
  const std::size_t cols = 700;
  const auto w = std::make_shared<StoredMatrix>(random_matrix(storage, rows, cols, 2));
  const auto x = data(130 * cols, 3);
  return {"linear " + storage.name, 130, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> y(n * rows, NAN);
            backend.linear({.x = tokens(x, begin, n, cols),
                            .weight = w->view,
                            .y = dense_rows(y.data(), n, rows)});
            return y;
          }};
}

OperatorCase rms_norm() {
  const auto x = data(50 * 1000, 4);
  const auto w = data(1000, 5);
  return {"rms_norm", 50, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> out(n * 1000, NAN);
            backend.rms_norm({.x = tokens(x, begin, n, 1000),
                              .weight = *w,
                              .out = dense_rows(out.data(), n, 1000),
                              .eps = 1e-6f});
            return out;
          }};
}

OperatorCase rope(RopePairs pairs) {
  const auto x = data(60 * 400, 6);
  const auto positions = std::make_shared<std::vector<std::int64_t>>();
  for (std::int64_t i = 0; i < 60; ++i) positions->push_back(i * i * 100);
  const auto freq = std::make_shared<std::vector<float>>();
  for (int i = 0; i < 20; ++i) freq->push_back(std::pow(0.7f, static_cast<float>(i)));
  return {pairs == RopePairs::halves ? "rope halves" : "rope", 60,
          [=](Backend& backend, std::size_t begin, std::size_t n) {
            const auto rows = tokens(x, begin, n, 400);
            std::vector<float> out(rows.data, rows.data + n * 400);
            backend.rope({.x = dense_rows(out.data(), n, 400),
                          .n_heads = 8,
                          .head_dim = 50,
                          .positions = std::span(*positions).subspan(begin, n),
                          .freq = *freq,
                          .pairs = pairs});
            return out;
          }};
}

OperatorCase hyper_connection_read(std::size_t n_streams) {
  const std::size_t d = 200;
  const std::size_t width = n_streams * d;
  const std::size_t n_coefficients = (2 + n_streams) * n_streams;
  const auto x = data(40 * width, 7);
  const auto fn =
      std::make_shared<StoredMatrix>(random_matrix(all_storages()[0], n_coefficients, width, 8));
  const auto base = data(n_coefficients, 9);
  const auto scale = std::make_shared<const std::vector<float>>(std::vector{0.01f, 0.02f, 0.03f});
  return {
      "hyper_connection_read " + std::to_string(n_streams), 40,
      [=](Backend& backend, std::size_t begin, std::size_t n) {
        const std::size_t out_width = d + n_streams + n_streams * n_streams;
        std::vector<float> out(n * out_width, NAN);
        const auto rows = dense_rows(out.data(), n, out_width);
        backend.hyper_connection_read({.streams = tokens(x, begin, n, width),
                                       .hc_mult = n_streams,
                                       .weights = {fn->view, *base, *scale},
                                       .sinkhorn_iters = 5,
                                       .rms_norm_eps = 1e-6f,
                                       .hc_eps = 1e-3f,
                                       .hidden = rows.columns(0, d),
                                       .post = rows.columns(d, n_streams),
                                       .comb = rows.columns(d + n_streams, n_streams * n_streams)});
        return out;
      }};
}

OperatorCase hyper_connection_write(std::size_t n_streams) {
  const std::size_t d = 200;
  const std::size_t width = n_streams * d;
  const auto x = data(40 * width, 10);
  const auto update = data(40 * d, 11);
  const auto post = data(40 * n_streams, 12);
  const auto comb = data(40 * n_streams * n_streams, 13);
  return {"hyper_connection_write " + std::to_string(n_streams), 40,
          [=](Backend& backend, std::size_t begin, std::size_t n) {
            const auto rows = tokens(x, begin, n, width);
            std::vector<float> out(rows.data, rows.data + n * width);
            backend.hyper_connection_write({.update = tokens(update, begin, n, d),
                                            .post = tokens(post, begin, n, n_streams),
                                            .comb = tokens(comb, begin, n, n_streams * n_streams),
                                            .hc_mult = n_streams,
                                            .streams = dense_rows(out.data(), n, width)});
            return out;
          }};
}

OperatorCase hyper_connection_head() {
  const std::size_t d = 200;
  const auto x = data(40 * 4 * d, 14);
  const auto fn = std::make_shared<StoredMatrix>(random_matrix(all_storages()[0], 4, 4 * d, 15));
  const auto base = data(4, 16);
  return {"hyper_connection_head", 40, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> out(n * d, NAN);
            backend.hyper_connection_head({.streams = tokens(x, begin, n, 4 * d),
                                           .hc_mult = 4,
                                           .fn = fn->view,
                                           .base = *base,
                                           .scale = 0.02f,
                                           .rms_norm_eps = 1e-6f,
                                           .hc_eps = 1e-6f,
                                           .hidden = dense_rows(out.data(), n, d)});
            return out;
          }};
}

OperatorCase compressor_pool() {
  const std::size_t width = 100;
  const std::size_t n_slots = 8;
  const auto value = data(50 * n_slots * width, 17);
  const auto gate = data(50 * n_slots * width, 18);
  return {"compressor_pool", 50, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<const float*> values;
            std::vector<const float*> gates;
            for (std::size_t s = begin * n_slots; s < (begin + n) * n_slots; ++s) {
              values.push_back(s < 4 ? nullptr : value->data() + s * width);
              gates.push_back(s < 4 ? nullptr : gate->data() + s * width);
            }
            std::vector<float> out(n * width, NAN);
            backend.compressor_pool({.values = values,
                                     .gates = gates,
                                     .n_slots = n_slots,
                                     .out = dense_rows(out.data(), n, width)});
            return out;
          }};
}

/// Compressed rows in pages of 64.
struct Pages {
  Floats rows;
  std::vector<const float*> pointers;
  PagedRows view;

  Pages(std::size_t n, std::size_t width, std::uint64_t seed) : rows(data(n * width, seed)) {
    for (std::size_t i = 0; i < n; i += 64) pointers.push_back(rows->data() + i * width);
    view = {pointers.data(), 64, n, width};
  }
};

OperatorCase indexer_select() {
  const auto keys = std::make_shared<Pages>(700, 48, 19);
  const auto q = data(30 * 20 * 48, 20);
  const auto weights = data(30 * 20, 21);
  return {"indexer_select", 30, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<std::size_t> n_visible;
            for (std::size_t t = begin; t < begin + n; ++t) n_visible.push_back(t * 24 + 4);
            std::vector<std::int32_t> selected(n * 40, -1);
            std::vector<std::size_t> n_selected(n);
            backend.indexer_select({.q = tokens(q, begin, n, 20 * 48),
                                    .head_weights = tokens(weights, begin, n, 20),
                                    .n_heads = 20,
                                    .keys = keys->view,
                                    .n_visible = n_visible,
                                    .top_k = 40,
                                    .selected = dense_rows(selected.data(), n, 40),
                                    .n_selected = n_selected});
            for (std::size_t t = 0; t < n; ++t) {
              EXPECT_EQ(n_selected[t], std::min<std::size_t>(40, n_visible[t]));
            }
            return std::vector<float>(selected.begin(), selected.end());
          }};
}

enum class KeyKind { sliding, selected, visible };

OperatorCase attention(KeyKind kind) {
  const std::size_t n_heads = 17;
  const std::size_t head_dim = 40;
  const std::size_t width = n_heads * head_dim;
  const auto q = data(30 * width, 22);
  const auto ring = data(16 * head_dim, 23);
  const auto chunk = data(30 * head_dim, 24);
  const auto rows = std::make_shared<Pages>(200, head_dim, 25);
  const auto sinks = data(n_heads, 26);
  const char* names[] = {"attention sliding", "attention selected", "attention visible"};
  return {names[static_cast<int>(kind)], 30,
          [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<std::int32_t> selected;
            std::vector<std::size_t> n_selected(n, 9);
            std::vector<std::size_t> n_visible;
            for (std::size_t t = begin; t < begin + n; ++t) {
              n_visible.push_back(5 * t);
              for (std::int32_t i = 0; i < 9; ++i) {
                selected.push_back(static_cast<std::int32_t>(t) + 11 * i);
              }
            }
            std::vector<float> out(n * width, NAN);
            AttentionArgs args{.q = tokens(q, begin, n, width),
                               .n_heads = n_heads,
                               .head_dim = head_dim,
                               .start = 20 + begin,
                               .window = 16,
                               .window_keys = {ring->data(), 16, chunk->data(), 20, head_dim},
                               .rows = {},
                               .selected = {},
                               .n_selected = {},
                               .n_visible = {},
                               .sinks = *sinks,
                               .scale = 0.1f,
                               .out = dense_rows(out.data(), n, width)};
            if (kind != KeyKind::sliding) {
              args.rows = rows->view;
              args.n_visible = n_visible;
            }
            if (kind == KeyKind::selected) {
              args.selected = dense_rows<const std::int32_t>(selected.data(), n, 9);
              args.n_selected = n_selected;
            }
            backend.attention(args);
            return out;
          }};
}

OperatorCase range_attention(std::size_t n_kv_heads) {
  const std::size_t n_heads = 28;  // of one key head: more than a task takes
  const std::size_t head_dim = 24;
  const std::size_t width = n_heads * head_dim;
  const auto q = data(30 * width, 32);
  const auto rows = std::make_shared<Pages>(200, 2 * n_kv_heads * head_dim, 33);
  const auto sinks = data(n_heads, 34);
  const auto before =
      std::make_shared<std::vector<RowRange>>(std::vector<RowRange>{{0, 1}, {3, 40}, {63, 66}});
  return {"range_attention " + std::to_string(n_kv_heads), 30,
          [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<VisibleRanges> visible;
            for (std::size_t t = begin; t < begin + n; ++t) {
              const auto end = static_cast<std::uint32_t>(80 + 4 * t);
              visible.push_back({.before = std::span(*before).first(t % 4), .last = {70, end}});
            }
            std::vector<float> out(n * width, NAN);
            backend.range_attention({.q = tokens(q, begin, n, width),
                                     .n_heads = n_heads,
                                     .n_kv_heads = n_kv_heads,
                                     .head_dim = head_dim,
                                     .rows = rows->view,
                                     .visible = visible,
                                     .sinks = *sinks,
                                     .scale = 0.1f,
                                     .out = dense_rows(out.data(), n, width)});
            return out;
          }};
}

OperatorCase swiglu() {
  const auto gate = data(70 * 333, 35);
  const auto up = data(70 * 333, 36);
  return {"swiglu", 70, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> out(n * 333, NAN);
            backend.swiglu({.gate = tokens(gate, begin, n, 333),
                            .up = tokens(up, begin, n, 333),
                            .limit = 0.0f,
                            .out = dense_rows(out.data(), n, 333)});
            return out;
          }};
}

OperatorCase router() {
  const auto logits = data(60 * 33, 27);
  const auto bias = data(33, 28);
  return {"router", 60, [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<std::int32_t> experts(n * 5, -1);
            std::vector<float> weights(n * 5, NAN);
            backend.router({.logits = tokens(logits, begin, n, 33),
                            .bias = *bias,
                            .score = RouterScore::sqrtsoftplus,
                            .experts_given = false,
                            .scaling = 2.5f,
                            .experts = dense_rows(experts.data(), n, 5),
                            .weights = dense_rows(weights.data(), n, 5)});
            std::vector<float> out;
            for (std::size_t i = 0; i < experts.size(); ++i) {
              out.push_back(static_cast<float>(experts[i]));
              out.push_back(weights[i]);
            }
            return out;
          }};
}

/// Experts of width d -> f -> d; the shared one is wider.
struct Experts {
  std::vector<StoredMatrix> matrices;
  std::vector<ExpertWeights> views;

  Experts(std::size_t n, std::size_t d, std::size_t f, const Storage& routed,
          const Storage& shared) {
    matrices.reserve(3 * (n + 1));
    for (std::size_t e = 0; e <= n; ++e) {
      const Storage& storage = e < n ? routed : shared;
      const std::size_t width = e < n ? f : 2 * f;
      matrices.push_back(random_matrix(storage, width, d, 100 + 3 * e));
      matrices.push_back(random_matrix(storage, width, d, 101 + 3 * e));
      matrices.push_back(random_matrix(storage, d, width, 102 + 3 * e));
      const auto* m = &matrices[3 * e];
      views.push_back({m[0].view, m[1].view, m[2].view});
    }
  }
};

OperatorCase moe(const Storage& routed, const Storage& shared, bool fake_quant) {
  const std::size_t d = 96;
  const std::size_t n_experts = 8;
  const std::size_t k = 3;
  const auto experts = std::make_shared<Experts>(n_experts, d, 64, routed, shared);
  const auto x = data(110 * d, 29);
  const auto weights = data(110 * k, 30);
  const auto ids = std::make_shared<std::vector<std::int32_t>>();
  for (std::size_t i = 0; i < 110 * k; ++i) {  // uneven; expert 7 is never chosen; some repeat
    ids->push_back(static_cast<std::int32_t>(splitmix64_at(31, i) % 49 % 7));
  }
  return {"moe " + routed.name + " " + shared.name + (fake_quant ? " qat" : ""), 110,
          [=](Backend& backend, std::size_t begin, std::size_t n) {
            std::vector<float> y(n * d, NAN);
            const std::int32_t* first = ids->data() + begin * k;
            backend.moe({.x = tokens(x, begin, n, d),
                         .experts = std::span(experts->views).first(n_experts),
                         .shared = &experts->views[n_experts],
                         .expert_ids = dense_rows(first, n, k),
                         .expert_weights = tokens(weights, begin, n, k),
                         .swiglu_limit = 10.0f,
                         .fake_quant_activations = fake_quant,
                         .y = dense_rows(y.data(), n, d)});
            return y;
          },
          // A hidden value next to a rounding edge of e4m3 may fall to either side.
          fake_quant ? 1e-4 : 1e-11};
}

std::vector<OperatorCase> make_operators() {
  std::vector<OperatorCase> all = {embedding(),
                                   rms_norm(),
                                   rope(RopePairs::interleaved),
                                   rope(RopePairs::halves),
                                   hyper_connection_read(1),
                                   hyper_connection_read(4),
                                   hyper_connection_write(3),
                                   hyper_connection_write(17),
                                   hyper_connection_head(),
                                   compressor_pool(),
                                   indexer_select(),
                                   attention(KeyKind::sliding),
                                   attention(KeyKind::selected),
                                   attention(KeyKind::visible),
                                   range_attention(1),
                                   range_attention(2),
                                   range_attention(28),
                                   router(),
                                   swiglu()};
  for (const Storage& storage : all_storages()) all.push_back(linear(storage));
  const auto& s = all_storages();
  all.push_back(moe(s[0], s[0], false));
  all.push_back(moe(s[6], s[3], false));
  all.push_back(moe(s[6], s[3], true));
  all.push_back(moe(s[6], s[2], true));  // only the routed experts see quantised inputs
  all.push_back(moe(s[8], s[7], false));
  return all;
}

const std::vector<OperatorCase>& operators() {
  static const std::vector<OperatorCase> all = make_operators();
  return all;
}

void expect_same_bits(const std::vector<float>& expected, const std::vector<float>& actual,
                      const std::string& what) {
  ASSERT_EQ(expected.size(), actual.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(same_float(expected[i], actual[i]))
        << what << ": element " << i << " of " << expected.size() << ": " << expected[i] << " and "
        << actual[i];
  }
}

/// Runs the operator in pieces of the given sizes, the last size again and again.
std::vector<float> in_pieces(const OperatorCase& op, Backend& backend,
                             const std::vector<std::size_t>& sizes) {
  std::vector<float> all;
  std::size_t piece = 0;
  for (std::size_t begin = 0; begin < op.n_tokens;) {
    const std::size_t size = sizes[std::min(piece++, sizes.size() - 1)];
    const std::size_t n = std::min(size, op.n_tokens - begin);
    const auto part = op.run(backend, begin, n);
    all.insert(all.end(), part.begin(), part.end());
    begin += n;
  }
  return all;
}

class CpuBackendTest : public VariantTest {};

TEST_P(CpuBackendTest, GivesTheSameBitsForAnyNumberOfThreads) {
  CpuBackend one(kernels(), 1);
  CpuBackend two(kernels(), 2);
  CpuBackend three(kernels(), 3);
  for (const OperatorCase& op : operators()) {
    const auto expected = op.run(one, 0, op.n_tokens);
    expect_same_bits(expected, op.run(two, 0, op.n_tokens), op.name + ", 2 threads");
    expect_same_bits(expected, op.run(three, 0, op.n_tokens), op.name + ", 3 threads");
  }
}

TEST_P(CpuBackendTest, GivesTheSameBitsForAnyCutOfTheTokens) {
  CpuBackend backend(kernels(), 2);
  for (const OperatorCase& op : operators()) {
    const auto expected = op.run(backend, 0, op.n_tokens);
    expect_same_bits(expected, in_pieces(op, backend, {1}), op.name + ", one by one");
    expect_same_bits(expected, in_pieces(op, backend, {2}), op.name + ", two by two");
    expect_same_bits(expected, in_pieces(op, backend, {1, 7, 5, 11}), op.name + ", in pieces");
  }
}

/// Squared error of `actual` over the squared size of `expected`.
double normalised_error(const std::vector<float>& expected, const std::vector<float>& actual,
                        const std::string& name) {
  EXPECT_EQ(expected.size(), actual.size());
  double error = 0.0;
  double power = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_FALSE(std::isnan(actual[i])) << name << ": element " << i << " was not written";
    error += std::pow(double{actual[i]} - double{expected[i]}, 2.0);
    power += std::pow(double{expected[i]}, 2.0);
  }
  return error / power;
}

TEST_P(CpuBackendTest, AgreesWithTheReferenceWhenExact) {
  CpuBackend backend(kernels(), 2, true);
  RefBackend reference("ref");
  for (const OperatorCase& op : operators()) {
    const auto expected = op.run(reference, 0, op.n_tokens);
    const auto actual = op.run(backend, 0, op.n_tokens);
    EXPECT_LE(normalised_error(expected, actual, op.name), op.nmse) << op.name;
  }
}

// Rounding to int8 with step a / 127 adds noise of a^2 / (12 * 127^2) to each input, a = the
// largest of 32. One input in 50 is 30 times larger than the rest, so nearly half of the blocks
// have a = 75 and a noise of 0.03 beside inputs whose mean square is 1 + 0.02 * 900 = 19: 0.0008 of
// it. An expert does this twice, and its products amplify the first error at most fourfold.
TEST_P(CpuBackendTest, StaysNearTheReferenceWithInt8Activations) {
  CpuBackend backend(kernels(), 2);
  RefBackend reference("ref");
  for (const OperatorCase& op : operators()) {
    const auto expected = op.run(reference, 0, op.n_tokens);
    const auto actual = op.run(backend, 0, op.n_tokens);
    EXPECT_LE(normalised_error(expected, actual, op.name), 0.01) << op.name;
  }
}

TEST_P(CpuBackendTest, TakesEmptyBatches) {
  CpuBackend backend(kernels(), 2);
  for (const OperatorCase& op : operators()) {
    EXPECT_TRUE(op.run(backend, 0, 0).empty()) << op.name;
  }
}

HADAL_INSTANTIATE_VARIANTS(CpuBackendTest);

TEST(RefBackend, GivesTheSameBitsForAnyCutOfTheTokens) {
  RefBackend backend("ref");
  for (const OperatorCase& op : operators()) {
    const auto expected = op.run(backend, 0, op.n_tokens);
    expect_same_bits(expected, in_pieces(op, backend, {1, 7, 5, 11}), op.name);
    EXPECT_TRUE(op.run(backend, 0, 0).empty()) << op.name;
  }
}

TEST(SelectBestRows, BreaksTiesByTheLowerRowAndPutsNanLast) {
  const std::vector<float> scores = {0, 7, NAN, 0, 7, 0, -1};
  std::vector<std::int32_t> selected(4);
  select_best_rows(scores.data(), scores.size(), 4, selected.data());
  EXPECT_EQ(selected, (std::vector<std::int32_t>{0, 1, 3, 4}));
  std::vector<std::int32_t> six(6);
  select_best_rows(scores.data(), scores.size(), 6, six.data());
  EXPECT_EQ(six, (std::vector<std::int32_t>{0, 1, 3, 4, 5, 6}));
}

/// Sets HADAL_CPU_ISA for one test.
class IsaVariable {
 public:
  explicit IsaVariable(const char* value) {
    if (const char* old = std::getenv(kName)) old_ = old;
    ::setenv(kName, value, 1);
  }
  ~IsaVariable() {
    if (old_) {
      ::setenv(kName, old_->c_str(), 1);
    } else {
      ::unsetenv(kName);
    }
  }
  IsaVariable(const IsaVariable&) = delete;
  IsaVariable& operator=(const IsaVariable&) = delete;

 private:
  static constexpr const char* kName = "HADAL_CPU_ISA";
  std::optional<std::string> old_;
};

TEST(MakeBackend, ObeysTheVariableForEveryVariantThatRunsHere) {
  for (const CpuKernels& kernels : cpu_kernels()) {
    const IsaVariable variable(std::string(kernels.name).c_str());
    const auto backend = make_backend({.kind = BackendKind::cpu, .n_threads = 2});
    if (kernels.runs_here()) {
      ASSERT_TRUE(backend.has_value()) << backend.error().message;
      EXPECT_EQ((*backend)->description(), "cpu (" + std::string(kernels.name) + ", 2 threads)");
    } else {
      ASSERT_FALSE(backend.has_value());
      EXPECT_EQ(backend.error().code, ErrorCode::unsupported);
    }
  }
}

TEST(MakeBackend, LeavesVariantsAloneThatAreOnlyOnRequest) {
  const IsaVariable variable("");
  const std::string chosen = (*make_backend({.kind = BackendKind::cpu}))->description();
  for (const CpuKernels& kernels : cpu_kernels()) {
    if (kernels.only_on_request) {
      EXPECT_EQ(chosen.find(kernels.name), std::string::npos) << chosen;
    }
  }
}

TEST(MakeBackend, RunsTheReferenceWhenAskedTo) {
  EXPECT_EQ((*make_backend({.kind = BackendKind::ref}))->description(), "ref");
  const IsaVariable variable("ref");
  const auto backend = make_backend({.kind = BackendKind::cpu});
  ASSERT_TRUE(backend.has_value());
  EXPECT_EQ((*backend)->description().substr(0, 3), "ref");
}

TEST(MakeBackend, NamesTheKnownVariantsWhenTheVariableIsWrong) {
  const IsaVariable variable("sse9");
  const auto backend = make_backend({});
  ASSERT_FALSE(backend.has_value());
  EXPECT_EQ(backend.error().code, ErrorCode::unsupported);
  EXPECT_NE(backend.error().message.find("sse9"), std::string::npos);
  EXPECT_NE(backend.error().message.find("avx2"), std::string::npos);
}

TEST(MakeBackend, RefusesAbsurdThreadCounts) {
  const auto backend = make_backend({.n_threads = 1'000'000});
  ASSERT_FALSE(backend.has_value());
  EXPECT_EQ(backend.error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace hadal
