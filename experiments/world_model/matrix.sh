#!/bin/sh
# Works through runs.txt (ARM SEED a line, in the registered order), two runs at a time, one core each; passes over what is
# finished, and starts none that would not end in time.
#
#   experiments/world_model/matrix.sh MINUTES RUN_MINUTES
#
# MINUTES: of this call. RUN_MINUTES: that one run takes, evaluation included; B-4x, which comes last, four times that.
# JOBS (environment): runs side by side, default 2.
set -eu
here=$(dirname "$0")
if [ $# -eq 4 ]; then  # one run, called by xargs below
  arm=$3; seed=$4
  results=${RESULTS:-$here/runs}/$arm-s$seed
  last=episodes.json  # what a run writes last
  case $arm in F*) last=episodes-token_causal.json ;; esac
  [ -e "$results/$last" ] && exit 0
  needed=$2; extra=
  case $arm in *-4x) needed=$((4 * $2)); extra="--config $here/four_times.json" ;; esac
  [ $(($(date +%s) + 60 * needed)) -le "$1" ] || { echo "$arm-s$seed: no time left for it"; exit 0; }
  echo "$(date +%H:%M) $arm-s$seed starts"
  "$here/run.sh" "$arm" "$seed" $extra && echo "$(date +%H:%M) $arm-s$seed done" || echo "$arm-s$seed FAILED"
  exit 0
fi
[ $# -eq 2 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
[ -e "$here/four_times.json" ] || {
  echo "matrix: the budget is not fixed yet: set \"steps\" in base.json, and four times as many in four_times.json" >&2; exit 1; }
end=$(($(date +%s) + 60 * $1))
grep -v 4x "$here/runs.txt" | xargs -P "${JOBS:-2}" -L 1 "$0" "$end" "$2"
grep 4x "$here/runs.txt" | xargs -L 1 "$0" "$end" "$2"
