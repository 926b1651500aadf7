#!/usr/bin/env bash
# nats-server.sh SUITE FOLDER - puts Debian SUITE's nats-server into FOLDER and prints its path.
# Uses apt with a private state: nothing is installed, the system's own apt state is not touched, signatures are checked with Debian's keyring.
set -euo pipefail
suite=$1 folder=$2
binary=$folder/usr/sbin/nats-server
if [ -x "$binary" ]; then echo "$binary"; exit 0; fi

fail() { echo "nats-server: $1" >&2; echo "nats-server: install nats-server 2.10 or newer so that it is on PATH, then run this again." >&2; exit 1; }
. "$(dirname "$(readlink -f "$0")")/debian-archive.sh"
state=$folder.apt
open_debian "$suite" "$state"
unpack_debian "$state" nats-server
"$state/tree/usr/sbin/nats-server" --version >/dev/null 2>&1 || fail "the fetched binary does not run on this machine."
rm -rf "$folder"; mv "$state/tree" "$folder"; rm -rf "$state"
echo "$binary"
