#!/usr/bin/env bash
# go-spiffe.sh SUITE FOLDER - puts Debian SUITE's Go, go-spiffe and spike into FOLDER and builds the peers of the conformance tests with them:
# FOLDER/peers/svid-client, tls-peer and fake-workload-api, and FOLDER/usr/bin/spike. Prints FOLDER. Where the archive does not have them it says so and exits 1; the tests then skip.
# Uses apt with a private state: nothing is installed, the system's own apt state is not touched, signatures are checked with Debian's keyring.
set -euo pipefail
suite=$1 folder=$2
sources=$(dirname "$(readlink -f "$0")")/../../tests/Identity.Conformance.Tests/GoSpiffe
missing=
for source in "$sources"/*.go; do
  program=$folder/peers/$(basename "$source" .go)
  if [ ! -x "$program" ] || [ "$source" -nt "$program" ]; then missing="$missing $(basename "$source" .go)"; fi
done
if [ -z "$missing" ]; then echo "$folder"; exit 0; fi

fail() { echo "go-spiffe: $1" >&2; echo "go-spiffe: the tests against go-spiffe and spike will be skipped." >&2; exit 1; }
. "$(dirname "$(readlink -f "$0")")/debian-archive.sh"

fetch() {
  local state=$folder.apt packages go
  open_debian "$suite" "$state"

  # Only what the client imports: the whole closure of the packages' own dependencies is ten times as large.
  go=$(apt-cache "${debian_apt[@]}" depends golang-go 2>>"$state/log" | grep -oE 'golang-[0-9.]+-go' | head -n 1) || true
  [ -n "$go" ] || fail "Debian $suite has no Go."
  packages="$go ${go%-go}-src spike golang-github-spiffe-go-spiffe-dev golang-github-go-jose-go-jose-dev golang-google-grpc-dev
    golang-google-protobuf-dev golang-google-genproto-dev golang-golang-x-net-dev golang-golang-x-sys-dev golang-golang-x-text-dev
    golang-golang-x-crypto-dev golang-github-golang-protobuf-1-5-dev
    golang-github-stretchr-testify-dev golang-github-davecgh-go-spew-dev golang-github-pmezard-go-difflib-dev golang-gopkg-yaml.v3-dev"
  # shellcheck disable=SC2086
  unpack_debian "$state" $packages
  rm -rf "$folder"; mv "$state/tree" "$folder"; rm -rf "$state"
}

gopath=$folder/usr/share/gocode
# The last package to be wanted tells whether a folder of an older checkout has them all.
[ -d "$gopath/src/github.com/stretchr/testify" ] || fetch
goroot=$(echo "$folder"/usr/lib/go-*)
mkdir -p "$folder/peers"
# GOPATH mode, offline: Go's own downloader has no part in this.
for program in $missing; do
  # Inside go-spiffe's own tree, which alone may use what its tests are made of.
  place=github.com/spiffe/go-spiffe/v2/internal/peers/$program
  rm -rf "$gopath/src/$place"; mkdir -p "$gopath/src/$place"; cp "$sources/$program.go" "$gopath/src/$place/main.go"
  env GOROOT="$goroot" GOPATH="$gopath" GOCACHE="$folder/cache" GO111MODULE=off GOPROXY=off GOTOOLCHAIN=local GOFLAGS= CGO_ENABLED=0 \
    "$goroot/bin/go" build -o "$folder/peers/$program" "$place" >"$folder/build.log" 2>&1 || fail "$program does not build; see $folder/build.log."
done
rm -rf "$folder/cache"
echo "$folder"
