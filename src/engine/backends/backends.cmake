# Backends: the contract of backend.h fulfilled. Paths are relative to src/engine.
hadal_library(backends
  SOURCES
    backends/make_backend.cpp
    backends/metered_backend.cpp
    backends/ref_backend.cpp
    backends/cpu/cpu_backend.cpp
    backends/cpu/cpu_indexer.cpp
    backends/cpu/cpu_linear.cpp
    backends/cpu/cpu_moe.cpp
  LINK hadal_kernels)

hadal_test(backends_test LABEL unit
  SOURCES
    backends/backend_test.cpp
    backends/metered_backend_test.cpp
    kernels/testing/kernel_testing.cpp
  LINK hadal_backends)

# Peaks of this machine: `hadal bench` and backend_bench state speed beside them.
set(HADAL_CEILING_SOURCES backends/bench/ceilings.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(part ceilings_avx2 ceilings_avx512 ceilings_vnni_avx512 ceilings_bf16_avx512)
    list(APPEND HADAL_CEILING_SOURCES backends/bench/${part}.cpp)
  endforeach()
  set_source_files_properties(backends/bench/ceilings_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX2_FLAGS}")
  set_source_files_properties(backends/bench/ceilings_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
  set_source_files_properties(backends/bench/ceilings_vnni_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS};-mavx512vnni")
  set_source_files_properties(backends/bench/ceilings_bf16_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS};-mavx512bf16")
endif()
hadal_library(ceilings SOURCES ${HADAL_CEILING_SOURCES} LINK hadal_kernels)

# backend_bench: operators against the ceilings of this machine. Not part of `all`.
if(HADAL_TESTS AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_executable(backend_bench EXCLUDE_FROM_ALL
    backends/bench/backend_bench.cpp
    kernels/testing/kernel_testing.cpp)
  target_compile_options(backend_bench PRIVATE ${HADAL_WARNINGS})
  target_link_libraries(backend_bench PRIVATE hadal_backends hadal_ceilings GTest::gtest)
endif()
