#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What it costs to cut coordinates: the scheme of `template` with a field that is one token too
# short, against `grammar`, on the same checkpoint, molecules, sampling and seed.
#
#   tools/study/cut.sh --ref REF --input FILE [--out FOLDER] [--gens N|Nk] [-- CONFGEN_OPTION...]
#
#   --ref REF     reference conformers, SDF (.zst)
#   --input FILE  molecules: SMILES, name, k
#   --out FOLDER  for all that is made (cut)
#   --gens N|Nk   conformers a molecule (2k)
#
# The plugin `template` is built anew with a placeholder that lacks its last token: the decimals of
# z, by the default model's tokenizer (Llama-3's lose theirs with 4 decimals). What it writes is read as
# float() would read it, "2." as 2. Beside it stands what the same cut does to conformers that were
# written whole. CONFGEN names the program (build/confgen), CC the compiler.
# Exit status: 0; 2 wrong usage; 3 where something could not be done.
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
confgen=${CONFGEN:-$root/build/confgen}

usage() { sed -n '3,18s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { printf 'cut: %s\n' "$*" >&2; exit 3; }

ref='' input='' out=cut gens=2k options=()
while (($#)); do
  if [ "$1" = -- ]; then
    shift
    options+=("$@")
    break
  fi
  (($# >= 2)) || usage
  case $1 in
    --ref) ref=$2 ;;
    --input) input=$2 ;;
    --out) out=$2 ;;
    --gens) gens=$2 ;;
    *) usage ;;
  esac
  shift 2
done
if [ -z "$ref" ] || [ -z "$input" ]; then usage; fi
mkdir -p "$out" || exit 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

constraints=$root/plugins/constraints
mkdir "$work/template"
ln -s "$constraints/common" "$work/common"
sed 's/"0\.000,0\.000,0\.000"/"0.000,0.000,0."/; s/"template"/"cut"/' \
  "$constraints/template/plugin.c" >"$work/template/plugin.c"
[ "$(diff "$constraints/template/plugin.c" "$work/template/plugin.c" | grep -c '^>')" -ge 4 ] ||
  die "$constraints/template/plugin.c is not as expected"
"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -I"$root/core/include" \
  "$work/template/plugin.c" "$work"/common/*.c -pthread -o "$work/cut.so" ||
  die 'the plugin was not built'

# generate NAME OPTION...
generate() {
  local name=$1
  shift
  "$confgen" --input "$input" --gens "$gens" --geometry off --output "$out/$name.sdf.zst" \
    --report "$out/$name.json" --failed "$out/$name.failed" "$@" \
    ${options[@]+"${options[@]}"} 2>"$out/$name.log" ||
    (($? == 1)) || { cat "$out/$name.log" >&2; die "$name: confgen ended with an error"; }
}
generate whole --constraint grammar
generate written --plugin "$work/cut.so" --constraint cut

zstd -dcq "$out/whole.sdf.zst" >"$work/whole.sdf"
awk -f "$here/cut.awk" "$work/whole.sdf" "$out/written.failed" >"$out/written.sdf"
awk 'FNR == 1 || last == "$$$$" { line = 0 }
  { last = $0 }
  ++line == 4 { n = substr($0, 1, 3) + 0 }
  line > 4 && line <= 4 + n {
    $0 = substr($0, 1, 20) sprintf("%10.4f", int(substr($0, 21, 10))) substr($0, 31)
  }
  { print }' "$work/whole.sdf" >"$out/afterwards.sdf"
rm "$out/written.sdf.zst"* # holds what was read in spite of the cut: nothing
mv "$work/whole.sdf" "$out/whole.sdf"
for name in whole afterwards written; do
  "$confgen" eval --ref "$ref" --gen "$out/$name.sdf" --json "$out/$name.eval.json" --overwrite \
    >"$out/$name.eval.txt" || die "$name: confgen eval ended with an error"
done
for name in afterwards written; do
  printf '\n'
  "$confgen" eval --compare "$out/whole.eval.json" "$out/$name.eval.json" || (($? == 1)) ||
    die "whole and $name could not be compared"
done
