#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# confgen eval: output, files, refusals and exit status.
. "$(dirname "$0")/lib.sh"

sets=$CONFGEN_SOURCE_ROOT/tests/data/eval
eval_to() { # STATUS NAME ARG...: confgen eval into NAME.json
  local wanted=$1 name=$2
  shift 2
  run "$wanted" eval --ref "$sets/ref.sdf" --overwrite --json "$name.json" "$@"
}
# The distances in a result, without times and paths
distances() { grep -E '"(cov|mat)_[rp]"|_min"|"(references|generated|pairs|wrong|broken)"' "$1" |
  sed 's/"seconds": [0-9.e+-]*//'; }

say 'figures'
eval_to 0 ours --gen "$sets/gen.sdf" --delta 0.25 --csv ours.csv --html ours.html --check || true
verdict 'COV-R at 0.25 Å' grep -Eq '^COV-R +41.67 % +33.33 %$' out
verdict 'MAT-R' grep -Eq '^MAT-R +0.3675 Å +0.3678 Å$' out
verdict 'COV-P' grep -Eq '^COV-P +40.62 % +37.50 %$' out
verdict 'the symmetry rule is printed' grep -q -- '--symmetry conjugated' out
verdict 'so are the threshold and the rule for missing molecules' grep -q '0.25 Å.*--missing zero' out
verdict 'a table of checks is printed' grep -Eq '^bond_lengths +32 +0 +0 +100.00 %$' out
verdict 'nothing on standard error' test ! -s err
verdict 'one line per molecule and a header' test "$(wc -l <ours.csv)" = 9
verdict 'the page is complete' grep -q '</html>' ours.html
verdict 'its overlays have all conformers' grep -q '^<h3>[a-z]*</h3><p class="about">4 conformers, ' ours.html
python3 - ours.html >hash <<'END' || true
import base64, hashlib, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
script, = re.findall("<script>(.*?)</script>", page, re.S)
print("sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())
END
verdict 'its policy permits its script and no other' \
  test "$(grep -o "script-src '[^\"]*" ours.html)" = "script-src '$(cat hash)'"
verdict 'the JSON names its format' grep -q '"format": "confgen-eval-1"' ours.json
eval_to 0 protocol --gen "$sets/gen.sdf" --bioactive --relaxation --check || true
run 0 eval --compare protocol.json protocol.json --json compared.json
python3 - ours.json protocol.json compared.json >out <<'END' || true
import json, sys
def once(members):
    names = [name for name, _ in members]
    assert len(names) == len(set(names)), names
    return dict(members)
for file in sys.argv[1:]:
    figures = json.load(open(file), object_pairs_hook=once).get("bioactive")
print([f for f in figures if f.get("property") == "rotatable_bonds"][0]["from"])
END
verdict 'no object has a member twice, and bins have their bounds' test "$(cat out)" = 0
eval_to 0 foreign --gen "$sets/foreign.sdf" --delta 0.25 || true
verdict 'foreign records have the same COV' diff \
  <(grep -o '"cov_[rp]": [0-9.]*' ours.json) <(grep -o '"cov_[rp]": [0-9.]*' foreign.json)

say 'experimental references'
eval_to 0 bioactive --gen "$sets/gen.sdf" --delta 0.25 --bioactive || true
verdict 'best RMSD of all conformers is MAT-R' grep -Eq '^all +8 +0.3675 Å +0.3678 Å' out
verdict 'no row for more conformers than there are' test "$(grep -cE '^10+ ' out)" = 0
verdict 'groups by rotatable bonds' grep -Eq '^3 to 5 +[0-9]' out
run 0 eval --compare bioactive.json bioactive.json || true
verdict 'a comparison shows them' grep -Eq '^all, < 0.75 Å +[0-9.]+ +[0-9.]+ +0.00' out
verdict 'without rows beyond the conformers' test "$(grep -c '^first 10' out)" = 0
run 0 eval --compare bioactive.json ours.json || true
verdict 'but not with an evaluation without them' test "$(grep -c '^all, <' out)" = 0

say 'relaxation energies'
eval_to 0 plain --gen "$sets/gen.sdf" || true
eval_to 0 relaxation --gen "$sets/gen.sdf" --relaxation --html relaxation.html || true
if grep -q 'librdkitcffi' err; then
  verdict 'a system librdkitcffi has no parameters' grep -q '^molecules without MMFF94 parameters: 8$' out
else
  verdict 'of all conformers' grep -Eq '^ +32 +8 +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$' out
  verdict 'no molecule lacks parameters' grep -q '^molecules without MMFF94 parameters: 0$' out
  run 0 eval --compare relaxation.json relaxation.json || true
  verdict 'a comparison shows them' grep -Eq '^largest +[0-9.]+ +[0-9.]+ +0.00' out
fi
verdict 'the page has a section' grep -q '<h2>Relaxation energy</h2>' relaxation.html
run 0 eval --compare relaxation.json plain.json || true
verdict 'not with an evaluation without them' test "$(grep -c '^largest' out)" = 0
run 0 eval --compare ours.json ours.json || true
verdict 'a comparison shows the checks' grep -Eq '^bond_angles +100.00 +100.00 +0.00' out

say 'containers, standard input, threads'
gzip -c "$sets/gen.sdf" >gen.sdf.gz
zstd -qc "$sets/gen.sdf" >gen.sdf.zst
for file in gen.sdf.gz gen.sdf.zst; do
  eval_to 0 packed --gen $file || true
  same <(distances plain.json) <(distances packed.json) "$file"
done
"$CONFGEN" eval --ref "$sets/ref.sdf" --gen - --json stdin.json <gen.sdf.zst >out 2>err ||
  fail 'standard input'
same <(distances plain.json) <(distances stdin.json) 'standard input'
for threads in 1 3; do
  eval_to 0 threads --gen "$sets/gen.sdf" --threads $threads || true
  same <(distances plain.json) <(distances threads.json) "$threads threads"
done

say 'an output compared with itself, with the report of its run'
write_molecules mols.smi
tiny_model tiny
run 0 --model tiny --geometry count --input mols.smi --gens 3 --output run.sdf.zst --report run.json || true
run 1 eval --ref run.sdf.zst --gen run.sdf.zst --run run.json --json self.json || true
says "'run.sdf.zst': 'alanine': [12] conformers? shows? (the enantiomer|another stereoisomer), wanted 'C" \
  'random weights get the stereo wrong'
verdict 'everything is covered' grep -Eq '^COV-R +100.00 % +100.00 %$' out
verdict 'the report is part of the result' grep -q '"run": {.*"engine"' self.json
for cause in bond clash centre; do
  verdict "atoms that failed a geometry test: $cause" \
    grep -Eq "(^  |, )$cause $(json_number run.json $cause)(,|\$)" out
done
verdict 'and how many in all' grep -q " of $(json_number run.json atoms) atoms failed a geometry test" out
run 0 eval --compare self.json self.json || true

say 'molecules that are missing, wrong, broken or unknown'
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } !/^(salt|diene)\n/' "$sets/gen.sdf" >some.sdf
eval_to 0 some --gen some.sdf || true
verdict 'two are missing' test "$(json_number some.json missing)" = '' -a \
  "$(grep -o '"missing": 2,' some.json)" != ''
