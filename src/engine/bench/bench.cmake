# The work behind `hadal bench`. Paths are relative to src/engine.
hadal_library(bench
  SOURCES
    bench/bench.cpp
    bench/cases.cpp
    bench/machine_meter.cpp
    bench/statistics.cpp
  LINK hadal_engine hadal_ceilings)

hadal_test(bench_test LABEL unit
  SOURCES
    bench/cases_test.cpp
    bench/statistics_test.cpp
  LINK hadal_bench)
