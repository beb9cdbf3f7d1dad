#!/bin/sh
# The page in Debian's Chromium: chat, stop, branches, settings, monitor, world; light, dark and phone size.
# Usage: tests/page/run.sh [PLAYWRIGHT ARGUMENT...]. Variables:
#   HADAL              the program (build/hadal)
#   HADAL_URL          a server that runs already, with --script tests/page/script.json, instead of a started one
#   HADAL_KEY_URL      likewise one with --api-key secret (without it, those tests are skipped)
#   HADAL_SCREENSHOTS  1: also writes docs/screenshots/*.png
# The last line is "N passed, M failed, K skipped". Exit 0: all passed; 1: some failed; 77: npm or Chromium is missing.
set -eu
cd "$(dirname "$0")"
hadal=${HADAL:-../../build/hadal}
skip() { echo "page: $1" >&2; exit 77; }

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
HADAL_CHROMIUM=${HADAL_CHROMIUM:-$(command -v chromium || true)}
if [ -z "$HADAL_CHROMIUM" ] && [ "$(id -u)" = 0 ]; then
  apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 || true
  HADAL_CHROMIUM=$(command -v chromium || true)
fi
[ -n "$HADAL_CHROMIUM" ] || skip "Chromium is not installed (apt-get install chromium)"
export HADAL_CHROMIUM PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
[ -x node_modules/.bin/playwright ] || npm ci --silent --no-progress >/dev/null 2>&1 || skip "npm ci failed (no registry?)"

work=$(mktemp -d)
pids=
stop() {
  [ -z "$pids" ] || kill $pids 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM

address() { # LOG PATTERN: waits until the log tells an address, leaves it in $url
  for _ in $(seq 300); do
    url=$(sed -n "s/.*$2 //p" "$1" 2>/dev/null | head -n 1)
    [ -z "$url" ] || return 0
    sleep 0.1
  done
  echo "page: the server did not start:" >&2
  cat "$1" >&2
  exit 1
}
serve() { # NAME OPTION...: a server that serves the page; its address in $url
  log=$work/$1.log; shift
  "$hadal" serve --port 0 --threads 1 --script script.json "$@" >/dev/null 2>"$log" &
  pids="$pids $!"
  address "$log" 'is served at'
}
if [ -z "${HADAL_URL:-}" ]; then
  serve open; HADAL_URL=$url
  serve key --api-key secret; HADAL_KEY_URL=$url
fi
export HADAL_URL HADAL_KEY_URL="${HADAL_KEY_URL:-}"
node_modules/.bin/playwright test --output "$work/results" "$@"