verdict 'they count as uncovered' grep -Eq '^COV-P +75.00 %' out
verdict 'the rule and their number are printed' grep -q 'covers nothing (--missing zero): 2' out
eval_to 0 drop --gen some.sdf --missing drop || true
verdict '--missing drop leaves them out' grep -Eq '^COV-P +100.00 %' out
sed 's/^alanine$/nitro/' "$sets/gen.sdf" >wrong.sdf
eval_to 1 wrong --gen wrong.sdf --csv wrong.csv || true
verdict 'four records are another molecule' grep -q '^not scored: 4 generated of another molecule (0 of' out
says "'wrong.sdf': 'nitro': 4 records, the first is 9, show another molecule, 'CCNC.*', wanted 'CCOc.*', and are not" \
  'they are named'
verdict 'and listed' grep -q '"fault": "another_molecule", "records": 4, "first_record": 9, "name": "nitro"' wrong.json
verdict 'and counted in the line of the molecule' grep -q '^nitro,[^,]*,12,[0-9]*,3,4,4,0,0,' wrong.csv
sed '0,/V2000/s//V20OO/; 0,/999 V20OO/s/^ [ 0-9]*/xx/' "$sets/gen.sdf" >broken.sdf
eval_to 1 broken --gen broken.sdf || true
says "'broken.sdf': 'benzoate': record 1 cannot be read and is not scored: line 4" \
  'the message names the broken record'
sed -E 's/^(benzoate|nitro|alanine|imidazole|triflate|diene|amidine|salt)$/x_\1/' "$sets/gen.sdf" >names.sdf
eval_to 0 names --gen names.sdf || true
says 'warning: no name in .names.sdf. is a name in .*canonical SMILES: 8 of 8 found' \
  'a warning if no name matches'
