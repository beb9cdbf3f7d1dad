#!/bin/sh
# Compiles each header of src/ and apps/ alone: a header that needs another one includes it itself.
# Headers of a part whose library is not installed (LibTorch) are counted as skipped. Exit 1 on any failure.
set -u
cd "$(dirname "$0")/.." || exit 1
CXX=${CXX:-g++}
export CXX
n_skipped=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT
for header in $(find src apps -name '*.h' | sort); do
  if grep -q '<\(torch\|ATen\)/' "$header" && [ ! -e /usr/include/ATen/ATen.h ]; then
    n_skipped=$((n_skipped + 1))
    continue
  fi
  echo "$header"
done >"$list"
# A header that is written once for every instruction set does not compile without one (simd/simd.h): it is compiled
# for each, as the build does.
xargs -P "$(nproc)" -I {} sh -c '
  alone() { $CXX -std=c++20 -fsyntax-only -w -DHADAL_SOURCE_DIR=\"\" -Isrc -isystem /usr/include/torch/csrc/api/include "$@" -x c++ /dev/null; }
  avx2="-mavx2 -mfma -mf16c"
  avx512="$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
  case $1 in
    *avx2.h) alone $avx2 -include "$1" ;;
    *avx512.h) alone $avx512 -include "$1" ;;
    *) message=$(alone -include "$1" 2>&1) && exit
       case $message in
         *"only for files that are compiled for an instruction set"*)
           alone $avx2 -include "$1" && alone $avx512 -include "$1" ;;
         *) echo "$message" >&2; false ;;
       esac ;;
  esac || { echo "$1: does not compile alone" >&2; exit 1; }' sh {} <"$list"
status=$?
echo "headers: $(wc -l <"$list") compiled alone, $n_skipped skipped (LibTorch is not installed)"
exit $((status != 0))
