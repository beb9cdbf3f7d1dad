#include "serve/numerics.h"

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/random.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace hadal {
namespace {

/// Bytes of a tensor that count: its beginning, middle and end, this much of each.
constexpr std::size_t kSampledBytes = 1024;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void add_tensor(std::string& text, const CheckpointTensor& tensor) {
  text += fmt::format("{} {} {}\n", tensor.name, info(tensor.view.dtype).name,
                      fmt::join(tensor.shape, " "));
  const std::span bytes(tensor.view.data, tensor.view.rows * tensor.view.row_stride);
  const std::size_t n = std::min(kSampledBytes, bytes.size());
  text += text_of(bytes.first(n));
  text += text_of(bytes.subspan((bytes.size() - n) / 2, n));
  text += text_of(bytes.last(n));
}

/// "cpu (avx512, 2 threads, exact)": no bit depends on the number.
std::string without_threads(std::string description) {
  const std::size_t comma = description.find(", ");
  const std::size_t word = description.find("thread", comma);
  if (word != std::string::npos) description.erase(comma, word - comma);
  return description;
}

}  // namespace

Result<std::uint64_t> numerics_of(Engine& engine) {
  HADAL_ASSIGN(const MappedFile program, MappedFile::open("/proc/self/exe"));
  std::string text = fmt::format("{:016x}\n{}\n{}\n", fnv1a64(text_of(program.bytes())),
                                 without_threads(engine.backend().description()),
                                 engine.model().options().fake_quant);
  text += to_config_json(engine.model().config());  // the world model as it runs is in it
  for (const CheckpointTensor& tensor : engine.checkpoint().tensors()) add_tensor(text, tensor);
  return fnv1a64(text);
}

}  // namespace hadal
