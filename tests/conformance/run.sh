#!/bin/sh
# The official clients against build/hadal: `make conformance`. Installs them from their registry into build/conformance
# (nothing else of the project needs it), starts a server with the built-in model and one with scripted answers, and runs the cases.
# Exit 0: all passed; 1: some failed; 77: the clients could not be installed.
set -eu
cd "$(dirname "$0")/../.."
hadal=${HADAL:-build/hadal}
work=build/conformance
mkdir -p "$work"
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv" || exit 77
"$work/venv/bin/python" -c 'import openai, anthropic' 2>/dev/null ||
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check openai anthropic || exit 77

pids=
stop() { [ -z "$pids" ] || kill $pids 2>/dev/null || true; }
trap stop EXIT
serve() { # LOG OPTION...: leaves its address in $url
  log=$1; shift
  "$hadal" serve --port 0 "$@" >/dev/null 2>"$log" &
  pids="$pids $!"
  for _ in $(seq 100); do
    url=$(sed -n 's/.* is served at //p' "$log" 2>/dev/null || true)
    [ -z "$url" ] || return 0
    sleep 0.1
  done
  echo "conformance: the server did not start:" >&2
  cat "$log" >&2
  exit 1
}
serve "$work/builtin.log"; builtin=$url
serve "$work/scripted.log" --script tests/conformance/script.json; scripted=$url
"$work/venv/bin/python" tests/conformance/client_test.py "$builtin" "$scripted"
