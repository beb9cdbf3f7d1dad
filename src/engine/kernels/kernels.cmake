# Operators: contracts, scalar references and instruction-set variants. Paths are relative to
# src/engine.
hadal_library(kernels
  SOURCES
    kernels/matrix_view.cpp
    kernels/attention/attention_ref.cpp
    kernels/compressor/compressor_ref.cpp
    kernels/embedding/embedding_ref.cpp
    kernels/fake_quant/fake_quant.cpp
    kernels/hyper_connection/coefficients.cpp
    kernels/hyper_connection/hyper_connection_ref.cpp
    kernels/indexer/indexer_ref.cpp
    kernels/linear/linear_ref.cpp
    kernels/moe/moe_ref.cpp
    kernels/rms_norm/rms_norm_ref.cpp
    kernels/rope/rope_ref.cpp
    kernels/router/router_ref.cpp
    kernels/swiglu/swiglu_ref.cpp
  LINK hadal_base)
