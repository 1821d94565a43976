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
verdict 'a table of checks is printed' grep -Eq '^bond_lengths +32 +0 +100.00 %$' out
verdict 'nothing on standard error' test ! -s err
verdict 'one line per molecule and a header' test "$(wc -l <ours.csv)" = 9
verdict 'the page is complete' grep -q '</html>' ours.html
verdict 'the JSON names its format' grep -q '"format": "confgen-eval-1"' ours.json
eval_to 0 foreign --gen "$sets/foreign.sdf" --delta 0.25 || true
verdict 'foreign records have the same COV' diff \
  <(grep -o '"cov_[rp]": [0-9.]*' ours.json) <(grep -o '"cov_[rp]": [0-9.]*' foreign.json)

say 'containers, standard input, threads'
eval_to 0 plain --gen "$sets/gen.sdf" || true
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
run 0 eval --ref run.sdf.zst --gen run.sdf.zst --run run.json --json self.json || true
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
eval_to 0 wrong --gen wrong.sdf || true
verdict 'four records are another molecule' grep -q ': 4 wrong (another molecule), 0 broken' out
sed '0,/V2000/s//V20OO/; 0,/999 V20OO/s/^ [ 0-9]*/xx/' "$sets/gen.sdf" >broken.sdf
eval_to 1 broken --gen broken.sdf || true
says "broken.sdf': 1 of 32 records cannot be read; the first: .*record 1 .'benzoate'.: line 4" \
  'the message names the broken record'
sed -E 's/^(benzoate|nitro|alanine|imidazole|triflate|diene|amidine|salt)$/x_\1/' "$sets/gen.sdf" >names.sdf
eval_to 0 names --gen names.sdf || true
says 'warning: no name in .names.sdf. is a name in .*canonical SMILES: 8 of 8 found' \
  'a warning if no name matches'
same <(distances plain.json) <(distances names.json) 'molecules are then matched by SMILES'
: >empty.sdf
eval_to 0 empty --gen empty.sdf || true
verdict 'an empty file covers nothing' grep -Eq '^COV-R +0.00 % +0.00 %$' out

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
says "'x' and 'x' are one file" 'and the message says so'
check 2 'an output that is an input' eval --ref "$sets/ref.sdf" --gen gen.sdf.gz --csv gen.sdf.gz --overwrite
says "'gen.sdf.gz' is both an input and an output" 'and the message says so'
ln -s plain.json link.json
ln plain.json hard.json
for file in plain.json ./plain.json link.json hard.json; do
  check 2 "a comparison into its input, $file" eval --compare ours.json plain.json --json $file
  says "is an evaluation to compare, 'plain.json'" 'and the message says so'
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
