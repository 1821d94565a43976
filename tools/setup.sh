#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what confgen needs from the distribution's packages, configures and builds it.
#
#   tools/setup.sh [--with-slurm] [--with-guards] [--with-fuzzing] [--with-judge] [--with-python] [--with-packages]
#                  [--with-long] [MESON_OPTION...]
#                                                  e.g. tools/setup.sh -Dcuda=disabled
#
# --with-slurm   also installs Slurm, for the test of tools/nightly, which then fails without it
# --with-guards  also installs clang-format, Doxygen and MkDocs, for the tests of the sources' layout, of the
#                headers' reference and of the site
# --with-fuzzing also installs clang with libFuzzer, for tools/fuzz.sh
# --with-judge   also installs RDKit for Python and Open Babel, for the test of stereo by an independent judge
#                and for the test of the pages' commands
# --with-python  also installs what the tests of the Python package (tools/python) need
# --with-packages also installs mmdebstrap, for the test of tools/package.sh in a fresh root, which then fails
#                without it, and sets the prefix /usr, which packages need
# --with-long    also installs the packages of the test suite `long`
#
# Debian 12 or later, Ubuntu 24.04 or later; as root, or with sudo. A second run installs only what is
# missing and builds only what changed. BUILD names the build folder (build).
set -euo pipefail

cd "$(dirname "$0")/.."
build=${BUILD:-build}

packages=(
  gcc g++ meson ninja-build pkgconf          # to build
  libjansson-dev libpcre2-dev libutf8proc-dev # JSON, regular expressions, Unicode
  libzstd-dev zlib1g-dev libcsv-dev libxxhash-dev
  libdnnl-dev                                 # oneDNN: matrix products on the CPU
  librdkit-dev libboost-dev                   # chemistry
  check zstd binutils cmake                   # tests
  jq                                          # tools/study, tools/nightly
)

options=()
for option in "$@"; do
  case $option in
    --with-slurm) packages+=(slurm-wlm munge); options+=(-Dslurm=enabled) ;;
    --with-judge) packages+=(python3-rdkit openbabel less); options+=(-Djudge=enabled) ;;
    --with-python)
      packages+=(python3-cffi python3-rdkit python3-pandas python3-build python3-setuptools python3-wheel python3-pip)
      options+=(-Dpython=enabled) ;;
    --with-packages) packages+=(mmdebstrap dpkg-dev); options+=(-Dpackages=enabled --prefix=/usr) ;;
    --with-long) packages+=(valgrind gcovr clang libclang-rt-dev pymol slurm-wlm munge python3-venv) ;;
    --with-guards) packages+=(clang-format doxygen mkdocs) ;;
    --with-fuzzing) packages+=(clang libclang-rt-dev) ;;
    *) options+=("$option") ;;
  esac
done
set -- "${options[@]}"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v dpkg-query >/dev/null || die "dpkg not found: on systems other than Debian and Ubuntu install the equivalents of these packages, then run 'meson setup $build && ninja -C $build': ${packages[*]}"

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if ((${#missing[@]})); then
  say "installing ${missing[*]}"
  root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  log=$(mktemp)
  "${root[@]}" apt-get update -qq >"$log" 2>&1 || { cat "$log" >&2; die "apt-get update failed"; }
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "apt-get install failed"; }
  rm -f "$log"
else
  say "all packages are installed"
fi

have=$(meson --version)
[ "$(printf '1.0.0\n%s\n' "$have" | sort -V | head -n 1)" = 1.0.0 ] ||
  die "found meson $have, wanted 1.0.0 or newer: use Debian 12, Ubuntu 24.04 or later"

if [ -f "$build/build.ninja" ]; then
  if (($#)); then
    say "configuring $build with $*"
    meson configure "$build" "$@" >/dev/null || die "meson configure failed"
  fi
else
  say "configuring $build${*:+ with $*}"
  log=$(mktemp)
  meson setup "$build" "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "meson setup failed"; }
  sed -n '/^confgen/,$p' "$log"
  rm -f "$log"
fi

say "building"
ninja -C "$build" --quiet || die "the build failed"
say "done: $build/confgen"
