#!/usr/bin/env bash
# cedar-wasm.sh FOLDER - puts Cedar's own engine, as WebAssembly, into FOLDER (cedar_wasm_bg.wasm) and prints its path.
# It is the npm package @cedar-policy/cedar-wasm of one version with one digest. Where it cannot be had this says so and exits 1; the tests then skip.
set -euo pipefail
folder=$1
version=4.13.0 digest=sha512-1omEd/J0c7RjcfSUWiXZc6zk6XUs1IuY7Yk9TVysoKV/LpFWIk45RpjvRFVioPUR3RQmgA/DaqKhK3pucbBx1A==
wasm=$folder/cedar_wasm_bg.wasm
if [ -s "$wasm" ]; then echo "$wasm"; exit 0; fi

fail() { echo "cedar-wasm: $1" >&2; echo "cedar-wasm: the tests against Cedar will be skipped." >&2; exit 1; }
command -v npm >/dev/null || fail "this machine has no npm to fetch it with."
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent --ignore-scripts "@cedar-policy/cedar-wasm@$version" >/dev/null 2>"$work/log") || fail "the package could not be fetched: $(tail -n 1 "$work/log")"
package=$(echo "$work"/*.tgz)
found=sha512-$(openssl dgst -sha512 -binary "$package" | base64 -w0)
[ "$found" = "$digest" ] || fail "the package is not the one that is expected ($found)."
tar -xzf "$package" -C "$work" package/nodejs/cedar_wasm_bg.wasm || fail "the package holds no module where it was."
mkdir -p "$folder"; mv "$work/package/nodejs/cedar_wasm_bg.wasm" "$wasm"
echo "$wasm"
