#!/bin/sh
# Builds the page anew and compares it with the built files that are committed: `npm run same`.
# Exit 0: the same; 1: they differ; 77: npm could not install what builds the page.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --silent --no-progress >/dev/null 2>&1 || { echo "same: npm ci failed (no registry?)" >&2; exit 77; }
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npm run --silent check
node_modules/.bin/vite build --logLevel error --outDir "$built" --emptyOutDir
diff -r "$built" dist && echo "web/dist is what its sources build"
