#include "formats/gguf.h"
#include "fuzz_target.h"

namespace {

void read_value(const hadal::GgufFile& file, const std::string& key) {
  using hadal::fuzz::require;
  const auto* value = file.find(key);
  require(value != nullptr, "a listed key is found");
  const auto u32 = file.find_u32(key);
  const auto u64 = file.find_u64(key);
  require(!u32 || (u64 && *u32 == *u64), "widening keeps the value");
  require(!u32 || file.find_i64(key) == static_cast<std::int64_t>(*u32),
          "widening keeps the value");
  require(!file.find_f32(key) || file.find_f64(key), "what fits a float fits a double");
  (void)file.find_bool(key);
  if (const auto text = file.find_string(key)) hadal::fuzz::touch(*text);
  if (const auto* strings = file.find_string_array(key)) {
    for (const std::string_view text : *strings) hadal::fuzz::touch(text);
  }
  (void)file.find_bool_array(key);
  (void)file.find_i32_array(key);
  (void)file.find_f32_array(key);
  (void)file.require_u32_array(key);
  (void)file.require_string(key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hadal;
  const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "input");
  if (!file) {
    fuzz::require(!file.error().message.empty(), "an error has a message");
    return 0;
  }
  for (const std::string& key : file->keys()) read_value(*file, key);
  std::size_t n_bytes = 0;
  for (const GgufTensor& tensor : file->tensors()) {
    fuzz::require(file->find_tensor(tensor.name) == &tensor,
                  "a listed tensor is found by its name");
    (void)require_usable(tensor, "input");
    fuzz::touch(tensor.data);
    n_bytes += tensor.data.size();
  }
  fuzz::require(n_bytes < size, "tensors do not share bytes");
  return 0;
}
