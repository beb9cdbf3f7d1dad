# Helpers that keep the per-folder lists short. Every folder is one library target `hadal_<name>`.

set(HADAL_WARNINGS -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # excepts what stands in the source itself, which is an included file then
  list(APPEND HADAL_WARNINGS -Wno-subobject-linkage)
endif()

# The preset `release` compiles several sources at a time (docs/decisions/0015). SEPARATE: not those of this target.

# hadal_library(base SOURCES a.cpp b.cpp LINK fmt::fmt [SEPARATE])
function(hadal_library name)
  cmake_parse_arguments(ARG "SEPARATE" "" "SOURCES;LINK" ${ARGN})
  add_library(hadal_${name} STATIC ${ARG_SOURCES})
  target_include_directories(hadal_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(hadal_${name} PRIVATE ${HADAL_WARNINGS})
  target_link_libraries(hadal_${name} PUBLIC ${ARG_LINK})
  if(ARG_SEPARATE)
    set_target_properties(hadal_${name} PROPERTIES UNITY_BUILD OFF)
  endif()
endfunction()

# hadal_test(base_test LABEL unit SOURCES a_test.cpp LINK hadal_base [SEPARATE])    one executable, every TEST a CTest case
function(hadal_test name)
  cmake_parse_arguments(ARG "SEPARATE" "LABEL" "SOURCES;LINK" ${ARGN})
  if(NOT HADAL_TESTS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${HADAL_WARNINGS} $<$<CONFIG:Release>:-O1>)  # built once, run once
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE HADAL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(ARG_SEPARATE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 600)
endfunction()

# hadal_fuzz(gguf SOURCES fuzz_gguf.cpp LINK hadal_formats)    a libFuzzer target (preset fuzz, clang)
function(hadal_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  if(NOT HADAL_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_LINK})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_compile_definitions(fuzz_${name} PRIVATE HADAL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()
