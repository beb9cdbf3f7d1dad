#include "engine/backends/ref_backend.h"

namespace hadal {

Result<std::unique_ptr<Backend>> make_backend(const BackendOptions& options) {
  static_cast<void>(options);  // `cpu` runs the reference until its variants are linked
  return std::unique_ptr<Backend>(std::make_unique<RefBackend>());
}

}  // namespace hadal
