#include "serve/numerics.h"

#include "base/mapped_file.h"
#include "base/random.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace hadal {
namespace {

/// Bytes of a tensor that count: its beginning, middle and end, this much of each.
constexpr std::size_t kSampledBytes = 1024;

/// FNV-1a over words, then mixed.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    add_number(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
      add_number(word);
    }
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  void add_number(std::uint64_t number) { hash_ = splitmix64_at(hash_ ^ number, 0); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0x6861646c;
};

void add_tensor(Hash& hash, const CheckpointTensor& tensor) {
  hash.add(tensor.name);
  hash.add_number(static_cast<std::uint64_t>(tensor.view.dtype));
  for (const std::uint64_t n : tensor.shape) hash.add_number(n);
  const std::span bytes(tensor.view.data, tensor.view.rows * tensor.view.row_stride);
  const std::size_t n = std::min(kSampledBytes, bytes.size());
  hash.add(bytes.first(n));
  hash.add(bytes.subspan((bytes.size() - n) / 2, n));
  hash.add(bytes.last(n));
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
  Hash hash;
  HADAL_ASSIGN(const MappedFile program, MappedFile::open("/proc/self/exe"));
  hash.add(program.bytes());
  for (const CheckpointTensor& tensor : engine.checkpoint().tensors()) add_tensor(hash, tensor);
  hash.add(without_threads(engine.backend().description()));
  hash.add(to_config_json(engine.model().config()));  // the world model as it runs is in it
  hash.add_number(engine.model().options().fake_quant);
  return hash.value();
}

}  // namespace hadal
