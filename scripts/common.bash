# shellcheck shell=bash
# What the scripts share; sourced, never run. Leaves the working directory at the top of the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck disable=SC2034 # for the scripts
target=${CARGO_TARGET_DIR:-$PWD/target}

# die SENTENCE
die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# help: prints the comment at the top of the script that calls it, and ends.
help() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
  exit 0
}

# need PACKAGE...: installs the Debian packages of these that are not there.
need() {
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "the packages ${missing[*]} are missing: install them, or run this as root."
  echo "installing ${missing[*]}" >&2
  apt_get update
  apt_get install -y --no-install-recommends "${missing[@]}"
}

apt_get() {
  local log
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1 ||
    { tail -20 "$log" >&2; die "apt-get $1 failed."; }
  rm "$log"
}

# need_rust: a C compiler is for the cryptography that is not written in Rust.
need_rust() {
  command -v cargo >/dev/null || die "cargo is not in the PATH: install Rust (https://rustup.rs) for this user."
  need gcc libc6-dev
}
