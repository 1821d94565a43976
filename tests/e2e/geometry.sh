#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Geometry tests and repair during generation: delivered conformers have the requested stereo, output
# bytes do not depend on how they are computed, and conformers beyond repair are reported.
. "$(dirname "$0")/lib.sh"

printf '%s\n' 'C[C@H](N)C(=O)O a' 'CC[C@@H](C)O b' 'C[C@@H](O)[C@H](C)N c' 'C/C=C\[C@H](C)F d' >in.smi
common=(--input in.smi --seed 3 --quiet --overwrite)
repair=("${common[@]}" --gens 6 --geometry repair)
all_pass() { [ "$(json_number "$1" passed_all)" = "$(json_number "$1" checked)" ]; }

say '4 chiral molecules, 6 conformers each'
run 0 "${repair[@]}" --check --output want.sdf --report want.json
verdict '24 records' test "$(count_sdf <want.sdf)" = 24
verdict 'all are checked' test "$(json_number want.json checked)" = 24
verdict 'all pass' all_pass want.json
verdict 'an atom failed by its chirality' test "$(json_number want.json centre)" -gt 0
verdict 'atoms were moved' test "$(json_number want.json atoms_moved)" -gt 0
verdict 'and tokens rolled back' test "$(json_number want.json tokens_discarded)" -gt 0
sdf_item want.sdf repaired >items
verdict 'each record lists its repairs' test "$(wc -l <items)" = 24
verdict 'as many as the report counts' test "$(json_number want.json centre)" = \
  "$(sed -n 's/.*centre=\([0-9]*\).*/\1/p' items | awk '{ n += $1 } END { print n + 0 }')"
verdict 'some needed none' grep -qx none items

say 'RDKit perceives the requested stereo: spiro and fused centres, bridges, double bonds'
: "${PERCEIVED:?tests/tools/perceived}"
# count_perceived FILE: records from whose 3D block RDKit perceives their SMILES
count_perceived() { "$PERCEIVED" <"$1" | awk -F '\t' '$2 == $3 && $2 != "error"' | wc -l; }
verdict 'in all 24 records' test "$(count_perceived want.sdf)" = 24
printf '%s\n' 'C[C@@H]1CC[C@@]2(C1)CCCO2 spiro' 'C[C@H]1CC[C@@H]2CCCC[C@H]2C1 decalin' \
  'O=C1C[C@H]2CC[C@@H]1C2 bridge' 'C/C(F)=C(/C)[C@@H](C)O both' \
  'C[C@@H]1[C@H](O)[C@@H](N)CO[C@H]1C ring' >rings.smi
for mode in off repair; do
  run 0 --input rings.smi --gens 4 --seed 3 --quiet --geometry $mode --output rings.$mode.sdf || true
done
verdict 'in 20 of 20 records with rings' test "$(count_perceived rings.repair.sdf)" = 20
verdict 'in fewer of them without repair' test "$(count_perceived rings.off.sdf)" -lt 20

say 'the bytes do not depend on batch size, cache, steps or shards'
run 0 "${repair[@]}" --check --batch-size 5 --kv-cache paged --step-tokens 7 --output got.sdf
same want.sdf got.sdf '--batch-size 5 --kv-cache paged --step-tokens 7'
shards=('--batch-size 1 --kv-cache static' '--batch-size 64 --kv-cache dynamic')
for i in 0 1; do
  # shellcheck disable=SC2086 # several words
  run 0 "${repair[@]}" --check --shard $i/2 ${shards[i]} --output part$i.sdf || true
done
same want.sdf <(cat part[01].sdf) "shards joined: ${shards[0]}, ${shards[1]}"

say 'interrupted and resumed'
cp want.sdf cut.sdf
head -n 3 want.sdf.manifest >cut.sdf.manifest # the first two molecules
check 0 'an interrupted run is resumed' --input in.smi --seed 3 --quiet --gens 6 --geometry repair --check --resume \
  --output cut.sdf
same want.sdf cut.sdf 'to the same bytes'

say 'repair is the default'
run 0 "${common[@]}" --gens 6 --check --output got.sdf
same want.sdf got.sdf 'without --geometry'
for constraint in none template; do # these constraints do not know where an atom ends
  "$CONFGEN" --input in.smi --limit 1 --overwrite --constraint $constraint --max-new-tokens 300 \
    --output any.sdf --report any.json 2>err || [ $? = 1 ]
  verdict "$constraint: a warning that geometry is off" \
    grep -q '^confgen: geometry repair disabled: the constraint' err
  verdict "$constraint: the report says so" grep -q '"mode": "off"' any.json
done

say 'count changes nothing and counts failures'
run 0 "${common[@]}" --gens 6 --geometry off --output off.sdf
run 0 "${common[@]}" --gens 6 --geometry count --output count.sdf --report count.json
verdict 'each record lists the atoms that failed' test "$(sdf_item count.sdf invalid_atoms | wc -l)" = 24
verdict 'some atoms did' test "$(sdf_item count.sdf invalid_atoms | grep -vcx none)" -gt 0
same off.sdf <(sed '/^>  <invalid_atoms>$/,/^$/d' count.sdf) 'otherwise the file is the one of off'
verdict 'no token is rolled back' test "$(json_number count.json tokens_discarded)" = 0

say 'check is an alias of count'
run 0 "${common[@]}" --gens 6 --geometry check --output alias.sdf --report alias.json
same count.sdf alias.sdf 'the same bytes'
verdict 'the report names the mode count' grep -q '"mode": "count"' alias.json

