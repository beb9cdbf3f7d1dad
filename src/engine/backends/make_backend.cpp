#include "engine/backends/cpu/cpu_backend.h"
#include "engine/backends/ref_backend.h"

#include <cstdlib>

namespace hadal {
namespace {

constexpr std::size_t kMaxThreads = 4096;

/// The variant that HADAL_CPU_ISA names, else the best that runs here; nullptr: the reference.
Result<const CpuKernels*> choose_kernels() {
  const char* variable = std::getenv("HADAL_CPU_ISA");
  const std::string_view wanted = variable == nullptr ? "" : variable;
  if (wanted == "ref") return static_cast<const CpuKernels*>(nullptr);
  std::string known = "ref";
  for (const CpuKernels& kernels : cpu_kernels()) {
    const bool runs = kernels.runs_here();
    if (runs && (wanted.empty() ? !kernels.only_on_request : wanted == kernels.name))
      return &kernels;
    if (wanted == kernels.name) {
      return error(ErrorCode::unsupported,
                   "HADAL_CPU_ISA={}: this CPU lacks these instructions; unset it to use the best "
                   "variant that runs here",
                   wanted);
    }
    known += fmt::format(", {}", kernels.name);
  }
  if (wanted.empty()) return static_cast<const CpuKernels*>(nullptr);
  return error(ErrorCode::unsupported, "HADAL_CPU_ISA={}: unknown; this build has {}", wanted,
               known);
}

}  // namespace

Result<std::unique_ptr<Backend>> make_backend(const BackendOptions& options) {
  if (options.n_threads > kMaxThreads) {
    return error(ErrorCode::invalid_argument, "{} threads: expected at most {}", options.n_threads,
                 kMaxThreads);
  }
  if (options.kind == BackendKind::ref) {
    return std::unique_ptr<Backend>(std::make_unique<RefBackend>("ref"));
  }
  HADAL_ASSIGN(const CpuKernels* kernels, choose_kernels());
  if (kernels == nullptr) {
    return std::unique_ptr<Backend>(
        std::make_unique<RefBackend>("ref (instead of cpu: by HADAL_CPU_ISA, or no AVX2 here)"));
  }
  const std::size_t n_threads = options.n_threads != 0 ? options.n_threads : default_n_threads();
  return std::unique_ptr<Backend>(
      std::make_unique<CpuBackend>(*kernels, n_threads, options.exact, options.pinning));
}

}  // namespace hadal
