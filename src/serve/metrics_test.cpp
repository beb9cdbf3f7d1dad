#include "serve/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

namespace hadal {
namespace {

RequestRecord short_request() {
  RequestRecord record;
  record.outcome = "stop";
  record.n_prompt = 7;
  record.n_completion = 3;
  return record;
}

std::string text_after(const RequestRecord& record) {
  ServerMetrics metrics("deep \"sea\"");
  metrics.add(record);
  SchedulerTotals totals;
  totals.pass_tokens.observe(3);
  return metrics.text({}, totals);
}

TEST(Metrics, EveryLineBelongsToAMetricThatIsNamedOnce) {
  RequestRecord record = short_request();
  record.drafts.n_accepted_at[0] = 2;
  std::istringstream lines(text_after(record));
  std::set<std::string> named;
  std::string line, metric;
  while (std::getline(lines, line)) {
    if (line.rfind("# HELP ", 0) == 0) continue;
    if (line.rfind("# TYPE ", 0) == 0) {
      metric = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(named.insert(metric).second) << metric;
      continue;
    }
    EXPECT_EQ(line.rfind(metric, 0), 0u) << line;
    EXPECT_NE(line.find("=\"deep \\\"sea\\\"\""), std::string::npos) << line;
  }
}

// The names that dashboards and routers read (api.md 3.7, 3.8).
TEST(Metrics, TellsTheNamesOfOthers) {
  RequestRecord record = short_request();
  record.drafts.n_steps = 4;
  record.drafts.n_accepted_at[1] = 2;
  const std::string text = text_after(record);
  const std::string vllm = "{model_name=\"deep \\\"sea\\\"\"";
  const std::string llama = "{model=\"deep \\\"sea\\\"\"";
  for (const std::string& expected :
       {"vllm:prompt_tokens_total" + vllm + "} 7", "vllm:generation_tokens_total" + vllm + "} 3",
        "vllm:spec_decode_num_drafts_total" + vllm + "} 4",
        "vllm:cache_config_info" + vllm +
            ",block_size=\"1\",cache_dtype=\"auto\",enable_prefix_caching=\"True\","
            "num_gpu_blocks=\"None\",num_cpu_blocks=\"None\",state_bytes=\"0\"} 1",
        "vllm:spec_decode_num_accepted_tokens_per_pos_total" + vllm + ",position=\"1\"} 2",
        "vllm:request_prompt_tokens_bucket" + vllm + ",le=\"10\"} 1",
        "vllm:request_prompt_tokens_bucket" + vllm + ",le=\"1\"} 0",
        "vllm:iteration_tokens_total_sum" + vllm + "} 3",
        "vllm:request_success_total" + vllm + ",finished_reason=\"stop\"} 1",
        "llamacpp:tokens_predicted_total" + llama + "} 3", "llamacpp:n_tokens_max" + llama + "} 10",
        "llamacpp:requests_deferred" + llama + "} 0"})
    EXPECT_NE(text.find(expected + "\n"), std::string::npos) << expected;
}

}  // namespace
}  // namespace hadal
