#!/bin/sh
# Runs libFuzzer targets of build-fuzz for a given time each. Usage: tools/fuzz.sh TARGET|all SECONDS
# Corpora are kept in build-fuzz/corpus/TARGET and start from tests/fuzz/corpus/TARGET where that exists.
# A finding is left in build-fuzz/findings/ and ends the run with exit 1.
set -eu
cd "$(dirname "$0")/.."
targets=$1
seconds=$2
if [ "$targets" = all ]; then
  targets=$(find build-fuzz -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sed 's/.*fuzz_//' | sort)
fi
[ -n "$targets" ] || { echo "fuzz: build-fuzz holds no target" >&2; exit 1; }
for target in $targets; do
  program=build-fuzz/fuzz_$target
  [ -x "$program" ] || { echo "fuzz: no target '$target'; there are: $(ls build-fuzz | sed -n 's/^fuzz_//p' | tr '\n' ' ')" >&2; exit 1; }
  mkdir -p "build-fuzz/corpus/$target" build-fuzz/findings
  seeds=tests/fuzz/corpus/$target
  [ -d "$seeds" ] || seeds=
  echo "fuzz: $target for $seconds s"
  # Memory is limited so that a size from the file that is believed shows as a finding.
  "$program" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix=build-fuzz/findings/"$target"- "build-fuzz/corpus/$target" $seeds
done
echo "fuzz: no finding in: $(echo $targets)"
