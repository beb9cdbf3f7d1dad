# Operators: contracts, scalar references and instruction-set variants. Paths are relative to
# src/engine.
set(HADAL_KERNEL_SOURCES
  kernels/cpu_kernels.cpp
  kernels/matrix_view.cpp
  kernels/attention/attention_ref.cpp
  kernels/compressor/compressor_ref.cpp
  kernels/embedding/embedding_ref.cpp
  kernels/fake_quant/fake_quant.cpp
  kernels/hyper_connection/coefficients.cpp
  kernels/hyper_connection/hyper_connection_ref.cpp
  kernels/indexer/indexer_ref.cpp
  kernels/linear/linear_ref.cpp
  kernels/linear/panel_order.cpp
  kernels/moe/moe_ref.cpp
  kernels/range_attention/range_attention_ref.cpp
  kernels/rms_norm/rms_norm_ref.cpp
  kernels/rope/rope_ref.cpp
  kernels/router/router_ref.cpp
  kernels/swiglu/swiglu_ref.cpp)

# One file per operator and instruction set; the only files with instruction-set flags. Always -O2
# and never a sanitizer's extra functions: an inline function left in one of these objects could be
# the copy that the linker keeps for every CPU (tools/check_isa_symbols.sh).
# GCC 12 warns about its own _mm512_undefined_ps() (GCC bug 105593).
set(HADAL_AVX2_FLAGS -O2 -mavx2 -mfma -mf16c)
set(HADAL_AVX512_FLAGS ${HADAL_AVX2_FLAGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
  -Wno-uninitialized $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
set(HADAL_KERNEL_TESTS
  kernels/matrix_view_test.cpp
  kernels/testing/kernel_testing.cpp
  kernels/attention/attention_test.cpp
  kernels/compressor/compressor_test.cpp
  kernels/embedding/embedding_test.cpp
  kernels/fake_quant/fake_quant_test.cpp
  kernels/hyper_connection/hyper_connection_test.cpp
  kernels/indexer/indexer_test.cpp
  kernels/linear/int8_test.cpp
  kernels/linear/linear_test.cpp
  kernels/linear/panel_order_test.cpp
  kernels/moe/moe_test.cpp
  kernels/range_attention/range_attention_test.cpp
  kernels/rms_norm/rms_norm_test.cpp
  kernels/rope/rope_test.cpp
  kernels/router/router_test.cpp
  kernels/swiglu/swiglu_test.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(op attention compressor hyper_connection indexer linear moe rms_norm rope swiglu)
    set_source_files_properties(kernels/${op}/${op}_avx2.cpp
      PROPERTIES COMPILE_OPTIONS "${HADAL_AVX2_FLAGS}")
    set_source_files_properties(kernels/${op}/${op}_avx512.cpp
      PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
    list(APPEND HADAL_KERNEL_SOURCES kernels/${op}/${op}_avx2.cpp kernels/${op}/${op}_avx512.cpp)
  endforeach()
  set_source_files_properties(kernels/linear/int8_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX2_FLAGS}")
  set_source_files_properties(kernels/linear/int8_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
  set_source_files_properties(kernels/linear/int8_amx_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS};-mamx-tile;-mamx-int8")
  set_source_files_properties(kernels/linear/int8_emulated_amx_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
  list(APPEND HADAL_KERNEL_SOURCES kernels/linear/int8_avx2.cpp kernels/linear/int8_avx512.cpp
    kernels/linear/int8_amx_avx512.cpp)
  list(APPEND HADAL_KERNEL_TESTS kernels/linear/int8_amx_test.cpp
    kernels/linear/int8_emulated_amx_avx512.cpp)
  set_source_files_properties(kernels/simd/exp_test_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX2_FLAGS}")
  set_source_files_properties(kernels/simd/exp_test_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${HADAL_AVX512_FLAGS}")
  list(APPEND HADAL_KERNEL_TESTS kernels/simd/exp_test.cpp kernels/simd/exp_test_avx2.cpp
    kernels/simd/exp_test_avx512.cpp)
endif()

hadal_library(kernels SOURCES ${HADAL_KERNEL_SOURCES} LINK hadal_base SEPARATE)
hadal_test(kernels_test LABEL unit SOURCES ${HADAL_KERNEL_TESTS} LINK hadal_kernels)
