#!/usr/bin/env bash
# afl.sh FOLDER - prints the path of an afl-fuzz: PATH's, or Debian's, which it puts into FOLDER.
# Nothing is installed; apt checks the signatures.
set -euo pipefail
folder=$1
if command -v afl-fuzz; then exit 0; fi
binary=$folder/usr/bin/afl-fuzz
# afl-fuzz links Python for custom mutators, which we have none of; the library comes along where the machine lacks it.
wrapper=$folder/afl-fuzz
if [ -x "$wrapper" ]; then echo "$wrapper"; exit 0; fi

fail() { echo "afl: $1" >&2; exit 1; }
. "$(dirname "$(readlink -f "$0")")/debian-archive.sh"
state=$folder.apt
open_debian own "$state"
python=$(apt-cache "${debian_apt[@]}" depends afl++ 2>>"$state/log" | grep -oE 'libpython3[0-9.]*t?[0-9a-z]*' | head -n 1) || true
# shellcheck disable=SC2086
unpack_debian "$state" afl++ $python
rm -rf "$folder"; mv "$state/tree" "$folder"; rm -rf "$state"
libraries=$(dirname "$(find "$folder" -name 'libpython3*.so*' | head -n 1)")
printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$binary" > "$wrapper.new"
chmod +x "$wrapper.new"
# 1 is afl-fuzz's own answer to being asked for help.
"$wrapper.new" -h >/dev/null 2>&1 || [ $? = 1 ] || fail "the fetched afl-fuzz does not run on this machine."
mv "$wrapper.new" "$wrapper"
echo "$wrapper"
