#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Generation: inputs, outputs, records, report, exit status and messages.
. "$(dirname "$0")/lib.sh"

say 'the default model on the sample: names, counts, tags and order of the records'
cp "$data/geom_drugs_sample.smi" sample.smi
check 0 'two molecules, two conformers each' --input sample.smi --limit 2 --gens 2 \
  --report report.json
verdict 'the default output is <stem>.sdf.zst in the working directory' test -s sample.sdf.zst
verdict 'nothing on standard output' test ! -s out
verdict 'two or three lines on standard error' test "$(wc -l <err)" -le 3
zstdcat sample.sdf.zst >sample.sdf
verdict '4 records' test "$(count_sdf <sample.sdf)" = 4
verdict 'records of a molecule are consecutive, generations in order' \
  test "$(sdf_item sample.sdf generation | tr '\n' ' ')" = '0 1 0 1 '
head -n 2 sample.smi | cut -f 2 | sed p >names
verdict 'titles are the names' diff -q names <(awk 'BEGIN { t = 1 } t { print; t = 0 }
  /^\$\$\$\$$/ { t = 1 }' sample.sdf)
verdict 'tag name' diff -q names <(sdf_item sample.sdf name)
verdict 'tag SMILES is canonical, as the sample is' \
  diff -q <(head -n 2 sample.smi | cut -f 1 | sed p) <(sdf_item sample.sdf SMILES)
verdict 'tag seed' test "$(sdf_item sample.sdf seed | sort -u)" = 0
verdict 'report: outcome' grep -q '"outcome": "ok"' report.json
for pair in molecules:2 molecules_failed:0 requested:4 conformers:4 wrong_molecule:0 \
  parse_failure:0 unfinished:0 parameters:28716800 seed:0; do
  verdict "report: $pair" test "$(json_number report.json "${pair%:*}")" = "${pair#*:}"
done
for key in confgen model architecture device attention attention_reason kv_cache kv_cache_reason \
  constraint batch_size batch_reason threads template_workers sampling sampled forced steps total \
  decode matmul chemistry template record tokens_per_second conformers_per_second token_cache \
  peak_memory written device device_reason dtype kv_dtype deterministic reproducibility step_tokens prompt_step_tokens halvings gpus \
  tuning; do
  verdict "report has $key" grep -q "\"$key\":" report.json
done
verdict 'report: bytes written' test "$(json_number report.json written)" -gt 0
verdict 'report: sampled + forced = completion' test "$(json_number report.json completion)" \
  = $(($(json_number report.json sampled) + $(json_number report.json forced)))

say 'counts: --gens N, Nk, --limit, and a missing k'
tiny_model tiny
random=(--model tiny --geometry off)
write_molecules mols.smi
tiny=("${random[@]}" --input mols.smi --overwrite)
check 0 '--gens 1k of all' "${tiny[@]}" --gens 1k --output k.sdf --report k.json
verdict 'k conformers of each molecule' test "$(count_sdf <k.sdf)" = \
  "$(awk '{ n += $3 } END { print n }' mols.smi)"
check 0 '--gens 2k, --limit 3' "${tiny[@]}" --gens 2k --limit 3 --output k.sdf
verdict '2 * (3 + 2 + 2) records' test "$(count_sdf <k.sdf)" = 14
cut -f 1,2 mols.smi >no_k.smi
if run 2 "${random[@]}" --input no_k.smi --gens 2k --output no_k.sdf; then
  says '--gens 10' 'Nk without counts is refused with an example'
fi
verdict 'and nothing is written' test ! -e no_k.sdf

say 'formats by --format and by name, containers by name'
run 0 "${tiny[@]}" --gens 2 --output ref.sdf || true
for format in sdf xyz smiles3d json; do
  run 0 "${tiny[@]}" --gens 2 --format $format --output plain.$format || true
  run 0 "${tiny[@]}" --gens 2 --output by_name.$format || true
  same plain.$format by_name.$format "$format by its name"
  run 0 "${tiny[@]}" --gens 2 --output packed.$format.zst || true
  same plain.$format <(zstdcat packed.$format.zst) "$format.zst holds the same"
  run 0 "${tiny[@]}" --gens 2 --output packed.$format.gz || true
  same plain.$format <(zcat packed.$format.gz) "$format.gz holds the same"
  run 0 "${tiny[@]}" --gens 2 --format $format --output - || true
  same plain.$format out "$format to standard output"
done
same ref.sdf plain.sdf 'sdf is the default'
verdict 'xyz: 24 records' test "$(grep -c '^Properties=species:S:1:pos:R:3 name=' plain.xyz)" = 24
verdict 'json: 24 lines, each an object' test "$(grep -c '^{"name": .*}$' plain.json)" = 24
verdict 'smiles3d: 24 lines of four columns' test "$(awk -F '\t' 'NF == 4' plain.smiles3d | wc -l)" = 24
verdict 'smiles3d without its numbers is the molecule in brackets' \
  grep -q '^\[C\]<[0-9.,-]*>\[C\]<[0-9.,-]*>\[O\]<[0-9.,-]*>	ethanol	0	0$' plain.smiles3d
check 0 '--add-hs writes hydrogens (default model)' --input mols.smi --limit 1 --add-hs --output hs.sdf
verdict 'ethanol then has nine atoms' grep -q '^  9  8 ' hs.sdf
for format in xyz json; do
  check 0 "--add-hs with $format" --input mols.smi --limit 1 --add-hs --output hs.$format
done
verdict 'the same atoms as in the SDF: xyz' \
  cmp <(sed -n '5,13p' hs.sdf | awk '{ print $4, $1, $2, $3 }') <(tail -n 9 hs.xyz)
verdict 'json: elements' grep -q '"elements": \["C", "C", "O"\(, "H"\)\{6\}\]' hs.json
verdict 'json: coordinates' cmp <(tail -n 9 hs.xyz | cut -d ' ' -f 2-) \
  <(grep -Eo '\[-?[0-9.]+, -?[0-9.]+, -?[0-9.]+\]' hs.json | tr -d '[],')
check 2 '--add-hs with smiles3d is refused' "${tiny[@]}" --add-hs --output hs.smiles3d

say 'inputs: compressed, .csv, standard input, line ends, byte order mark, header, comments, blanks'
run 0 "${random[@]}" --input mols.smi --output want.sdf || true
zstd -q mols.smi -o mols.smi.zst
gzip -k mols.smi
{ echo 'smiles,name,n_conformers'; awk -F '\t' '{ printf "\"%s\",%s,%s\n", $1, $2, $3 }' mols.smi; } >mols.csv
gzip -k mols.csv
sed 's/$/\r/' mols.smi >crlf.smi
{ printf '\357\273\277'; cat mols.smi; } >bom.smi
{ printf 'smiles\tname\tk\n'; cat mols.smi; } >header.smi
{ printf '# a comment\nsmiles name k\n'; tr '\t' ' ' <mols.smi; } >blanks.smi
{ printf 'k\tMol_ID\tcanonical smiles\n'; awk -F '\t' -v OFS='\t' '{ print $3, $2, $1 }' mols.smi; } >columns.tsv
{ echo 'ID;Smiles'; awk -F '\t' '{ printf "\"%s\";\"%s\"\n", $2, $1 }' mols.smi; } >semicolons.csv
awk '{ print; print "" }' mols.smi >empty_lines.smi
for input in mols.smi.zst mols.smi.gz mols.csv mols.csv.gz crlf.smi bom.smi header.smi blanks.smi \
  columns.tsv semicolons.csv empty_lines.smi; do
  if run 0 "${random[@]}" --input $input --output got.sdf --overwrite; then
    same want.sdf got.sdf "$input gives the same output as mols.smi"
  fi
done
for input in mols.smi mols.smi.gz mols.csv; do
  if run 0 "${random[@]}" --input - --output got.sdf --overwrite <$input; then
    same want.sdf got.sdf "$input from standard input"
  fi
done
"$CONFGEN" "${random[@]}" --input - --output - --quiet <mols.smi 2>err | cat >piped.sdf
same want.sdf piped.sdf 'from a pipe into a pipe'
verdict 'without messages' test ! -s err
printf 'molecule info\nCCO ethanol 3\n' >odd.smi
check 1 '--header no: the first line is a (bad) molecule' "${random[@]}" --input odd.smi \
  --header no --output odd.sdf
check 0 '--header yes: the first line is skipped' "${random[@]}" --input odd.smi --header yes --output odd.sdf \
  --overwrite
verdict 'one record' test "$(count_sdf <odd.sdf)" = 1
verdict '--header yes: the name is all that follows the SMILES' grep -qx 'ethanol 3' odd.sdf
printf 'CCO a\n\nC1CC b\n' >literal.smi
check 1 'an empty line is skipped' "${random[@]}" --input literal.smi --output literal.sdf
says 'literal.smi:3: b: ' 'and counts as a line'

say 'bad molecules: status 1, one line each on standard error, --failed FILE, the report'
printf 'CCO good\nC1CC open_ring\nxyz nonsense\nCCN fine\n' >mixed.smi
check 1 'some molecules fail' "${random[@]}" --input mixed.smi --gens 2 --output mixed.sdf \
  --failed failed.tsv --report mixed.json
verdict 'the other molecules are written' test "$(count_sdf <mixed.sdf)" = 4
says 'mixed.smi:2: .*open_ring' 'the open ring, with file, line and name'
says 'mixed.smi:3: .*nonsense' 'and the invalid SMILES'
verdict '--failed: a header and two lines' test "$(wc -l <failed.tsv)" = 3
verdict '--failed: line, name, SMILES, generation, reason' \
  grep -q '^2	open_ring	C1CC	-	.' failed.tsv
verdict 'the report counts them' test "$(json_number mixed.json molecules_failed)" = 2
printf 'C1CC caf\351\nC1CC =1+1\nC1CC \302\2333m\342\200\256x\n' >bytes.smi
check 1 'names with odd bytes' "${random[@]}" --input bytes.smi --output bytes.sdf \
  --failed bytes.tsv --report bytes.json
verdict 'each of them is a message of the report' test "$(grep -c '"bytes.smi:[123]: ' bytes.json)" = 3
says 'bytes.smi:1: caf\\xe9: ' 'the byte that is not UTF-8 is shown escaped'
says 'bytes.smi:3: \\u009b3m\\u202ex: ' 'so are the control characters'
verdict "--failed: a formula has a leading '" grep -q "^2	'=1+1	" bytes.tsv
check 1 'all molecules fail' "${random[@]}" --input <(echo 'C1CC x') --output none.sdf

say 'an existing output; usage errors; the environment'
check 2 'an existing output is not replaced' "${random[@]}" --input mols.smi --output want.sdf
says 'overwrite' 'and the message names --overwrite'
check 2 '--resume with --overwrite' "${random[@]}" --input mols.smi --output want.sdf --resume \
  --overwrite
check 2 'no input' "${random[@]}"
check 3 'no such input' "${random[@]}" --input nothing.smi --output x.sdf
check 3 'no such model' --model nothing --input mols.smi --output x.sdf
check 3 'no such folder for the output' "${random[@]}" --input mols.smi --output no/such/x.sdf
check 3 'an unwritable report' "${random[@]}" --input mols.smi --output - --report no/r.json
check 3 'a full device' "${random[@]}" --input mols.smi --output /dev/full

say 'sampling: presets, single options, greedy; the seed'
for preset in greedy top_p_sampling1 top_p_sampling16 min_p_sampling1 min_p_sampling12 recall qwen3; do
  check 0 "--sampling $preset" "${tiny[@]}" --sampling $preset --output p.sdf
done
check 0 'a preset and an option' "${tiny[@]}" --sampling min_p_sampling2 --top-k 0 --output p.sdf --report p.json
verdict 'the first line states the values and where they come from' grep -qxF 'sampling: temperature 1.4 (preset), '\
'top-k 0 (flag), top-p 1 (preset), min-p 0.075 (preset)' <(head -n 1 err)
verdict 'so does the report' test "$(json_number p.json min_p) $(grep -c '"top_k": "flag"' p.json)" = '0.075 1'
check 2 'beams are refused by name' "${tiny[@]}" --sampling beam_search --output p.sdf
says "--sampling: preset 'beam_search' searches with 4 beams, which is not supported" 'names the preset'
run 0 "${tiny[@]}" --greedy --gens 2 --limit 4 --output g.smiles3d || true
verdict 'greedy: all generations of a molecule are equal' \
  test "$(cut -f 1 g.smiles3d | sort -u | wc -l)" = 4
run 0 "${tiny[@]}" --greedy --gens 3 --limit 1 --output g1.sdf || true
verdict 'greedy: copies are mentioned once' test "$(grep -c \
  'greedy sampling (flag): all conformers of a molecule are the same, --gens 3 writes copies of one' err)" = 1
cp -r tiny cold
echo '{"do_sample": true, "temperature": 0}' >cold/generation_config.json
check 3 'a temperature of 0 in the model' --model cold --geometry off --input mols.smi --output cold.sdf
says "model 'cold': generation_config.json: temperature 0: wanted more than 0" 'names file and member'
check 0 'and another one on the command line' --model cold --geometry off --input mols.smi --output cold.sdf \
  --temperature 1
echo '{"do_sample": false, "temperature": 0}' >cold/generation_config.json
check 0 'greedy models need no temperature' --model cold --geometry off --input mols.smi --output cold.sdf --overwrite
rm cold/generation_config.json
run 0 --model cold --geometry off --input mols.smi --output cold.sdf --overwrite --gens 2 --limit 1 || true
says '^sampling: greedy .default.$' 'a model without generation_config.json is greedy, as in transformers'
says 'greedy sampling .default.: all conformers of a molecule are the same' 'which is said with --gens 2'
echo '{"do_sample": true, "num_beams": 4, "repetition_penalty": 1.5}' >cold/generation_config.json
check 3 'beams and penalties of the model' --model cold --geometry off --input mols.smi --output cold.sdf --overwrite
says 'num_beams 4, repetition_penalty 1.5: not supported; --sampling' 'are refused by name'
check 0 'and a preset' --model cold --geometry off --input mols.smi --output cold.sdf --overwrite --sampling recall
verdict 'ignores them aloud' test "$(grep -c 'num_beams 4, repetition_penalty 1.5: not supported and ignored' err)" = 1
run 0 "${tiny[@]}" --greedy --seed 7 --gens 2 --limit 4 --output g7.smiles3d || true
same <(cut -f 1-3 g.smiles3d) <(cut -f 1-3 g7.smiles3d) 'greedy: for any seed'
run 0 "${tiny[@]}" --temperature 0.5 --top-p 0.9 --top-k 40 --min-p 0.01 --seed 9223372036854775807 \
  --output s.sdf --report s.json || true
verdict 'the largest seed is in the record' test "$(sdf_item s.sdf seed | sort -u)" = \
  9223372036854775807
verdict 'and in the report' test "$(json_number s.json seed)" = 9223372036854775807
run 0 "${tiny[@]}" --seed 1 --output s1.sdf || true
run 0 "${tiny[@]}" --seed 2 --output s2.sdf || true
verdict 'another seed gives other conformers' test "$(diff s1.sdf s2.sdf | wc -l)" -gt 40

say '--cache-tokenizer: words of more than one token are tokenized once'
printf '[13CH3][15NH2] labelled_methylamine\n[13CH3]O labelled_methanol\n' >isotopes.smi
check 0 'with the cache (default model, isotopes)' --input isotopes.smi --output with.sdf \
  --cache-tokenizer --report with.json
check 0 'without it' --input isotopes.smi --output without.sdf --report without.json
verdict 'the repeated [13CH3] is found in the cache' test "$(json_number with.json hits)" -gt 0
verdict 'there is no cache without the option' test "$(json_number without.json hits)" = 0
same with.sdf without.sdf 'the output is the same'

say 'a pipe longer than one read is read to its end, and cannot be resumed'
awk 'BEGIN { print "CCO good"; for (i = 0; i < 4000; i++) print "C1CC bad-molecule-number-" i; \
             print "CCN last" }' >long.smi
verdict 'the list is longer than one read' test "$(wc -c <long.smi)" -gt 100000
run 1 "${random[@]}" --input <(cat long.smi) --output pipe.sdf --failed pipe.tsv --quiet || true
verdict 'every bad line is reported' test "$(wc -l <pipe.tsv)" = 4001
verdict 'and the last molecule is written' test "$(sdf_item pipe.sdf name | tail -n 1)" = last
check 2 'resuming from a pipe is refused' "${random[@]}" --input <(cat long.smi) --output x.sdf --resume
says 'no regular file' 'the message gives the reason'

say 'progress and silence'
run 0 "${tiny[@]}" --output q.sdf --quiet && verdict '--quiet: no output' test ! -s err
run 0 "${tiny[@]}" --output q.sdf --progress never && verdict 'never: a line at the start and one at the end' \
  test "$(wc -l <err)" = 2
run 0 --input mols.smi --gens 40 --limit 4 --overwrite --output q.sdf --progress json || true
verdict 'json: objects on standard error' grep -Eq \
  '^\{"molecules":[0-9]+,"total_molecules":4,"conformers":[0-9]+,"total_conformers":160,"tokens":[0-9]+,"evaluated":[1-9][0-9]*,"seconds":[0-9.]+,"seconds_left":([0-9.]+|null)\}$' err
verdict 'json: the first one describes the device' grep -Eq \
  '^\{"device":"[^"]+","dtype":"[^"]+","deterministic":(true|false),"reproducibility":"[^"]+","sampling":\{[^{}]+\},"sampling_sources":\{[^{}]+\}\}$' err
check 0 '--version' --version
verdict 'prints program and version' grep -Eq '^confgen [0-9]+\.[0-9]+\.[0-9]+$' out
check 0 '--help' --help
verdict 'fits 100 columns' test "$(awk 'length > 100' out | wc -l)" = 0
finish
