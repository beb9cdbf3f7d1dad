#!/bin/sh
# Objects compiled for an instruction set must define no weak symbol: the linker may keep that copy
# for the whole program, and an older CPU then crashes far from the cause (style.md section 4).
# usage: tools/check_isa_symbols.sh [BUILD_DIR]    (default: build; nothing built there is a skip)
set -eu
cd "$(dirname "$0")/.."

build=${1:-build}
objects=$(find "$build" \( -name '*_avx2.cpp.o' -o -name '*_avx512.cpp.o' \) 2>/dev/null | sort)
if [ -z "$objects" ]; then
  echo "check_isa_symbols: skipped, no *_avx2 or *_avx512 object in $build"
  [ $# = 0 ] && exit 0
  exit 1
fi

failed=0
for object in $objects; do
  # W and V with a value are defined weak functions and objects. DW.ref.* is a pointer that exception
  # tables use: data, the same in every file. u is a unique global.
  weak=$(nm --defined-only -C "$object" | grep -E '^[0-9a-f]+ [WVu] ' | grep -v ' DW\.ref\.' || true)
  if [ -n "$weak" ]; then
    echo "$object defines weak symbols:" >&2
    echo "$weak" >&2
    failed=1
  fi
done
[ "$failed" = 0 ] && echo "check_isa_symbols: $(echo "$objects" | wc -l) objects, no weak symbol"
exit "$failed"
