// A model's shape from config.json, or from GGUF metadata when the input starts like a GGUF file.
#include "base/checked_math.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config_gguf.h"
#include "formats/gguf.h"
#include "fuzz_target.h"

namespace {

using namespace hadal;

Result<ModelConfig> parse(std::span<const std::byte> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  if (!text.starts_with("GGUF")) return parse_config(text, "input");
  HADAL_ASSIGN(const GgufFile file, GgufFile::parse(input, "input"));
  return config_from_gguf(file);
}

void check_tensors(const ModelConfig& config) {
  if (config.n_routed_experts * config.num_hidden_layers > 4096)
    return;  // long lists only slow the search down
  for (const TensorSpec& spec : expected_tensors(config)) {
    const auto n = checked_product(spec.shape);
    fuzz::require(n && checked_mul(*n, 8).has_value(), "no tensor of an accepted shape overflows");
    fuzz::require(*n > 0, "no tensor of an accepted shape is empty");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = parse(std::as_bytes(std::span(data, size)));
  if (!config) {
    fuzz::require(!config.error().message.empty(), "an error has a message");
    return 0;
  }
  fuzz::require(validate(*config, "input").has_value(), "what was accepted is valid");
  const std::string written = to_config_json(*config);
  const auto again = parse_config(written, "written");
  fuzz::require(again.has_value(), "the written form is accepted");
  fuzz::require(to_config_json(*again) == written, "the written form means the same");
  check_tensors(*config);
  return 0;
}
