#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Joins the .zst outputs of shards to the bytes that a single run over the whole input writes: their
# frames in order, then one seek table.
#
#   tools/nightly/merge.sh OUTPUT PART...
#
# A part ends with a seek table of zstd's seekable format: a skippable frame of 8 bytes of header, 8
# bytes per entry, and a footer of 9 (number of entries, descriptor, magic number).
set -euo pipefail
export LC_ALL=C

die() { printf 'merge: %s\n' "$*" >&2; exit 1; }
(($# >= 2)) || { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
out=$1
shift
trap 'rm -f "$out.frames" "$out.entries"' EXIT

# u32 NUMBER: prints its four bytes, little-endian
u32() {
  # shellcheck disable=SC2059 # the format is the bytes
  printf "$(printf '\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}
# number BYTE BYTE BYTE BYTE: the little-endian number of four bytes
number() { echo $(($1 | $2 << 8 | $3 << 16 | $4 << 24)); }

: >"$out.frames"
: >"$out.entries"
total=0
for part; do
  [ -f "$part" ] || die "'$part': no such file"
  size=$(stat -c %s -- "$part")
  read -r -a foot <<<"$(tail -c 9 -- "$part" | od -An -v -tu1 -w9)"
  [ "${foot[*]:4}" = '0 177 234 146 143' ] ||
    die "'$part': no seek table at its end: the run was not finished, or this is not an output of confgen"
  n=$(number "${foot[@]:0:4}")
  table=$((8 * n + 17))
  ((table <= size)) || die "'$part': a seek table of $n entries in a file of $size bytes"
  read -r -a head <<<"$(tail -c "$table" -- "$part" | head -c 8 | od -An -v -tu1 -w8)"
  [ "${head[*]:0:4} $(number "${head[@]:4:4}")" = "94 42 77 24 $((table - 8))" ] ||
    die "'$part': its seek table does not begin where its footer says"
  head -c $((size - table)) -- "$part" >>"$out.frames"
  tail -c $((table - 8)) -- "$part" | head -c -9 >>"$out.entries"
  total=$((total + n))
done
{
  printf '\x5e\x2a\x4d\x18'
  u32 $((8 * total + 9))
  cat "$out.entries"
  u32 "$total"
  printf '\0\xb1\xea\x92\x8f'
} >>"$out.frames"
mv -- "$out.frames" "$out"
