#include "formats/safetensors.h"
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hadal;
  const auto view = SafetensorsView::parse(std::as_bytes(std::span(data, size)), "input");
  if (!view) {
    fuzz::require(!view.error().message.empty(), "an error has a message");
    return 0;
  }
  std::size_t n_bytes = 0;
  for (const SafetensorsTensor& tensor : view->tensors()) {
    fuzz::require(view->find(tensor.name) == &tensor, "a listed tensor is found by its name");
    if (tensor.dtype) {
      fuzz::require(tensor.data.size() == bytes_of(*tensor.dtype, tensor.n_elements()),
                    "data is as long as its shape");
    }
    (void)require_usable(tensor, "input");
    fuzz::touch(tensor.data);
    n_bytes += tensor.data.size();
  }
  fuzz::require(n_bytes < size, "tensors do not share bytes");
  return 0;
}
