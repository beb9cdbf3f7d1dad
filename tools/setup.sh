#!/bin/sh
# Installs the Debian 12 packages that a build needs and that are missing, as root or with sudo. Asks nothing,
# says what it installs and why. Usage: tools/setup.sh [build] [check] [clang] [train]   (default: build)
# Exit: 0 all there, 1 something could not be installed.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# group|package|why
packages='
build|g++|C++ compiler (GCC 12)
build|cmake|configures the build
build|ninja-build|runs the build
build|libfmt-dev|{fmt}: text formatting
build|libspdlog-dev|spdlog: log sink
build|libcli11-dev|CLI11: flags of the verbs
build|nlohmann-json3-dev|nlohmann-json: JSON
build|libgtest-dev|GoogleTest: the tests
build|libboost1.81-dev|Boost.Asio and Boost.Beast: the HTTP server
build|libssl-dev|OpenSSL: TLS of the HTTP server
build|libsqlite3-dev|SQLite: responses that the server stores
build|libpcre2-dev|PCRE2: oracle of the pre-tokenizer tests
check|python3|runs tools/check_layers.py
check|clang-format-14|source format
clang|clang-14|second compiler, fuzzing
clang|libclang-rt-14-dev|runtime of sanitizers and libFuzzer
clang|clang-tidy-14|static analysis
train|libtorch-dev|LibTorch: the trainer
train|libopenblas0-pthread|matrix products of the trainer
'
groups=${*:-build}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]
}

missing=
reasons=
for group in $groups; do
  case "$packages" in *"
$group|"*) ;; *) echo "setup: unknown group '$group'; there are: build check clang train" >&2; exit 1 ;; esac
done
if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian, so nothing is installed; the packages' Debian names are listed in tools/setup.sh" >&2
  exit 0
fi
old_ifs=$IFS
IFS='
'
for line in $packages; do
  IFS='|' read -r group package why <<LINE
$line
LINE
  case " $groups " in *" $group "*) ;; *) continue ;; esac
  is_installed "$package" && continue
  missing="$missing $package"
  reasons="$reasons  $package  ($why)
"
done
IFS=$old_ifs
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root='sudo'  # on a terminal sudo itself may ask for the password
else
  printf 'setup: these Debian packages are missing, and this user is neither root nor may use sudo:\n%s' "$reasons" >&2
  echo "setup: have them installed with: apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

printf 'setup: installing Debian packages%s:\n%s' "${as_root:+ with sudo}" "$reasons"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  # shellcheck disable=SC2086  # lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 $missing </dev/null >"$log" 2>&1
}
# The package lists are fetched only when the ones at hand are missing or too old to serve.
if ! install; then
  echo "setup: fetching the package lists (apt-get update)"
  $as_root apt-get update -q -o Acquire::Retries=3 </dev/null >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; echo "setup: apt-get update failed; trying with the lists there are" >&2; }
  if ! install; then
    tail -n 25 "$log" >&2
    echo "setup: apt-get failed (its last lines are above); missing:$missing" >&2
    exit 1
  fi
fi
echo "setup: done"
