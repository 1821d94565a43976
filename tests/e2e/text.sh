#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# confgen text: conformers to the text of each format and back.
. "$(dirname "$0")/lib.sh"

# At most X: MAT-R of the conformers in $2 against those in $1, in thousandths of an ångström.
mat_r() {
  "$CONFGEN" eval --ref "$1" --gen "$2" 2>/dev/null | awk '$1 == "MAT-R" { print int($2 * 1000 + 0.5) }'
}

printf '%s\n' 'C[C@H](N)C(=O)O alanine' 'C/C=C/CO butenol' 'OC[C@H]1O[C@@H](n2ccnc2)C[C@@H]1S thiol' \
  '[2H]C([2H])Br deuterated' 'CC(=O)[O-].C[NH3+] salt' >in.smi
run 0 --input in.smi --gens 2 --seed 1 --quiet --output made.sdf

for format in molgen-v1 molgen-v2 molgen-v3 molgen-binned-21 molgen-binned-13 molgen-binned-258; do
  say "$format"
  run 0 text write made.sdf --format $format
  mv out texts
  verdict 'one line for each conformer' test "$(wc -l <texts)" = 10
  run 0 text read texts --format $format
  mv out read.sdf
  verdict 'one record for each line' test "$(count_sdf <read.sdf)" = 10
  case $format in
  *-21) limit=30 ;; *-binned-*) limit=65 ;; *) limit=1 ;;
  esac
  found=$(mat_r made.sdf read.sdf)
  verdict "the same coordinates but for the width of a bin ($found of $limit thousandths of an Å)" \
    test "$found" -le $limit
  run 0 text write read.sdf --format $format
  case $format in
  *binned*) same out texts 'reading and writing keeps every byte' ;;
  esac
done

say 'texts as they are published'
cat >published <<'EOF'
<|begin_of_text|>[SMILES]CC1=C(C(N)=O)[C@H](c2ccccc2[N+](=O)[O-])n2ncnc2N1[/SMILES][CONFORMER][C]<-2.7704,-2.1829,1.211>[C]<-2.0473,-1.1929,0.3618>1=[C]<-0.8495,-1.3984,-0.2317>([C]<-0.1242,-2.6813,-0.0853>([NH2]<0.6151,-3.0582,-1.1726>)=[O]<-0.1331,-3.3685,0.9161>)[NH]<1,2,0>1[/CONFORMER]
[C]<0,0,0>[C]<1.5,0,0>
EOF
run 0 text read published --format molgen-v2
verdict 'the molecule of the text' grep -q '^CC1=C(C(N)=O)N1$' out
verdict 'its third atom' grep -Eq '^ +-0\.8495 +-1\.3984 +-0\.2317 C' out
printf '[SMILES]CC(=O)O[/SMILES][CONFORMER][C]128130125;[C]100102098;[/CONFORMER]\n' >published
run 0 text read published --format molgen-binned-258
verdict 'bins are read as their centres' grep -Eq '^ +-0\.0735 +0\.0912 +-0\.3206 C' out

say 'several conformers in a text, JSON lines, descriptions'
printf '[CONFORMER][O]<0.0000,0.0000,0.0000>[/CONFORMER][CONFORMER][O]<1.0000,0.0000,0.0000>[/CONFORMER]\n' >two
run 0 text read two
verdict 'two records' test "$(grep -c '^line 1\.[12]$' out)" = 2
run 0 text write made.sdf --format molgen-binned-13 --jsonl
verdict 'the prompt of this format has no stereo marks' grep -q '^{"canonical_smiles":"CC(N)C(=O)O"' out
printf '{"format": {"layout": "smiles", "between": "&", "marks": ["{", ",", ""], "atoms": "bare", "numbers": {"kind": "integer", "per_angstrom": 50, "width": 4}}}' >own.json
run 0 text write made.sdf --format own.json
verdict 'coordinates behind the SMILES' grep -Eq '^\[SMILES\]C/C=C/CO\[/SMILES\]\[CONFORMER\]C/C=C/CO&\{-?[0-9]{4},' out
mv out texts
run 0 text read texts --format own.json
mv out read.sdf
verdict 'and back' test "$(mat_r made.sdf read.sdf)" -le 25

say 'confgen model inspect'
cp -r "$default_model" undescribed
rm undescribed/confgen.json
run 0 model inspect "$default_model"
verdict 'the format of confgen.json' grep -q '^ *from: confgen.json$' out
verdict 'the prompt with its ids' grep -Eq "^prompt +1 '\[SMILES\]'  72 'C'" out
verdict 'the source of each sampling value' grep -Eq '^sampling +temperature 0.8 \(generation_config.json\)' out
run 0 model inspect undescribed --smiles CCO
verdict 'a format that nothing names is found by its probability' \
  grep -Eq '^ *from: the model finds its text e\^[0-9]+ times as likely as that of molgen-' out
verdict 'its decimals and frame too' grep -Eq '^text format +molgen-v3 .*frame=first-atoms .*decimal 2\.3' out
run 0 --input in.smi --seed 1 --quiet --output described.sdf
run 0 --model undescribed --input in.smi --seed 1 --output found.sdf
says 'confgen.json names no text format; molgen-v3 with 3 decimals is used' 'a run warns of it'
same found.sdf described.sdf 'and writes the same bytes'
check 3 'a folder without a model' model inspect .
says '^confgen: .*config.json: cannot open' 'says what is missing'

say 'refusals'
printf '[C]<0.0,0.0,0.0>\n[C]<0.0000,0.0000,0.0000>[Xx]<0.0000,0.0000,0.0000>\n[CONFORMER][C]<0.0000\n' >bad
run 1 text read bad
says '^confgen: line 1: enriched SMILES offset 7: found .,., wanted another digit' 'the line and what was wanted'
says "^confgen: line 3: '\[CONFORMER\]' without '\[/CONFORMER\]'" 'a text that is cut off'
check 2 'codes need an encoder' text write made.sdf --format molgen-fsq
says 'an encoder that confgen does not have' 'and the message says so'
check 3 'an unknown format' text write made.sdf --format molgen-v9
says 'wanted molgen-v1' 'the known ones are named'
check 3 'a model that is not there' text write made.sdf --model nowhere
says 'nowhere: no such folder' 'is named'
finish
