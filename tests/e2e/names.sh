#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Names of molecules: kept from the list to the records, inspect and eval, or refused by a sentence.
. "$(dirname "$0")/lib.sh"
tiny_model tiny
random=(--model tiny --geometry off --overwrite)
titles() { "$CONFGEN" inspect "$1" | sed -En 's/^ *[0-9]+  (.*[^ ]) +[0-9]+ +[0-9]+ +[0-9]+$/\1/p'; }

say 'a list separated by blanks: all that follows the SMILES is the name'
printf 'CCO Compound 3\nCCN Compound 4\nCCC acetone, dry 2.5\nCC\n' >blanks.smi
check 0 'with --gens N' "${random[@]}" --input blanks.smi --gens 2 --output blanks.sdf.zst
printf '%s\n' 'Compound 3' 'Compound 4' 'acetone, dry 2.5' mol_000003 >wanted
same wanted <(titles blanks.sdf.zst) 'names are whole, a molecule without one gets its index'
check 2 '--gens Nk finds no count' "${random[@]}" --input blanks.smi --gens 2k --output x.sdf
says 'blanks.smi:1: .*has no count k \(third column of a line separated by tabs' 'and says where k belongs'
verdict 'inspect --molecule finds the whole name' \
  test "$("$CONFGEN" inspect blanks.sdf.zst --molecule 'Compound 4' | count_sdf)" = 2
printf 'CCO\ta b\t2\nCC\tc\t46.07\n' >weights.smi
check 0 'a third column that is no count does not matter to --gens N' "${random[@]}" --input weights.smi \
  --output weights.sdf
check 1 'it does to --gens Nk, for that molecule' "${random[@]}" --input weights.smi --gens 1k --output weights.sdf
says 'weights.smi:2: the count k of reference conformers, which --gens 1k needs, is no whole number' 'with the reason'

printf 'C C a\nC1C ring\n\tno SMILES\n' | "$CONFGEN" "${random[@]}" --input - --output stdin.sdf >out 2>err || true
says '^confgen: standard input:2: ring: SMILES offset 1' 'a molecule of the standard input is named by its line'
says '^confgen: standard input:3: no SMILES: its column is empty' 'so is a line without one, once'

say 'columns of tables'
printf 'id,smiles,mw\nX7,CCO,46.07\n' >id.csv
check 0 'a column id' "${random[@]}" --input id.csv --output id.sdf
says "id.csv: SMILES from column 'smiles', names from 'id'\$" 'the columns in use are printed'
verdict 'the id is the title' test "$(head -n 1 id.sdf)" = X7
printf 'molecule_chembl_id\tcanonical_smiles\nCHEMBL545\tCCO\n' >chembl.tsv
check 0 'columns of ChEMBL, .tsv' "${random[@]}" --input chembl.tsv --output chembl.sdf
verdict 'the id is the title' test "$(head -n 1 chembl.sdf)" = CHEMBL545
printf 'smiles,mw\nCCO,46.07\n' >nameless.csv
check 0 'no column of names' "${random[@]}" --input nameless.csv --output nameless.sdf
says 'no column has names .*: molecules are named mol_000000' 'it is said'
printf 'name,weight\nCCO,46.07\n' >no_smiles.csv
check 3 'no column of SMILES' "${random[@]}" --input no_smiles.csv --output x.sdf
says "no_smiles.csv:1: the header 'name,weight' has no column of SMILES, wanted one named smiles, " 'it is said'
check 2 'a kind of file that is not read' "${random[@]}" --input mols.pdb --output x.sdf
says "'mols.pdb': cannot determine the input format from the name, wanted .smi, .csv, .tsv, .sdf, .mol or .mol2" 'it is said'

say 'odd names come back from every format, or the molecule alone is refused'
cat >odd.csv <<'END'
smiles,name
CCO,first
CCN,M  END
CCC,M  ENDING of x
CC,> <x>
CO,>  <SMILES>
CN,"  blanks around  "
CCl,"comma, ""quotes"" and \ "
CBr,=HYPERLINK("x")
CF,$$$$
CS,"two
lines"
CI,
CC=O,last
END
sed -i 's/=HYPERLINK("x")/"=HYPERLINK(""x"")"/' odd.csv
cat >kept <<'END'
first
M  END
M  ENDING of x
> <x>
>  <SMILES>
  blanks around  
comma, "quotes" and \ 
=HYPERLINK("x")
END
for format in sdf xyz smiles3d; do
  check 1 "$format" "${random[@]}" --input odd.csv --gens 2 --output odd.$format --failed odd.tsv
  { cat kept; if [ $format != sdf ]; then echo '$$$$'; fi; printf 'mol_000010\nlast\n'; } >wanted
  case $format in
    sdf) awk 'BEGIN { t = 1 } t { print; t = 0 } /^\$\$\$\$$/ { t = 1 }' odd.sdf ;;
    xyz) sed -n 's/^Properties.* name="\(.*\)" smiles=.*/\1/p' odd.xyz | sed 's/\\\(.\)/\1/g' ;;
    smiles3d) cut -f 2 odd.smiles3d ;;
  esac | uniq >got
  same wanted got "$format: the names"
  says "the name 'two.x0alines' has a control character" "$format: a name of two lines is refused"
