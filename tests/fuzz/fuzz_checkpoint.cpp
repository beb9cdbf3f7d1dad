// A whole model in memory: config.json, a zero byte, then a safetensors image.
#include "engine/model/checkpoint.h"
#include "fuzz_target.h"

#include <algorithm>
#include <vector>

namespace {

using namespace hadal;

/// Decodes the first and the last row; the sanitizers see any view that leaves the image.
void touch_matrix(const MatrixView& view) {
  std::vector<float> row(view.cols);
  decode_row(view, 0, 0, view.cols, row.data());
  decode_row(view, view.rows - 1, 0, view.cols, row.data());
  fuzz::touch(std::as_bytes(std::span(row)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* zero = std::find(data, data + size, std::uint8_t{0});
  if (zero == data + size) return 0;
  const std::string_view config(reinterpret_cast<const char*>(data),
                                static_cast<std::size_t>(zero - data));
  // The heap copy is aligned, as mapped files are, and ends where the sanitizers watch.
  const std::vector<std::uint8_t> image(zero + 1, data + size);
  const auto checkpoint =
      Checkpoint::from_memory(std::as_bytes(std::span(image)), config, "", "input");
  if (!checkpoint) {
    fuzz::require(!checkpoint.error().message.empty(), "an error has a message");
    return 0;
  }
  for (const CheckpointTensor& tensor : checkpoint->tensors())
    if (!tensor.name.ends_with("tid2eid")) touch_matrix(tensor.view);
  return 0;
}
