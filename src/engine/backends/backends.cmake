# Backends: the contract of backend.h fulfilled. Paths are relative to src/engine.
hadal_library(backends
  SOURCES
    backends/make_backend.cpp
    backends/ref_backend.cpp
  LINK hadal_kernels)
