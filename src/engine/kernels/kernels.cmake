# Operators: contracts, scalar references and instruction-set variants. Paths are relative to src/engine.
hadal_library(kernels
  SOURCES
    kernels/matrix_view.cpp
  LINK hadal_base)
