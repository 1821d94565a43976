#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/study/constraints.sh: table, files and refusals.
. "$(dirname "$0")/lib.sh"
export CONFGEN
study=$CONFGEN_SOURCE_ROOT/tools/study/constraints.sh
command -v jq >/dev/null || skip 'jq is not installed'
# Three molecules of three references each
head -n 3 "$CONFGEN_SOURCE_ROOT/tests/data/eval/nightly.smi" >three.smi
zstd -dcq "$CONFGEN_SOURCE_ROOT/tests/data/eval/nightly_ref.sdf.zst" |
  awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } NR <= 9' >ref.sdf
# study STATUS ARG...: like run in lib.sh
study() {
  local wanted=$1 status=0
  shift
  "$study" --ref ref.sdf "$@" >out 2>err || status=$?
  verdict "status $wanted: $*" test "$status" = "$wanted"
}
# row WHAT NONE TEMPLATE GRAMMAR: checks a row of the table; cells are regular expressions
row() { verdict "$*" grep -Eq "^\| $1 +\| +$2 \| +$3 \| +$4 \|\$" out; }

say 'a model of random weights writes no molecule without a constraint'
tiny_model tiny
study 0 --input three.smi --gens 1k --model tiny --temperature 1.0 --seed 3 --out all -- \
  --max-new-tokens 400 --quiet
row 'conformers requested' 9 9 9
row 'conformers written' 0 '[0-9]' 9
n_bad=$(jq '.counts.failures | .wrong_molecule + .parse_failure + .unfinished' all/none.json)
verdict 'all conformers of none fail' test "$n_bad" = 9
row 'molecules without output' 3 '[0-3]' 0
for what in 'wrong molecules' 'parse failures' unfinished; do row "$what" '[0-9]' '[0-9]' 0; done
row 'COV-R, % mean' 0.00 '[0-9.]+' '[0-9.]+'
row 'MAT-R, Å median' - '[0-9.-]+' '[0-9.]+'
verdict 'three comparisons' test "$(grep -c '^B against A: ' out)" = 3
verdict 'their files' test -s all/none-grammar.json -a -s all/template-grammar.json -a \
  -s all/none-template.json
cp out first

say 'runs of an earlier study'
study 0 --generated all --out again
same first <(sed 's:again/:all/:' out) 'the same table'
study 3 --generated nowhere
says 'nowhere/none.sdf.zst: cannot be read' 'the message names a missing file'
cp -r all other
jq '.engine.seed = 4' all/template.json >other/template.json
study 3 --generated other
says 'runs differ: \{"seed":\[3,4,3\]\}' 'another seed is refused'
cp all/grammar.json other/template.json
study 3 --generated other
says '\["none","grammar","grammar"\]' 'so is another constraint'
head -c 100 all/none.json >other/none.json
study 3 --generated other
says 'a report is not JSON' 'and a damaged report'
jq '.counts.failures.unfinished = 1' all/grammar.json >all/one.json
mv all/one.json all/grammar.json
study 1 --generated all

say 'usage'
study 2
study 2 --input three.smi --generated all
study 2 --generated all --seed 3
study 3 --input three.smi --out all
says 'exist' 'an output that exists is not replaced'

finish
