#!/usr/bin/env bash
# afl.sh FOLDER - prints the path of an afl-fuzz: PATH's, or Debian's, which it puts into FOLDER.
# Uses apt as the machine has it, only to download: nothing is installed, and signatures are checked as apt always does.
set -euo pipefail
folder=$1
if command -v afl-fuzz; then exit 0; fi
binary=$folder/usr/bin/afl-fuzz
# afl-fuzz links Python for custom mutators, which we have none of; the library comes along where the machine lacks it.
wrapper=$folder/afl-fuzz
if [ -x "$wrapper" ]; then echo "$wrapper"; exit 0; fi

fail() { echo "afl: $1" >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no afl-fuzz on PATH, and no apt to fetch it with."
state=$folder.apt
rm -rf "$state"; mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
apt=(-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
[ "$(id -u)" != 0 ] || apt+=(-o APT::Sandbox::User=root)
apt-get -qq "${apt[@]}" update >"$state/log" 2>&1 || fail "the package archive could not be read; see $state/log."
python=$(apt-cache "${apt[@]}" depends afl++ 2>>"$state/log" | grep -oE 'libpython3[0-9.]*t?[0-9a-z]*' | head -n 1) || true
# shellcheck disable=SC2086
(cd "$state" && apt-get -qq "${apt[@]}" download afl++ $python >>"$state/log" 2>&1) || fail "the archive has no afl++; see $state/log."
for package in "$state"/*.deb; do dpkg -x "$package" "$state/tree"; done
rm -rf "$folder"; mv "$state/tree" "$folder"; rm -rf "$state"
libraries=$(dirname "$(find "$folder" -name 'libpython3*.so*' | head -n 1)")
printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$binary" > "$wrapper.new"
chmod +x "$wrapper.new"
# 1 is afl-fuzz's own answer to being asked for help.
"$wrapper.new" -h >/dev/null 2>&1 || [ $? = 1 ] || fail "the fetched afl-fuzz does not run on this machine."
mv "$wrapper.new" "$wrapper"
echo "$wrapper"