same <(distances plain.json) <(distances names.json) 'molecules are then matched by SMILES'
: >empty.sdf
eval_to 0 empty --gen empty.sdf || true
says "warning: 'empty.sdf' holds no record" 'an empty file is named'
verdict 'an empty file covers nothing' grep -Eq '^COV-R +0.00 % +0.00 %$' out

say 'records that show other molecules'
acid() { # NAME CHARGE: acetic acid or acetate
  printf '%s\n  test              3D\n\n  4  3  0  0  0  0  0  0  0  0999 V2000\n' "$1"
  printf '    0.0000    0.0000    0.1000 C   0  0\n    1.5000    0.0000    0.0000 C   0  0\n'
  printf '    2.2000    1.1000    0.0000 O   0  0\n    2.2000   -1.2000    0.0000 O   0  0\n'
  printf '  1  2  1  0\n  2  3  2  0\n  2  4  1  0\n'
  if [ "$2" = -1 ]; then printf 'M  CHG  1   4  -1\n'; fi
  printf 'M  END\n$$$$\n'
}
acid acetate -1 >ref_state.sdf
acid acetate 0 >gen_state.sdf
acid acetate 0 >>gen_state.sdf
acid acetate -1 >>gen_state.sdf
check 1 'another protonation state' eval --ref ref_state.sdf --gen gen_state.sdf --json state.json
says "'acetate': 2 records, the first is 1, show another protonation state, 'CC\(=O\)O', wanted 'CC\(=O\)\[O-\]'" \
  'is named as such'
verdict 'and counted' grep -q '"generated": 1, "wrong": 2, "state": 2, "broken": 0' state.json
sed 's/^acetate$//' gen_state.sdf >unnamed_state.sdf
check 1 'without names too' eval --ref ref_state.sdf --gen unnamed_state.sdf
says "'CC\(=O\)\[O-\]': 2 records, the first is 1, show another protonation state" 'it is named'
sed 's/^acetate$/x/' gen_state.sdf >x_state.sdf
check 1 'and with other names' eval --ref ref_state.sdf --gen x_state.sdf
says "'x': 2 records, the first is 1, show another protonation state" 'it is named'
acid acetate 0 | sed 's/^  1  2  1/  1  2  2/; s/^  2  3  2/  2  3  1/' >enol.sdf
acid acetate 0 >acid.sdf
check 1 'a tautomer' eval --ref acid.sdf --gen enol.sdf
says "'acetate': record 1 shows a tautomer, 'C=C\(O\)O', wanted 'CC\(=O\)O', and is not scored" 'is named as such'

sed 's/^alanine$/nitro/' "$sets/ref.sdf" >foreign_ref.sdf
check 3 'references of one name that are different molecules' eval --ref foreign_ref.sdf --gen "$sets/gen.sdf"
says "'nitro' and are different molecules, .*; --on-mismatch drop evaluates one of them" 'are refused, with the remedy'
check 3 'so with --on-mismatch error' eval --ref foreign_ref.sdf --gen "$sets/gen.sdf" --on-mismatch error
check 2 'no such word' eval --ref foreign_ref.sdf --gen "$sets/gen.sdf" --on-mismatch keep
check 1 '--on-mismatch drop leaves them out' eval --ref foreign_ref.sdf --gen "$sets/gen.sdf" --on-mismatch drop \
  --json dropped.json --csv dropped.csv
says "'foreign_ref.sdf': 'nitro': 3 records, the first is 7, show another molecule, 'CCNC" 'and names them'
verdict 'the summary counts them' grep -q '"references_dropped": 3, ' dropped.json
verdict 'so does the line of the molecule' grep -q '^nitro,[^,]*,12,[0-9]*,3,4,0,0,0,0,3,0,0,0,' dropped.csv
verdict 'the other molecules are evaluated' grep -q '^7 molecules, 21 references, 28 generated' out
check 0 'a comparison reads such results' eval --compare dropped.json dropped.json

say 'other stereoisomers'
# A molblock's coordinates, mirrored in z
mirror() { awk 'length($0) > 31 && substr($0, 32, 1) ~ /[A-Z]/ && NF > 6 {
  $0 = substr($0, 1, 20) sprintf("%10.4f", -substr($0, 21, 10)) substr($0, 31) } { print }'; }
mirror <"$sets/gen.sdf" >mirrored.sdf
eval_to 1 mirrored --gen mirrored.sdf --csv mirrored.csv || true
says "'mirrored.sdf': 'alanine': 4 conformers show the enantiomer, wanted 'CCNC.*', and are scored" \
  'mirror images are named'
