#!/bin/sh
# The official clients for Python and JavaScript against build/hadal: `make conformance`. Installs them from their registries into
# build/conformance (nothing else of the project needs them), starts a server with the built-in model, one with scripted answers,
# one that wants a key and lets one request wait, and one that speaks TLS, and runs the cases of both languages. The last line sums
# them; a language whose clients cannot be installed is one skip. Exit 0: all passed; 1: some failed; 77: the clients of neither
# language could be installed.
set -eu
cd "$(dirname "$0")/../.."
hadal=${HADAL:-build/hadal}
work=build/conformance
tests=tests/conformance
mkdir -p "$work/node"

has_python() { "$work/venv/bin/python" -c 'import openai, anthropic, prometheus_client' 2>/dev/null; }
install_python() {
  [ -x "$work/venv/bin/pip" ] || python3 -m venv "$work/venv" || return
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check openai anthropic prometheus_client && has_python
}
has_javascript() { (cd "$work/node" && node --input-type=module -e 'import "openai"; import "@anthropic-ai/sdk"') 2>/dev/null; }
install_javascript() {
  npm install --prefix "$work/node" --no-save --no-package-lock --no-audit --no-fund --loglevel=error openai @anthropic-ai/sdk >/dev/null &&
    has_javascript
}

languages= skipped=0
for language in python javascript; do
  if "has_$language" || "install_$language"; then
    languages="$languages $language"
  else
    skipped=$((skipped + 1))
    echo "$language: skipped (its clients cannot be installed)"
  fi
done
[ -n "$languages" ] || exit 77

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
key=sesame
serve "$work/builtin.log"; builtin=$url
serve "$work/scripted.log" --script "$tests/script.json"; scripted=$url
serve "$work/locked.log" --api-key "$key" --parallel 1 --max-queue 1; locked=$url
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/tls.key" -out "$work/tls.crt" -days 2 -subj /CN=localhost \
  -addext subjectAltName=IP:127.0.0.1 2>/dev/null
serve "$work/tls.log" --tls-cert "$work/tls.crt" --tls-key "$work/tls.key"; tls=$url

run_python() { "$work/venv/bin/python" -u "$tests/client_test.py" "$@" "$tls" "$work/tls.crt"; }
run_javascript() { # a module finds packages from where it lies
  cp "$tests/client_test.mjs" "$work/node/" && node "$work/node/client_test.mjs" "$@"
}

passed=0 failed=0
for language in $languages; do
  echo "$language:"
  "run_$language" "$builtin" "$scripted" "$locked" "$key" 2>&1 | tee "$work/$language.txt" | sed '/^[0-9]* passed, /d'
  if counts=$(tail -n 1 "$work/$language.txt" | grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'); then
    set -- $counts
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
  else
    failed=$((failed + 1))
    echo "FAILED  $language: it did not come to its end"
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
