#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/study/ligand_table.py: its table and summary, and which steps a second run repeats; RDKit's rows where a Python has RDKit.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip 'python3 is not installed'
study=$CONFGEN_SOURCE_ROOT/tools/study/ligand_table.py
sets=$CONFGEN_SOURCE_ROOT/tests/data/eval
printf 'NS(=O)(=O)c1ccc(CNC(=O)C2CC2)cc1\tsulfonamide\t1\nCCCO\tsmall\t1\n' >two.smi
zstd -dcq "$sets/bioactive_ref.sdf.zst" |
  awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^(small|sulfonamide)\n/' >two.sdf
# table STATUS ARG...: like run in lib.sh
table() {
  local wanted=$1 status=0
  shift
  python3 "$study" --confgen "$CONFGEN" --ref two.sdf --input two.smi --counts 3 --out made "$@" >out 2>err || status=$?
  verdict "status $wanted: $*" test "$status" = "$wanted"
}
commands() { grep -c '^+ ' err || true; }

say 'rows of confgen'
table 0 --rows raw,standard -- --threads 2 --quiet
verdict 'a row of each' test "$(grep -c '^| default model, [a-z]* | [1-6] | [0-9.]* | ' out)" = 2
verdict 'best RMSD is that of the evaluation' python3 - <<'PY'
import json
summary = json.load(open("made/summary.json"))["counts"]["3"]["rows"]
for row in ("raw", "standard"):
    evaluation = json.load(open("made/k3/%s.eval.json" % row))["summary"]
    best = evaluation["bioactive"]["curve"][-1]["best"]["mean"]
    assert summary[row]["best_mean"] == best and summary[row]["conformers"] == evaluation["generated"]
    assert "| %.3f |" % best in open("made/table.md").read()
    assert summary[row]["run"]["counts"]["conformers"] >= summary[row]["conformers"]
assert summary["raw"]["relaxation"]["median"] > summary["standard"]["relaxation"]["median"] >= 0
PY
verdict 'by number of conformers, as the evaluation says' python3 - <<'PY'
import json
group = json.load(open("made/k3/raw.eval.json"))["summary"]["bioactive"]["curve"][0]
cell = "%.3f, %.1f" % (group["best"]["mean"], 100 * group["hit"]["0.75"])
assert group["conformers"] == 1 and "| default model, raw | %s |" % cell in open("made/table.md").read()
PY
verdict 'differences by rotatable bonds' grep -q '^| default model, standard - default model, raw, Å | ' out
cp out first
table 0 --rows raw,standard
same first out 'a second run prints the same table'
verdict 'and does nothing' test "$(commands)" = 0
rm made/k3/standard.eval.json
table 0 --rows raw,standard
verdict 'an evaluation that is missing and its comparison are made again, no more' test "$(commands)" = 2
same first out 'to the same table'
cp made/k3/raw.sdf.zst whole.sdf.zst
for report in empty none; do
  : >made/k3/raw.json
  if [ $report = none ]; then rm made/k3/raw.json; fi
  table 0 --rows raw,standard -- --threads 2 --quiet
  says '^\+ .* --ensemble raw .* --resume' "a run whose report is $report is resumed"
  same whole.sdf.zst made/k3/raw.sdf.zst 'to the same conformers'
done

say 'refusals'
table 2 --rows raw,other
table 2 --counts 3,x
table 2 --python /no/such/python
table 0 --rows etkdg
says 'made/k3/etkdg: no conformers, left out of the table' 'without a Python with RDKit the row is left out'
sed '/^{/s/{/[/' made/k3/raw.eval.json >damaged.json
mv damaged.json made/k3/raw.eval.json
table 1 --rows raw
says '^made/k3/raw.eval.json: line 1: ' 'a damaged evaluation is named'
rm made/k3/raw.eval.json
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import rdkit' 2>/dev/null; then
    say 'rows of RDKit'
    table 0 --python "$python" --no-generate
    verdict '--no-generate makes none' test ! -e made/k3/etkdg.sdf
    table 0 --python "$python"
    verdict 'five rows' \
      test "$(grep -cE '^\| (default model, (raw|standard|standard, mmff94)|ETKDGv3( \+ MMFF94)?) \| [1-6] \| [0-9]' out)" = 5
    verdict 'the paired comparison' grep -q '^default model, standard against ETKDGv3 + MMFF94: ' out
    verdict 'minima have no relaxation energy' grep -Eq '^\| ETKDGv3 \+ MMFF94 \| 6 .* \| 0.0[0-9] \| 0.0[0-9] \| 0.0[0-9] \| ' out
    cp made/k3/etkdg.sdf whole.sdf
    rm made/k3/etkdg.sdf made/k3/etkdg_mmff.sdf
    table 0 --python "$python"
    same whole.sdf made/k3/etkdg.sdf 'the same conformers each time'
    finish
  fi
done
say 'rows of RDKit are not tested: no python3 here has rdkit'
finish
