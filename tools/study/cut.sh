#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures the cost of cut coordinates: the constraint `template` with a field that is one token too
# short, compared with `grammar` on the same checkpoint, molecules, sampling and seed.
#
#   tools/study/cut.sh --ref REF --input FILE [--out DIR] [--gens N|Nk] [-- CONFGEN_OPTION...]
#
#   --ref REF     reference conformers, SDF (.zst)
#   --input FILE  molecules: SMILES, name, k
#   --out DIR     directory of outputs and evaluations (cut)
#   --gens N|Nk   conformers per molecule (2k)
#
# Builds the plugin `template` with a placeholder that lacks its last token, which is the decimals of z
# with the default model's tokenizer (as with Llama-3's and 4 decimals). Its texts are read as float()
# reads them, "2." as 2. Also applies the same cut to the conformers of grammar. CONFGEN names the
# program (build/confgen), CC the compiler.
# Exit status: 0; 2 usage error; 3 another error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

usage() { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
die() { printf 'cut: %s\n' "$*" >&2; exit 3; }

ref='' input='' out=cut gens=2k
parse_options 'ref input out gens' '' "$@"
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
  die "$constraints/template/plugin.c: found no placeholder to cut"
"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -I"$root/core/include" \
  "$work/template/plugin.c" "$work"/common/*.c -pthread -o "$work/cut.so" ||
  die 'the plugin does not compile'

# generate NAME OPTION...: generates $out/NAME.sdf.zst
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
rm "$out/written.sdf.zst"* # empty: confgen reads none of the cut texts
mv "$work/whole.sdf" "$out/whole.sdf"
for name in whole afterwards written; do
  "$confgen" eval --ref "$ref" --gen "$out/$name.sdf" --json "$out/$name.eval.json" --overwrite \
    >"$out/$name.eval.txt" || (($? == 1)) || die "$name: confgen eval ended with an error"
done
for name in afterwards written; do
  printf '\n'
  "$confgen" eval --compare "$out/whole.eval.json" "$out/$name.eval.json" || (($? == 1)) ||
    die "whole and $name cannot be compared"
done
