#!/bin/bash
# Checks that need no test run. tools/lint.sh: format, layers, headers, symbols of instruction-set objects.
# tools/lint.sh --tidy [DIR...]: clang-tidy (slow) over the sources below DIR (default src apps), preset clang.
# Exit 0 when all hold; every check runs even when an earlier one failed.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
check() {
  local name=$1
  shift
  if "$@"; then echo "lint: $name ok"; else echo "lint: $name FAILED"; status=1; fi
}

format() {
  git ls-files '*.h' '*.cpp' | xargs clang-format-14 --dry-run -Werror
}

tidy() {
  python3 - "$@" <<'PY' | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p build-clang --quiet 2> >(grep -v 'warnings generated' >&2)
import json, os, sys
roots = [os.path.abspath(p) + os.sep for p in (sys.argv[1:] or ["src", "apps"])]
for entry in json.load(open("build-clang/compile_commands.json")):
    if any(entry["file"].startswith(root) for root in roots):
        print(entry["file"])
PY
  return "$((PIPESTATUS[1] != 0))"
}

if [ "${1:-}" = --tidy ]; then
  shift
  check "clang-tidy" tidy "$@"
  exit $status
fi
check "format" format
check "layers" python3 tools/check_layers.py
check "headers" tools/check_headers.sh
[ ! -x tools/check_isa_symbols.sh ] || check "symbols of instruction-set files" tools/check_isa_symbols.sh
exit $status