say 'a geometry beyond repair is given up: a bridge with one end inside'
printf '%s\n' 'C1C[N@]2CC[C@@H]1C(C)C2 inside' 'CCO ethanol' >inside.smi
run 1 --input inside.smi --gens 2 --seed 3 --quiet --geometry repair --check --output inside.sdf \
  --report inside.json --failed inside.tsv
verdict 'both conformers are given up' test "$(json_number inside.json invalid_geometry)" = 2
verdict 'and listed by --failed' test "$(grep -c 'invalid geometry' inside.tsv)" = 2
verdict 'after restarts' test "$(json_number inside.json restarts)" -ge 16
verdict 'the other molecule is written' test "$(count_sdf <inside.sdf)" = 2
verdict 'and passes' all_pass inside.json

say 'random weights: generation ends, and what is delivered passes'
tiny_model tiny
sed -n 1,3p "$data/geom_drugs_sample.smi" >drugs.smi
"$CONFGEN" --model tiny --input drugs.smi --gens 2 --quiet --check --output tiny.sdf --report tiny.json 2>err || true
verdict 'all conformers are delivered or given up' test 6 = \
  $(($(json_number tiny.json conformers) + $(json_number tiny.json invalid_geometry)))
verdict 'atoms were moved' test "$(json_number tiny.json atoms_moved)" -gt 100
verdict 'those delivered pass' all_pass tiny.json

say 'numbers of other text formats: what is delivered passes, nearly all is'
for format in molgen-v2 molgen-binned-13 molgen-binned-258; do
  tiny_model $format
  printf '{ "format": "%s", "prompt": ["[SMILES]", "[/SMILES]"], "completion": ["[CONFORMER]", "[/CONFORMER]"] }\n' \
    $format >$format/confgen.json
  numbers=(--model $format --tokenizer $format/tokenizer.json --input in.smi --gens 4 --seed 3 --check --quiet)
  "$CONFGEN" "${numbers[@]}" --output $format.sdf --report $format.json 2>err || true
  verdict "$format: at least 14 of 16 conformers" test "$(count_sdf <$format.sdf)" -ge 14
  verdict 'atoms were moved' test "$(json_number $format.json atoms_moved)" -gt 16
  verdict 'all pass' all_pass $format.json
  "$CONFGEN" "${numbers[@]}" --batch-size 3 --kv-cache paged --output $format.2.sdf 2>err || true
  same $format.sdf $format.2.sdf 'the same bytes with --batch-size 3 --kv-cache paged'
done

say 'repair with greedy sampling'
run 0 "${common[@]}" --gens 1 --greedy --geometry repair --check --output greedy.sdf \
  --report greedy.json
verdict '4 records' test "$(count_sdf <greedy.sdf)" = 4
verdict 'all pass' all_pass greedy.json
run 1 --input inside.smi --limit 1 --greedy --quiet --overwrite --output inside.sdf --report greedy.json
verdict 'greedy sampling would repeat itself: given up without a restart' \
  test "$(json_number greedy.json restarts) $(json_number greedy.json invalid_geometry)" = '0 1'

say 'constraints that cannot write every number'
for bug in 0 11; do # 11 declares that it can
  "${CC:-cc}" -std=gnu11 -O1 -w -fPIC -shared -fvisibility=hidden -DBUG=$bug -I"$CONFGEN_SOURCE_ROOT/core/include" \
    "$CONFGEN_SOURCE_ROOT/tests/mutants/constraint.c" -o binned$bug.so
done
printf '%s\n' 'CC(=O)Oc1ccccc1C(=O)O a' 'CC(C)Cc1ccc(cc1)C(C)C(=O)O b' 'CN1C=NC2=C1C(=O)N(C(=O)N2C)C c' \
  'CC(=O)Nc1ccc(O)cc1 d' >four.smi
binned=(--input four.smi --gens 2 --seed 3 --constraint binned --overwrite --output binned.sdf)
run 0 "${binned[@]}" --plugin ./binned0.so --report binned.json
verdict 'by default all conformers are written' test "$(count_sdf <binned.sdf)" = 8
says "^confgen: constraint 'binned' does not declare a path for every number" 'with a warning'
verdict 'and the report has the mode' grep -q '"mode": "count"' binned.json
run 1 "${binned[@]}" --plugin ./binned11.so --failed binned.tsv
verdict 'a missing path is named, with field, atom and constraint' grep -Eq \
  "constraint 'binned' has no path for the number -?[0-9.]+, field [123] of atom [0-9]+ of the text" binned.tsv

say 'resuming, and refusals'
for mode in off repair; do
  run 3 --input in.smi --seed 3 --gens 6 --output count.sdf --resume --geometry $mode &&
    says "geometry 'count', this one has '$mode'" "--resume with --geometry $mode"
done
check 0 'the same mode resumes' --input in.smi --seed 3 --gens 6 --output count.sdf --resume \
  --geometry count
refused() {
  run 2 "${common[@]}" --output no.sdf "$@" && says '^confgen: --geometry .*:' "$* is refused" &&
    verdict 'in one line' test "$(wc -l <err)" = 1
  verdict 'and nothing is written' test ! -e no.sdf
}
refused --geometry repair --constraint none
refused --geometry count --constraint template
refused --geometry perhaps
check 3 'repair is refused' "${binned[@]}" --plugin ./binned0.so --geometry repair
says "^confgen: --geometry repair: constraint 'binned' does not declare a path for every number" 'with the reason'
finish