done
same kept <(sdf_item odd.sdf name | uniq | sed '9,$d') 'sdf: the names as data items'
check 0 'json: every name' "${random[@]}" --input odd.csv --output odd.json
verdict 'json: two lines' grep -q '"name": "two\\u000alines"' odd.json
while IFS= read -r name; do
  verdict "inspect --molecule '$name'" \
    test "$("$CONFGEN" inspect odd.sdf --molecule "$name" | count_sdf)" = 2
done <kept
check 0 'eval reads the records' eval --ref odd.sdf --gen odd.sdf
verdict 'and finds ten molecules' grep -q '^10 molecules, 20 references, 20 generated' out
printf 'CCO\tbefore\nCC\tna\0me\nCN\tafter\n' >nul.smi
check 1 'a NUL costs its line' "${random[@]}" --input nul.smi --output nul.sdf
verdict 'the others are written' test "$(titles nul.sdf | tr '\n' ' ')" = 'before after '

say 'names that occur twice are reported, and all are found'
printf 'CCO\ta\nCC\tb\nCO\ta\nCN\ta\n' >twice.smi
check 0 'three molecules of one name' "${random[@]}" --input twice.smi --output twice.sdf.zst --report twice.json
says "twice.smi: 2 molecules have the name of an earlier one, e.g. 'a' in line 3, first in line 1" 'a warning'
verdict 'the report counts them' test "$(json_number twice.json repeated_names)" = 2
check 0 'inspect --molecule' inspect twice.sdf.zst --molecule a
verdict 'prints all' test "$(count_sdf <out)" = 3
says '3 molecules have this name, frames 0, 2, ...: all are printed' 'and says so'
check 0 'the second half' "${random[@]}" --input twice.smi --shard 1/2 --output twice.sdf --report twice.json
verdict 'is compared with the first' test "$(json_number twice.json repeated_names)" = 2

say 'CXSMILES extensions'
printf '%s\n' 'CC(O)C(F)Cl |o1:1,3|	group' 'CC(F)(Cl)Br |&1:1|	racemate	5' 'CCO |(0,0,;1,1,;2,0,)| drawn once' \
  'CC |$R1;$|	label' 'CC |^1:0|	radical' 'CC	|wU:0.0|	wedge' 'CC |new:1|	unknown' 'CC |o1:1' >cx.smi
check 1 'served or refused' "${random[@]}" --input cx.smi --output cx.sdf --report cx.json
says 'cx.smi: 2 molecules have stereo groups .* e.g. in line 1' 'stereo groups are counted'
says 'cx.smi: 1 molecule has a CXSMILES extension with parts that are not used' 'coordinates are counted'
for line in "4: .*'.R1;.' .atom labels or R groups" "5: .*'\^1:0' .radicals" "6: .*'wU:0.0' .wedge bonds" \
  "7: .*'new:1' .of a kind that is not known" "8: found '.o1:1' after the SMILES"; do
  says "^confgen: cx.smi:$line" "line ${line%%:*} is refused with the reason"
done
verdict 'names follow the extension' test "$(titles cx.sdf | tr '\n' ' ')" = 'group racemate drawn once '
verdict 'the report counts both' \
  test "$(json_number cx.json stereo_groups) $(json_number cx.json dropped_extensions)" = '2 1'
say 'stereo that is not read'
printf 'CC=[C@]=CF allene\nC[C@](C)(C)C no centre\nC[C@H](N)O centre\n' >lost.smi
check 0 'allenes are generated' "${random[@]}" --input lost.smi --output lost.sdf --report lost.json
says '^confgen: lost.smi: 1 molecule has stereo that is not read, such as that of an allene, e.g. in line 1: ' 'with a warning'
verdict 'the report counts them' test "$(json_number lost.json lost_stereo)" = 1
say 'the first list of a chemist: salts, isotopes, rings, metals, queries, typing errors'
list=$CONFGEN_SOURCE_ROOT/tests/data/chem/first_list
check 1 'some molecules fail' "${random[@]}" --input "$list.smi" --output first.sdf --failed first.tsv
cut -f 1,2,5 first.tsv >found
same "$list.tsv" found 'each failure has the line, name and reason of first_list.tsv'
verdict 'the others are written' test "$(count_sdf <first.sdf)" = \
  $(($(grep -c '^[^#]' "$list.smi") - $(wc -l <"$list.tsv") + 1))

finish