verdict 'the summary counts them' grep -q '^stereo: 4 of 32 generated and 0 of 24 references are another' out
verdict 'so do the files' grep -q '"stereo": 4, ' mirrored.json -a grep -q '^alanine,.*,4,0,0,0,0,4,' mirrored.csv
verdict 'they are scored' grep -q '^8 molecules, 24 references, 32 generated' out
for i in {1..12}; do
  awk -v name=m$i 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } sub(/^alanine\n/, name "\n") && !done++' "$sets/ref.sdf"
done >many.sdf
mirror <many.sdf >many_mirrored.sdf
check 1 'many of them' eval --ref many.sdf --gen many_mirrored.sdf --json many.json
verdict 'the first ten are named' test "$(grep -c 'shows the enantiomer' err)" = 10
says "and 2 names more of this kind \('enantiomer' in the list of --json FILE\)" 'and the others counted'
verdict 'the file lists all' test "$(grep -c '"fault": "enantiomer"' many.json)" = 12
mirror <"$sets/ref.sdf" >mirrored_ref.sdf
check 1 'references that are the mirror image of their own SMILES' eval --ref mirrored_ref.sdf --gen "$sets/gen.sdf"
says "'mirrored_ref.sdf': 'alanine': 3 conformers show the enantiomer" 'are named'
grep -v '@' mirrored_ref.sdf | sed '/^>  <SMILES>$/{N;/\n$/d}' >unmarked_ref.sdf
check 1 'without SMILES, references are what they show' eval --ref unmarked_ref.sdf --gen "$sets/gen.sdf"
says "gen.sdf': 'alanine': 4 conformers show the enantiomer" 'and the others are named'
# Both hands without SMILES, under names of their own
enantiomers() { awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^(left|right)\n/' \
  <(sed "s/^alanine\$/left$1/" "$2") <(sed "s/^alanine\$/right$1/" "$3") | sed '/^>  <SMILES>$/,+1d'; }
enantiomers '' "$sets/ref.sdf" mirrored_ref.sdf >hands_ref.sdf
enantiomers '' "$sets/gen.sdf" mirrored.sdf >hands.sdf
enantiomers '' mirrored.sdf "$sets/gen.sdf" | sed 's/^left$/other_right/; s/^right$/other_left/' >hands_renamed.sdf
check 0 'each name has the stereo of its own first record' eval --ref hands_ref.sdf --gen hands.sdf --json hands.json
verdict 'both are evaluated' grep -q '^2 molecules, 6 references, 8 generated' out
check 0 'other names are matched by that stereo' eval --ref hands_ref.sdf --gen hands_renamed.sdf --json renamed.json
same <(distances hands.json) <(distances renamed.json) 'to the same figures'
for file in mirrored ref; do
  sed '/^>  <SMILES>$/{n;s/@//g;s/\[CH\]/C/}' $([ $file = ref ] && echo "$sets/ref.sdf" || echo mirrored.sdf) >open_$file.sdf
done
check 0 'stereo that the SMILES leaves open' eval --ref open_ref.sdf --gen open_mirrored.sdf
says "'alanine': 4 conformers show another stereoisomer than the references, .* which leaves it open" 'is mentioned'

say 'names that match only in part'
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n"; FS = "\n" }
  $1 != "benzoate" { name = $1; sub(/^[^\n]*/, name "_" n[name]++) } { print }' "$sets/gen.sdf" >part.sdf
eval_to 1 part --gen part.sdf || true
says "in part: 28 molecules of 'part.sdf' \('nitro_0', 'nitro_1', 'nitro_2', ...; 28 records\) have no reference" \
  'a warning with counts and names'
says "7 of 8 references of .* \('nitro', 'alanine', 'imidazole', ...\) have no generated record" 'of both sides'
verdict 'the file lists all' test "$(grep -c '"fault": "no_reference"' part.json)" = 28
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^benzoate\n/' "$sets/ref.sdf" >one_ref.sdf
check 0 'references for some of the molecules are no mismatch' eval --ref one_ref.sdf --gen "$sets/gen.sdf"

say 'coordinates that are none'
# spoil NAME ATOM X Y Z: sets the coordinates of an atom (or of all: 0) in the records of a molecule of gen.sdf
spoil() { awk -v name="$1" -v atom="$2" -v xyz="$(printf '%10s%10s%10s' "$3" "$4" "$5")" '
  /V2000/ { i = 0 } { if (!title++) current = $0 } /^\$\$\$\$/ { title = 0 }
  current == name && length($0) > 31 && substr($0, 32, 1) ~ /[A-Z]/ && NF > 6 && (++i == atom || !atom) {
    $0 = xyz substr($0, 31) } { print }' "$sets/gen.sdf"; }
while read -r name atom x y z wanted; do
  spoil nitro "$atom" "$x" "$y" "$z" >spoilt.sdf
  eval_to 1 spoilt --gen spoilt.sdf || true
  says "'spoilt.sdf': 'nitro': 4 records, the first is 5, cannot be read and are not scored: $wanted" "$name"
  verdict 'they are broken, the others are scored' grep -q '^8 molecules, 24 references, 28 generated' out
done <<'END'
zeros 0 0.0000 0.0000 0.0000 found atoms 1 and 2 at one point
NaN 2 nan nan nan line 6: found '.*wanted an atom line
infinity 3 0.0000 inf 0.0000 line 7: found '.*wanted an atom line
END
awk '/V2000/ { i = 0 } NF > 6 && substr($0, 32, 1) ~ /[A-Z]/ { if (++i == 1) first = substr($0, 1, 30)
  if (i == 4) $0 = first substr($0, 31) } { print }' "$sets/gen.sdf" >collapsed.sdf
eval_to 1 collapsed --gen collapsed.sdf || true
says "'collapsed.sdf': 'nitro': .* found atoms 1 and 4 at one point" 'two atoms at one point'
sed '/^ .*3D$/s/3D/2D/; s/^\(.\{20\}\).\{10\}\( [A-Z]\)/\1    0.0000\2/' one_ref.sdf >flat_ref.sdf
check 3 'references that are drawings' eval --ref flat_ref.sdf --gen "$sets/gen.sdf" --on-mismatch drop
says 'found a 2D drawing' 'and the message says so'
cat "$sets/ref.sdf" >>flat_ref.sdf
check 1 'drawings among the references' eval --ref flat_ref.sdf --gen "$sets/gen.sdf"
says "'flat_ref.sdf': 'benzoate': 3 records, the first is 1, cannot be read and are not scored: found a 2D drawing" \
  'are named'
verdict 'the others are evaluated' grep -q '^8 molecules, 24 references' out

say 'refusals'
cat "$sets/ref.sdf" >twice.sdf
sed 's/^alanine$/nitro/' "$sets/ref.sdf" >>twice.sdf
check 3 'one name for two molecules' eval --ref twice.sdf --gen "$sets/gen.sdf"
says "records [0-9]+ and [0-9]+ have the name 'nitro' and are different molecules" \
  'the message names both records'
check 3 'a file without references' eval --ref empty.sdf --gen "$sets/gen.sdf"
says 'no reference conformer' 'and the message says so'
head -c 3000 gen.sdf.zst >cut.sdf.zst
check 3 'a truncated file' eval --ref "$sets/ref.sdf" --gen cut.sdf.zst
says 'cut off' 'and the message says so'
check 3 'no such file' eval --ref "$sets/ref.sdf" --gen none.sdf
check 2 'an existing output' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --json plain.json
says "'plain.json' exists: --overwrite replaces it" 'the message names --overwrite'
check 2 'one file for two outputs' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --json x --html x
says "--html 'x' is the --json file 'x', wanted another file" 'and the message says so'
check 2 'an output that is an input' eval --ref "$sets/ref.sdf" --gen gen.sdf.gz --csv gen.sdf.gz --overwrite
says "--csv 'gen.sdf.gz' is the --gen file 'gen.sdf.gz', wanted another file" 'and the message says so'
ln -s plain.json link.json
ln plain.json hard.json
for file in plain.json ./plain.json link.json hard.json; do
  check 2 "a comparison into its input, $file" eval --compare ours.json plain.json --json $file
  says "is the evaluation to compare 'plain.json', wanted another file" 'and the message says so'
done
check 2 'an output that is a link to an input' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --run plain.json \
  --csv hard.json --overwrite
check 2 'standard input as an output' eval --ref "$sets/ref.sdf" --gen - --csv hard.json --overwrite <plain.json
verdict 'the input is unchanged' grep -q confgen-eval-1 plain.json
status=0
"$CONFGEN" eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --json full.json >/dev/full 2>err || status=$?
verdict 'a full standard output' test "$status $(grep -c 'standard output' err)" = '3 1'
verdict 'does not prevent the files' test -s full.json
check 3 'an output that cannot be written' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" \
  --csv none/x.csv
echo '[1]' >list.json
check 3 'a --run file that is no report' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --run list.json

finish
