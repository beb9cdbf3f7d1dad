// Files that are part of the program: the assembler places them into its read-only data.
#pragma once

#include <cstddef>

// HADAL_EMBED(page, "/path/page.html") in one source file: hadal_page_begin and hadal_page_end
// bracket the bytes of the file, which is 64-byte aligned and followed by a zero byte. Tell CMake
// of the file (OBJECT_DEPENDS), since the compiler does not see it.
// NOLINTBEGIN: the assembler's text
#define HADAL_EMBED(symbol, path)                      \
  __asm__(                                             \
      ".pushsection .rodata\n"                         \
      ".balign 64\n"                                   \
      ".global hadal_" #symbol                         \
      "_begin\n"                                       \
      "hadal_" #symbol                                 \
      "_begin:\n"                                      \
      ".incbin \"" path                                \
      "\"\n"                                           \
      ".global hadal_" #symbol                         \
      "_end\n"                                         \
      "hadal_" #symbol                                 \
      "_end:\n"                                        \
      ".byte 0\n"                                      \
      ".popsection\n");                                \
  extern "C" const std::byte hadal_##symbol##_begin[]; \
  extern "C" const std::byte hadal_##symbol##_end[];
// NOLINTEND
