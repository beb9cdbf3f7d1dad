#!/bin/sh
# Runs the tests of a build folder and closes with the line `N passed, N failed, N skipped`; reasons of skips above it.
# Usage: tools/run_tests.sh BUILD_DIR [CTEST_ARGUMENT...]
# Exit: 0 all passed, otherwise not; a run without any test has failed.
set -u
build=$1
shift
rm -f "$build/tests.xml"
# GoogleTest's own time and colour are noise here; a failing test prints everything it said.
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" \
  --output-junit "$(cd "$build" && pwd)/tests.xml" "$@"
status=$?
if [ ! -s "$build/tests.xml" ]; then
  echo "run_tests: ctest left no report in $build/tests.xml" >&2
  exit 1
fi
awk '
  function plain() { gsub(/&lt;/, "<", reason); gsub(/&gt;/, ">", reason); gsub(/&quot;/, "\"", reason); gsub(/&amp;/, "\\&", reason) }
  /<testcase /   { name = $0; sub(/.*name="/, "", name); sub(/".*/, "", name); total++ }
  /status="fail"/ { failed++ }
  /status="(notrun|disabled)"/ { skipped++; in_skip = 1 }
  in_skip && /: Skipped$/ { getline reason; plain(); if (reason != "") printf "skipped: %s: %s\n", name, reason; in_skip = 0 }
  /<\/testcase>/ { if (in_skip) printf "skipped: %s\n", name; in_skip = 0 }
  END {
    printf "%d passed, %d failed, %d skipped\n", total - failed - skipped, failed, skipped
    exit(total - skipped > 0 && failed == 0 ? 0 : 1)
  }' "$build/tests.xml"
counts_ok=$?
[ "$status" = 0 ] && [ "$counts_ok" = 0 ]
