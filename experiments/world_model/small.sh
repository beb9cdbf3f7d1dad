#!/bin/sh
# The experiment in small: arms A, B, C and G, one seed, household worlds of depth 1 and 2, two runs at a time. It shows
# that everything runs and what the report looks like; a model trained for minutes decides nothing.
# Environment: WORK (default build-train/small).
set -eu
here=$(dirname "$0")
work=${WORK:-build-train/small}
mkdir -p "$work"
for arm in A B C G; do
  WORK=$work RESULTS=$work/results EPISODES=${EPISODES:-40} "$here/run.sh" "$arm" 1 --config "$here/small.json" &
  pids="${pids:-} $!"
  echo "arm $arm: started"
  case $arm in B|G) for pid in $pids; do wait "$pid"; done; pids= ;; esac
done
build-train/hadal eval report --runs "$work/results" --out "$work/report"
echo "report: $work/report"
