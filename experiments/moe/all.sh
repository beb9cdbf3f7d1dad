#!/bin/sh
# Works through runs.txt (MODEL SEED a line), one core each; passes over what is finished. See README.md.
# JOBS (environment): runs side by side, default 2.
set -eu
here=$(dirname "$0")
if [ $# -eq 2 ]; then  # one run, called by xargs below
  [ -e "${RESULTS:-$here/runs}/$1-s$2/log.csv" ] && exit 0
  "$here/run.sh" "$1" "$2" && echo "$(date +%H:%M) $1-s$2 done" || echo "$1-s$2 FAILED"
  exit 0
fi
xargs -P "${JOBS:-2}" -L 1 "$0" <"$here/runs.txt"
