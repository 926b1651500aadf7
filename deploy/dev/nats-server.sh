#!/usr/bin/env bash
# nats-server.sh SUITE FOLDER - puts Debian SUITE's nats-server into FOLDER and prints its path.
# Uses apt with a private state: nothing is installed, the system's own apt state is not touched, signatures are checked with Debian's keyring.
set -euo pipefail
suite=$1 folder=$2
binary=$folder/usr/sbin/nats-server
if [ -x "$binary" ]; then echo "$binary"; exit 0; fi

fail() { echo "nats-server: $1" >&2; echo "nats-server: install nats-server 2.10 or newer so that it is on PATH, then run this again." >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this machine has no apt to fetch it with."
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "Debian's archive keyring is missing ($keyring)."
. /etc/os-release
# The archive's address is this machine's own: the one its release comes from.
archive=$(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*\)/dists/${VERSION_CODENAME:-none}/InRelease'.*|\1|p" | head -n 1)
[ -n "$archive" ] || fail "apt's configuration names no archive for Debian ${VERSION_CODENAME:-(unknown release)}."

state=$folder.apt
rm -rf "$state"; mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources" "$(dirname "$folder")"
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$archive" "$suite" "$keyring" > "$state/sources/archive.sources"
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$state/sources" -o Dir::Etc::preferences=/dev/null
  -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Acquire::Languages=none
  -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
[ "$(id -u)" != 0 ] || apt+=(-o APT::Sandbox::User=root)
"${apt[@]}" update >"$state/log" 2>&1 || fail "the archive could not be read; see $state/log."
(cd "$state" && "${apt[@]}" download nats-server >>"$state/log" 2>&1) || fail "the package could not be fetched; see $state/log."
dpkg -x "$state"/nats-server_*.deb "$state/tree"
"$state/tree/usr/sbin/nats-server" --version >/dev/null 2>&1 || fail "the fetched binary does not run on this machine."
rm -rf "$folder"; mv "$state/tree" "$folder"; rm -rf "$state"
echo "$binary"
