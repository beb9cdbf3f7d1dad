# Backends: the contract of backend.h fulfilled. Paths are relative to src/engine.
hadal_library(backends
  SOURCES
    backends/make_backend.cpp
    backends/ref_backend.cpp
    backends/cpu/cpu_backend.cpp
    backends/cpu/cpu_indexer.cpp
    backends/cpu/cpu_linear.cpp
    backends/cpu/cpu_moe.cpp
  LINK hadal_kernels)

hadal_test(backends_test LABEL unit
  SOURCES
    backends/backend_test.cpp
    kernels/testing/kernel_testing.cpp
  LINK hadal_backends)
