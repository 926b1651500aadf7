#!/usr/bin/env bash
# z3.sh FOLDER - puts the Z3 library of this machine's own Debian release into FOLDER (libz3.so.4) and prints its path.
# Nothing is installed; apt checks the signatures. Where it cannot be had this says so and exits 1; the tests then skip.
set -euo pipefail
folder=$1
library=$folder/libz3.so.4
if [ -s "$library" ]; then echo "$library"; exit 0; fi

fail() { echo "z3: $1" >&2; echo "z3: the tests against Z3 will be skipped." >&2; exit 1; }
. "$(dirname "$(readlink -f "$0")")/debian-archive.sh"
state=$folder.apt
open_debian own "$state"
unpack_debian "$state" libz3-4
mkdir -p "$folder"; cp -L "$(find "$state/tree" -name 'libz3.so.4' | head -n 1)" "$library" || fail "the package holds no library."
rm -rf "$state"
echo "$library"
