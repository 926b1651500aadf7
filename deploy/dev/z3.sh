#!/usr/bin/env bash
# z3.sh FOLDER - puts the Z3 library of this machine's own Debian release into FOLDER (libz3.so.4) and prints its path.
# Nothing is installed; apt checks the signatures. Where it cannot be had this says so and exits 1; the tests then skip.
set -euo pipefail
folder=$1
library=$folder/libz3.so.4
if [ -s "$library" ]; then echo "$library"; exit 0; fi

fail() { echo "z3: $1" >&2; echo "z3: the tests against Z3 will be skipped." >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this machine has no apt to fetch it with."
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download libz3-4 >"$work/log" 2>&1) || fail "the package could not be fetched: $(tail -n 1 "$work/log")"
dpkg -x "$work"/libz3-4_*.deb "$work/tree"
mkdir -p "$folder"; cp -L "$(find "$work/tree" -name 'libz3.so.4' | head -n 1)" "$library" || fail "the package holds no library."
echo "$library"
