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

# backend_bench: operators against the ceilings of this machine. Not part of `all`.
if(HADAL_TESTS AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(backends/bench/ceilings_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX2_FLAGS}")
  set_source_files_properties(backends/bench/ceilings_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
  add_executable(backend_bench EXCLUDE_FROM_ALL
    backends/bench/backend_bench.cpp
    backends/bench/ceilings_avx2.cpp
    backends/bench/ceilings_avx512.cpp
    kernels/testing/kernel_testing.cpp)
  target_compile_options(backend_bench PRIVATE ${HADAL_WARNINGS})
  target_link_libraries(backend_bench PRIVATE hadal_backends GTest::gtest)
endif()
