#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and installs the sources twice, in folders of different names and depths, with other locale,
# time zone and umask, and compares all installed files byte for byte.
#
#   tools/check_reproducible.sh [MESON_OPTION...]        e.g. tools/check_reproducible.sh -Drdkit=adapter
#
# Without CUDA and tests unless MESON_OPTIONs say otherwise, and without a compiler cache. The sources are
# the tracked files as they are now. Exit status 0: all files are the same.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# copy SOURCE: the tracked files
copy() {
  mkdir -p "$1"
  git -C "$root" ls-files -z | (cd "$root" && xargs -0 -I{} sh -c '[ ! -e "$1" ] || printf "%s\0" "$1"' sh {}) |
    tar -C "$root" --null -T - -cf - | tar -C "$1" -xf -
}

# build SOURCE BUILD STAGE MESON_OPTION...: configures, builds and installs
build() {
  local source=$1 build=$2 stage=$3
  shift 3
  export CCACHE_DISABLE=1
  meson setup "$build" "$source" -Dcuda=disabled -Dtests=disabled "$@" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log"; return 1; }
  ninja -C "$build" --quiet || return 1
  meson install -C "$build" --no-rebuild --quiet --destdir "$stage" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log"; return 1; }
}

copy "$work/a"
copy "$work/another/folder/sources"
mkdir "$work/elsewhere"
(export LC_ALL=C TZ=UTC && umask 022 && build "$work/a" "$work/a/build" "$work/stage1" "$@")
(export LC_ALL=C.UTF-8 TZ=Asia/Tokyo && umask 027 &&
  build "$work/another/folder/sources" "$work/elsewhere/b" "$work/stage2" "$@")

n=0 differing=0
while read -r file; do
  n=$((n + 1))
  if ! cmp -s "$work/stage1/$file" "$work/stage2/$file"; then
    printf 'differs: %s\n' "$file"
    differing=$((differing + 1))
  fi
done < <(cd "$work" && { (cd stage1 && find . -type f); (cd stage2 && find . -type f); } | sort -u)
printf '%d installed files, %d differ\n' $n $differing
((n > 0 && differing == 0))
