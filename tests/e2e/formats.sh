#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A tiny model of random weights for each built-in text format, with a tokenizer of its kind.
. "$(dirname "$0")/lib.sh"

# format_model DIR FORMAT TOKENIZER_KIND...
format_model() {
  local dir=$1 format=$2
  shift 2
  mkdir -p "$dir"
  "$WRITE_MODEL" "$dir" 2048 "$("$CONFGEN_SOURCE_ROOT/tests/tools/make_format_tokenizer.py" \
    "$CONFGEN_SOURCE_ROOT/tests/data/tokenizers/llama3_test/tokenizer.json" "$dir" "$@")"
  if [ "$format" ]; then printf '{"format": "%s"}\n' "$format" >"$dir/confgen.json"; fi
}

printf '%s\n' 'C[C@H](N)C(=O)O alanine' 'C/C=C/CO butenol' 'O=C(Nc1ccc(Cl)cc1)N1CCOCC1 urea' \
  '[2H]C([2H])Br deuterated' 'CC(=O)[O-].C[NH3+] salt' 'CS(=O)(=O)c1ccc2[nH]ccc2c1 sulfone' >in.smi

formats=(molgen-v1 molgen-v2 molgen-v3 molgen-binned-21 molgen-binned-13 molgen-binned-258)
kinds=('' '' single-digits single-digits 'single-digits bins-250' 'single-digits bins-258')
for i in "${!formats[@]}"; do
  format=${formats[i]}
  say "$format"
  # shellcheck disable=SC2086 # words
  format_model m-$format $format ${kinds[i]}
  common=(--model m-$format --input in.smi --gens 4 --seed 3 --temperature 1 --top-k 0 --quiet)
  check 0 'every conformer is read back' "${common[@]}" --geometry off --output $format.smiles3d
  verdict 'all are written' test "$(wc -l <$format.smiles3d)" = 24
  run 0 text read <(cut -f1 $format.smiles3d) --model m-$format
  verdict 'confgen text reads them' test "$(count_sdf <out)" = 24
  run 0 "${common[@]}" --geometry count --output counted.smiles3d --report counted.json --overwrite
  same <(cut -f1 $format.smiles3d) <(cut -f1 counted.smiles3d) 'geometry tests change nothing'
  verdict 'and test every atom' test "$(json_number counted.json atoms)" = $((4 * (6 + 5 + 16 + 4 + 6 + 13)))
  run 0 model inspect m-$format
  verdict 'inspect names the format' grep -Eq "^text format +$format " out
done

say molgen-fsq
format_model m-fsq molgen-fsq single-digits codes
"$CONFGEN_SOURCE_ROOT/tests/tools/make_fsq_decoder.py" m-fsq/fsq '(' ')' '=' / '\' 1 2 . '[C]' '[N]' '[O]' '[O-]' '[S]' \
  '[Cl]' '[Br]' '[c]' '[nH]' '[2H]' '[NH3+]' '[C@H]' '[C@@H]'
common=(--model m-fsq --input in.smi --gens 4 --seed 3 --temperature 1 --top-k 0 --quiet --geometry off)
check 0 'every conformer is decoded' "${common[@]}" --output fsq.smiles3d
run 0 "${common[@]}" --output fsq.sdf
verdict 'all are written' test "$(count_sdf <fsq.sdf)" = 24
run 0 text read <(cut -f1 fsq.smiles3d) --model m-fsq
mv out read.sdf
verdict 'confgen text decodes the same coordinates' \
  cmp -s <(sed -n '/V2000/,/END/p' fsq.sdf | grep -E '^ .*\.[0-9]{4} ') <(sed -n '/V2000/,/END/p' read.sdf | grep -E '^ .*\.[0-9]{4} ')
run 0 model inspect m-fsq --smiles CCO
verdict 'inspect names the format' grep -Eq '^text format +molgen-fsq ' out
printf 'CC#N nitrile\n' >nitrile.smi
check 1 'a token that the decoder does not know' --model m-fsq --input nitrile.smi --quiet --output nitrile.sdf
says "was not trained on the SMILES token '#'" 'is named'

say 'formats found in the vocabulary'
format_model other molgen-v3 single-digits bins-258
run 0 model inspect other
verdict 'a format of other numbers than the vocabulary has is warned of' \
  grep -q 'names the text format molgen-v3, but the vocabulary has the added tokens 000 to 257' out
format_model found '' single-digits bins-258
run 0 model inspect found
verdict 'of 258 bins' grep -q 'the vocabulary has the added tokens 000 to 257' out
format_model random '' single-digits
run 0 model inspect random
verdict 'a model that finds no text likely is told apart' grep -q 'assumed: the model finds no format' out
finish
