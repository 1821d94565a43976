#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --ensemble, --prune, --energy-window, --max-conformers, --sort: records, counts, resumed and divided runs
# (default model).
. "$(dirname "$0")/lib.sh"

printf '%s %s\n' 'CCCCO' butanol 'C[C@H](N)C(=O)O' alanine 'C[Se]C' seleno 'CNC(C)C' amine 'OC' methanol >in.smi
gens=6
common=(--input in.smi --gens $gens --seed 2 --quiet --overwrite)

# entries FILE: name, generation, energy or "-", of each record
entries() {
  awk '/^\$\$\$\$/ { n = 0; print name, generation, energy; next }
       !n++ { name = $1; energy = "-" }
       key == "generation" { generation = $1 } key == "energy" { energy = $1 }
       { key = "" } /^>  </ { key = substr($2, 2, length($2) - 2) }' "$1"
}
# without ITEM FILE: the file without that data item
without() { sed "/^>  <$1>\$/,/^\$/d" "$2"; }
number() { json_number "$1" "$2"; }

say 'everything is off'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --output all.sdf
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --ensemble raw --prune 0 --energy-window 0 --max-conformers 0 \
  --output raw.sdf
same all.sdf raw.sdf '--ensemble raw and options of 0 change nothing'
entries all.sdf >all.txt

say '--sort energy'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --sort energy --output sorted.sdf
same <(sort -s -k1,1 all.txt) <(entries sorted.sdf | sort -s -k1,1 -k2,2n) 'the same records'
same <(awk '{ print NR, $1 }' all.txt) <(entries sorted.sdf | awk '{ print NR, $1 }') 'molecules keep their order'
verdict 'by energy' awk '$1 == name && $3 + 1e-3 < energy { exit 1 } { name = $1; energy = $3 }' <(entries sorted.sdf)
verdict 'a molecule without MMFF94 parameters has energies too' test "$(grep seleno all.txt | grep -vc -- ' -$')" = $gens

say '--max-conformers'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --max-conformers 2 --output two.sdf --report two.json
verdict 'two of each' test "$(entries two.sdf | cut -d' ' -f1 | sort | uniq -c | awk '$1 != 2' | wc -l)" = 0
entries sorted.sdf | awk '++n[$1] <= 2' | sort >want
same want <(entries two.sdf | sort) 'those of the lowest energy, or the first'
verdict 'by generation' awk '$1 == name && $2 < last { exit 1 } { name = $1; last = $2 }' <(entries two.sdf)
verdict 'the others are counted' test "$(number two.json above_max_conformers)" = $((5 * (gens - 2)))

say '--energy-window'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --sort energy --energy-window 0.5 --output window.sdf --report window.json
entries sorted.sdf | awk '$1 != name { name = $1; low = $3 } $3 == "-" || $3 - low <= 0.5' >want
same want <(entries window.sdf) 'the records up to the window'
verdict 'the others are counted' \
  test "$(number window.json above_energy_window)" = $((5 * gens - $(wc -l <want)))

say '--prune'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --sort energy --prune 0.5 --output pruned.sdf --report pruned.json
verdict 'each molecule has its lowest energy' diff -q <(entries sorted.sdf | awk '!n[$1]++') \
  <(entries pruned.sdf | awk '!n[$1]++')
same <(entries pruned.sdf) <(grep -Fxf <(entries pruned.sdf) <(entries sorted.sdf)) 'records of the run without it'
verdict 'each stands for its cluster' \
  test "$(sdf_item pruned.sdf cluster_size | paste -sd+ | bc)" = $((5 * gens))
verdict 'one conformer of two heavy atoms' test "$(entries pruned.sdf | grep -c methanol)" = 1
verdict 'the others are counted' test "$(number pruned.json pruned)" = $((5 * gens - $(entries pruned.sdf | wc -l)))
verdict 'and are no failures' test "$(number pruned.json conformers)" = "$(entries pruned.sdf | wc -l)"
run 0 "${common[@]/--quiet/--progress=never}" --prune 0.5 --output first.sdf
says "conformers left out: [0-9]+ near another one" 'the summary says so'
verdict 'without energies the first stays' \
  test "$(entries first.sdf | awk '!n[$1]++ && $2 != 0' | wc -l)" = 0

say 'presets'
options=(--add-hs --minimize mmff94_noestat --prune 0.5 --sort energy)
run 0 "${common[@]}" --ensemble standard --output standard.sdf
same pruned.sdf standard.sdf 'standard is what the manual says'
run 0 "${common[@]}" --limit 2 --prune 0.1 --ensemble standard --max-conformers 3 --output own.sdf
run 0 "${common[@]}" --limit 2 "${options[@]/0.5/0.1}" --max-conformers 3 --output want.sdf
same want.sdf own.sdf 'options override it, in any order'

say 'threads, batches, shards, resumed runs'
run 0 "${common[@]}" --ensemble standard --threads 1 --template-workers 1 --batch-size 2 --output one.sdf
same pruned.sdf one.sdf 'the same for one thread and other batches'
for i in 0 1; do run 0 "${common[@]}" --ensemble standard --shard $i/2 --output part$i.sdf; done
same pruned.sdf <(cat part0.sdf part1.sdf) 'parts make the whole'
lines=$(wc -l <pruned.sdf.manifest)
sed -i "$((lines - 2)),\$d" pruned.sdf.manifest
run 0 "${common[@]:0:7}" "${options[@]}" --resume --output pruned.sdf
same one.sdf pruned.sdf 'resumed to the same file'
check 3 'other rules than the first run had are refused' "${common[@]:0:7}" "${options[@]}" --max-conformers 4 --resume \
  --output pruned.sdf
says "had ensemble 'prune 0.5 energy window 0 max 0 sort energy'" 'by name'

say 'checks and failures'
run 0 "${common[@]}" --limit 2 --ensemble standard --check --output checked.sdf --report checked.json
verdict 'delivered conformers are counted' test "$(number checked.json checked)" = "$(entries checked.sdf | wc -l)"
run 1 "${common[@]}" --constraint none --geometry off --temperature 1.2 --max-new-tokens 200 --gens 20 --prune 1 \
  --sort generation --output failed.sdf --failed failed.tsv --report failed.json
lines=$(($(wc -l <failed.tsv) - 1)) # without the heading
verdict 'some fail' test $lines -gt 0
verdict 'some are dropped' test "$(number failed.json pruned)" -gt 0
verdict 'failures, records and dropped conformers add up' test \
  $((lines + $(entries failed.sdf | wc -l) + $(number failed.json pruned))) = $((5 * 20))

say 'contradictions'
check 2 'a window without energies' "${common[@]}" --energy-window 5 --output x.sdf
says 'energy-window: conformers have no energy without --energies or --minimize' 'with the reason'
check 2 'an order without energies' "${common[@]}" --ensemble standard --minimize none --output x.sdf
says 'sort energy: conformers have no energy without --energies or --minimize' 'with the reason'
check 2 'hydrogens of the preset in another format' "${common[@]}" --ensemble standard --output x.smiles3d
says 'the smiles3d format has the atoms as they are generated; presets of --ensemble' 'with the reason'
check 2 'a negative radius' "${common[@]}" --prune -1 --output x.sdf
check 2 'an unknown preset' "${common[@]}" --ensemble fast --output x.sdf
says "ensemble 'fast': wanted raw, standard or thorough" 'with the words'
finish
