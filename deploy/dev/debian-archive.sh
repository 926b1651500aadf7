# shellcheck shell=bash
# To be sourced by what fetches Debian's packages. `fail` must be there: it says what is missing and ends the script.
# apt has a private state here: nothing is installed, the system's own lists are neither needed nor touched, signatures are checked with Debian's keyring.

# open_debian SUITE STATE - reads the lists of SUITE ("own": this machine's own release) into the folder STATE; `debian_apt` then holds apt's options.
open_debian() {
  local suite=$1 state=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg archive VERSION_CODENAME=
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this machine has no apt to fetch it with."
  [ -r "$keyring" ] || fail "Debian's archive keyring is missing ($keyring)."
  # shellcheck source=/dev/null
  . /etc/os-release
  # The archive's address is this machine's own: the one its release comes from.
  archive=$(apt-get update --print-uris 2>/dev/null | sed -n "s|^'\(.*\)/dists/${VERSION_CODENAME:-none}/InRelease'.*|\1|p" | head -n 1)
  [ -n "$archive" ] || fail "apt's configuration names no archive for Debian ${VERSION_CODENAME:-(unknown release)}."
  [ "$suite" != own ] || suite=$VERSION_CODENAME

  rm -rf "$state"; mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$archive" "$suite" "$keyring" > "$state/sources/archive.sources"
  debian_apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$state/sources" -o Dir::Etc::preferences=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Acquire::Languages=none
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  [ "$(id -u)" != 0 ] || debian_apt+=(-o APT::Sandbox::User=root)
  apt-get -qq "${debian_apt[@]}" update >"$state/log" 2>&1 || fail "the archive could not be read; see $state/log."
}

# unpack_debian STATE PACKAGE… - fetches the packages and lays them out below STATE/tree.
unpack_debian() {
  local state=$1 package; shift
  (cd "$state" && apt-get -qq "${debian_apt[@]}" download "$@" >>"$state/log" 2>&1) || fail "the packages ($*) could not be fetched; see $state/log."
  for package in "$state"/*.deb; do dpkg -x "$package" "$state/tree"; done
}
