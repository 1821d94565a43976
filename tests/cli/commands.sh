#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The subcommands and usage errors of all commands: output and exit status.
#
#   commands.sh CONFGEN SOURCE_ROOT
set -uo pipefail

confgen=$(realpath "$1") root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH
plugins=$(dirname "$confgen")/plugins

. "$(dirname "$0")/expect.sh"

# plugins
expect 0 '^attention +flash +.*attention_flash.so$' plugins list
expect 0 '^constraint +grammar ' plugins list
expect 0 '^flash +paged +ok$' plugins matrix
expect 0 '^eager +static +ok$' plugins matrix --shape qwen3-0.6b --batch-size 8
CONFGEN_CUDA_MODULE=$work/none.so expect 0 '^flash +paged +CONFGEN_CUDA_MODULE names' \
  plugins matrix --device cuda --deterministic
expect 0 '^flash +paged +.' plugins matrix --device cuda
expect 2 "device 'tpu': wanted cpu, cuda or cuda:I" plugins matrix --device tpu
expect 2 "device 'cuda:all': wanted" plugins matrix --device cuda:all
expect 2 "shape 'huge'" plugins matrix --shape huge
expect 2 "kv-dtype 'q4': wanted auto" plugins matrix --kv-dtype q4
expect 2 "dtype bf16: the CPU computes in f32" plugins matrix --dtype bf16
expect 2 'wanted one of them' plugins matrix --shape default --model "$root/data/confgen-default"
expect 3 'config.json' plugins matrix --model "$work"
expect 0 ' 0 failed$' plugins check "$plugins/attention/eager/attention_eager.so" --rounds 2
expect 0 ' 0 failed$' plugins check "$plugins/cache/paged/cache_paged.so" --rounds 2
expect 0 ' 0 failed$' plugins check "$plugins/constraints/constraint_grammar.so" --rounds 2
expect 0 '^cpu:$' plugins check "$plugins/cache/paged/cache_paged.so" --rounds 1 --device cpu
CONFGEN_CUDA_MODULE=$work/none.so expect 0 '^cuda: not checked: CONFGEN_CUDA_MODULE names' \
  plugins check "$plugins/cache/paged/cache_paged.so" --rounds 1
CONFGEN_CUDA_MODULE=$work/none.so expect 3 ' 0 failed, on no device$' \
  plugins check "$plugins/cache/paged/cache_paged.so" --device cuda
expect 0 '^note: --device does not apply to a constraint' \
  plugins check "$plugins/constraints/constraint_grammar.so" --only symbol --device cpu
expect 0 '^note: --model does not apply to a cache' \
  plugins check "$plugins/cache/paged/cache_paged.so" --only symbol --model "$root/data/confgen-default"
expect 2 "device 'tpu': wanted cpu, cuda, cuda:I or all" \
  plugins check "$plugins/cache/paged/cache_paged.so" --device tpu
# the checks of --only; one that selects none gets their names
paged=$plugins/cache/paged/cache_paged.so
expect 0 ': 1 checks passed, 0 failed$' plugins check "$paged" --only 'memory bound' --device cpu
expect 0 ': 1 checks passed, 0 failed$' plugins check "$paged" --only nope --only 'memory bound' --in-process
expect 2 '^  the memory bound is kept$' plugins check "$paged" --only nope
expect 2 '^confgen: --only selects none of these checks:$' plugins check "$paged" --only nope --in-process
# one JSON object; none of a refused file
expect 0 '^      "name": "cuda",$' plugins check "$paged" --only 'memory bound' --json
for option in '' --in-process; do
  # shellcheck disable=SC2086
  "$confgen" plugins check "$paged" --only 'memory bound' --only symbol --device cpu --json $option >"$work/check.json" &&
    python3 - "$work/check.json" <<'END' || { printf 'FAILED: plugins check --json %s\n' "$option"; failures=$((failures + 1)); }
import json, re, sys
c = json.load(open(sys.argv[1]))
assert (c["plugin"]["kind"], c["plugin"]["name"]) == ("cache", "paged"), c
assert re.fullmatch(r"1\.\d+", c["plugin"]["abi"]) and re.fullmatch("[0-9a-f]{16}", c["hash"]), c
assert c["path"].endswith("cache_paged.so") and c["seed"] == 1 and (c["passed"], c["failed"]) == (2, 0), c
assert c["devices"] == [{"name": "cpu", "checked": True, "text": ""}], c
assert [(v["name"], v["device"], v["passed"]) for v in c["checks"]] == [
    ("exports one symbol", None, True), ("the memory bound is kept", "cpu", True)], c
assert all(0 <= v["seconds"] < 60 and v["detail"].endswith(" cases") for v in c["checks"]), c
END
done
expect 3 'No such file' plugins check "$work/missing.so" --json
CONFGEN_CUDA_MODULE=$work/none.so expect 3 ': 0 checks passed, 0 failed, on no device$' \
  plugins check "$paged" --only 'memory bound' --device cuda
CONFGEN_CUDA_MODULE=$work/none.so expect 0 ': 1 checks passed, 0 failed$' \
  plugins check "$paged" --only symbol --device cuda
expect 0 '^attention +eager +[0-9.]+ +1\.[0-9]+ ' plugins list
expect 0 '^      "name": "eager",$' plugins list --json
expect 0 '^      "name": "flash_attention_2",$' plugins list --json
echo 'no plugin' >"$work/attention_text.so"
expect 3 "attention_text.so': cannot be loaded" plugins check "$work/attention_text.so"
expect 3 'No such file' plugins check "$work/missing.so"
# a plugin or CUDA module that others may write
mkdir "$work/open"
cp "$plugins/attention/eager/attention_eager.so" "$work/open/attention_open.so"
chmod 755 "$work/open"
chmod 666 "$work/open/attention_open.so"
written="attention_open.so' may be written by everyone \\(mode 0666\\)"
expect 3 "$written" plugins check "$work/open/attention_open.so"
expect 3 "$written" plugins list --plugin "$work/open/attention_open.so"
CONFGEN_PLUGIN_PATH=$work/open expect 0 "^refused: .*$written" plugins list
CONFGEN_PLUGIN_PATH=$work/open expect 0 "^refused +.*$written" doctor
CONFGEN_ALLOW_WRITABLE_PLUGINS=1 expect 0 ' 0 failed$' plugins check "$work/open/attention_open.so" --rounds 1
CONFGEN_CUDA_MODULE=$work/open/attention_open.so expect 0 "^flash +paged +CUDA module .*$written" \
  plugins matrix --device cuda
chmod 644 "$work/open/attention_open.so"
chmod 777 "$work/open"
CONFGEN_PLUGIN_PATH=$work/open expect 0 "^refused: plugin directory .*/open' may be written by everyone" plugins list
rm -r "$work/open"
expect 2 'missing operand: FILE.so' plugins check
expect 2 "'b.so': wanted a single operand" plugins check a.so b.so
expect 2 "'x': wanted no operand; add a file with --plugin" plugins list x
export CONFGEN_PLUGIN_PATH=$work
expect 0 "^refused: .*attention_text.so': cannot be loaded" plugins list
expect 0 "^refused .*attention_text.so': cannot be loaded" doctor
unset CONFGEN_PLUGIN_PATH
# the project of a new plugin
cd "$work" || exit 1
expect 0 '^my_cache/my_cache.c$' plugins new cache my_cache
expect 2 "^confgen: 'my_cache': contains '.*', wanted a new or empty folder; see confgen plugins new --help$" \
  plugins new cache my_cache
expect 0 '^\./a b/\.github/workflows/ci.yml$' plugins new attention --cuda --output './a b' other
[ -s 'a b/other.cu' ] || { echo 'FAILED: plugins new wrote no kernels'; failures=$((failures + 1)); }
mkdir empty
expect 0 "^Next: cd 'empty' && make" plugins new constraint rule --output empty
expect 2 "^confgen: 'attention_text.so': wanted a new or empty folder: Not a directory; see" \
  plugins new cache flat --output attention_text.so
ln -s nowhere dang
for name in dang dang/; do
  expect 2 "^confgen: 'dang': is a symbolic link to 'nowhere', which does not exist; wanted a new or empty folder; see" \
    plugins new cache flat --output "$name"
done
expect 3 "^confgen: 'none/flat': cannot be made: No such file or directory$" plugins new cache flat --output none/flat
for name in '' Mine a-b ../x "$(printf '%032d' 0)"; do
  expect 2 "^confgen: NAME '.*': wanted 1 to 31 of the characters a to z, 0 to 9 and _; see" plugins new cache "$name"
done
while read -r kind _ name _; do # a line of `plugins list`: kind, name, ...
  expect 2 "^confgen: NAME '$name': taken, --.* $name already has a meaning; see" plugins new "$kind" "$name"
done < <("$confgen" plugins list | sed -n '2,/^$/p' | grep . | awk '{print $1, 0, $2}')
expect 2 "^confgen: NAME 'auto': taken, --kv-cache auto already has a meaning; see" plugins new cache auto
expect 2 "^confgen: NAME 'sdpa': taken, --attention sdpa already has a meaning; see" plugins new attention sdpa
expect 2 "^confgen: NAME 'fp8': taken, --kv-cache fp8 already has a meaning; see" plugins new cache fp8
expect 2 "^confgen: KIND 'kernel': wanted attention, cache or constraint; see" plugins new kernel x
expect 2 '^confgen: --cuda: a constraint only makes tables, which confgen interprets on any device; see' \
  plugins new constraint rule2 --cuda
expect 2 '^confgen: found 1 operand, wanted attention, cache or constraint, and NAME; see' plugins new cache
CONFGEN_DATA=$work expect 3 "^confgen: 'sdk/cache/plugin.c': not in the directory" plugins new cache flat
[ ! -e flat ] || { echo 'FAILED: plugins new left a folder behind'; failures=$((failures + 1)); }
cd "$OLDPWD" || exit 1
for command in 'plugins' 'plugins list' 'plugins matrix' 'plugins check' 'plugins new' inspect draw doctor bench eval \
    'bench decode' 'bench attention' 'bench tokenizer' 'bench templates' 'bench rmsd' 'bench minimize' 'eval --compare'; do
  # shellcheck disable=SC2086
  expect 0 "^confgen $command" $command --help
done

# A missing value, an unknown option and a missing subcommand have a message each, in every command.
expect 2 '^confgen: --gens: requires a value; see confgen --help$' --input x.smi --gens
expect 2 '^confgen: --qqqq: unknown option; see confgen --help$' --qqqq
expect 2 '^confgen: --qqqq=1: unknown option; see' --qqqq=1
expect 2 '^confgen: --quiet=yes: takes no value; see confgen --help$' --quiet=yes
expect 2 '^confgen: -x: unknown option; see confgen --help$' -x
expect 2 '^confgen: -x: unknown option; see confgen --help$' --quiet -xy
expect 2 "^confgen: 'in.smi': wanted --input in.smi; see" in.smi
expect 2 "^confgen: 'in.smi': wanted --input in.smi; see" --gens 2 in.smi
expect 2 "^confgen: 'nope': no such command or option; see" help nope
expect 0 '^  --add-hs +write hydrogens too' help add-hs
expect 0 '^  -o, --output FILE' help --output
expect 0 '^  -o, --output FILE' help -o
# an option by the name that another program, or a typing error, gives it
while read -r found wanted; do
  expect 2 "^confgen: $found: unknown option; the nearest is $wanted; see confgen --help\$" --input x.smi "$found" 2
done <<'END'
-n --gens
--num-conformers --gens
--num=10 --gens
-i --input
--outfile --output
--hydrogens --add-hs
--addhs --add-hs
--minimise --minimize
--gpu --device
--cores --threads
-j --threads
--rmsd --prune
END
expect 2 '^confgen: -n: unknown option; the nearest is --gens' --input=x.smi -n10
for found in -out -output -output=x.sdf -o=x.sdf; do
  expect 2 "^confgen: $found: wanted --output or -o; see" CCO $found x.sdf
done
expect 2 '^confgen: --moleculs: unknown option; the nearest is --molecule; see confgen draw --help$' draw --moleculs x
expect 0 "^$work/short.sdf: 1 conformer of 1 molecule" CCO -o "$work/short.sdf"
# a name or an InChI; columns by commas; a folder that is not there; a spreadsheet; a table without header
expect 2 "^confgen: 'aspirin': neither .*: names are not looked up" aspirin
expect 2 "^confgen: 'InChI=1S/CH4/h1H4': neither .*wanted a SMILES: 'obabel -iinchi" InChI=1S/CH4/h1H4
expect 2 "^confgen: '-': wanted --input - for standard input" -
expect 3 "^confgen: output '$work': is a folder, wanted a file in it" CCO -o "$work"
expect 3 "^confgen: '$work/\.' is a directory, wanted a file" --input "$work/."
echo 'CCO,ethanol' >"$work/comma.smi"
expect 1 "offset 3: found ',', wanted SMILES: .* are read from a .csv" --input "$work/comma.smi" --output "$work/c.sdf"
expect 3 "^confgen: '$work/none/x.sdf': cannot open for writing: there is no folder '$work/none'\$" CCO -o "$work/none/x.sdf"
expect 2 "^confgen: 'list.xlsx': .*; Open Babel makes an .sdf of other kinds, a spreadsheet is saved as .csv\$" --input list.xlsx
echo 'ethanol,CCO' >"$work/bare.csv"
expect 3 "has no column of SMILES, .*; the first line names them" --input "$work/bare.csv" --output "$work/c2.sdf"
for temperature in 0 -1 nan 1001; do
  expect 2 "^confgen: --temperature( '$temperature': wanted a number| $temperature: wanted more than 0, at most 1000)" \
    --temperature $temperature
done
expect 2 '^confgen: --top-p 0: wanted more than 0, at most 1; see' --top-p 0
expect 2 '^confgen: --top-p -0.5: wanted more than 0, at most 1; see' --top-p -0.5
expect 2 '^confgen: --min-p -1: wanted 0 .off. or more, less than 1; see' --min-p -1
expect 2 "^confgen: --top-k '-1': wanted a whole number from 0" --top-k -1
for command in '-h' 'help' 'help generate' 'generate -h'; do
  # shellcheck disable=SC2086
  expect 0 '^confgen: SMILES to 3D conformers$' $command
done
expect 0 '^confgen bench decode \[options\]$' help bench decode
expect 0 '^confgen plugins check FILE.so' help plugins check
expect 2 "^confgen: 'speed': unknown subcommand" help bench speed
expect 0 '^  --min-p M .*; 0 is off$' -h
for command in 'eval -h' 'help eval' 'bench -h' 'bench help' 'help bench' 'bench decode -h' 'plugins -h' 'help plugins' \
    'plugins list -h' 'inspect -h' 'doctor -h' 'help doctor'; do
  # shellcheck disable=SC2086
  expect 0 "^confgen $(tr ' ' '\n' <<<"$command" | grep -xvE -e '-h|help' | head -n 1)" $command
done
while read -r option command; do
  # shellcheck disable=SC2086
  {
    expect 2 "^confgen: $option: requires a value; see confgen $command --help\$" $command $option
    expect 2 "^confgen: --qqqq: unknown option; see confgen $command --help\$" $command --qqqq
  }
done <<'END'
--plugin plugins list
--device plugins matrix
--rounds plugins check
--output plugins new
--molecule inspect
-o draw
--output draw
--ref eval
--seed eval --compare
--batch bench decode
--case bench attention
--threads bench tokenizer
--workers bench templates
--limit bench rmsd
--batch bench minimize
END
expect 2 '^confgen: --qqqq: unknown option; see confgen doctor --help$' doctor --qqqq
expect 2 '^confgen: missing subcommand: list, matrix, check or new; see confgen plugins --help$' plugins
expect 2 "^confgen: 'remove': unknown subcommand, wanted list, matrix, check or new; see" plugins remove
expect 2 '^confgen: missing subcommand: decode, attention, tokenizer, templates, rmsd or minimize; see' bench
expect 2 "^confgen: 'speed': unknown subcommand, wanted decode, attention" bench speed

# doctor
expect 0 '^default model +.*confgen-default$' doctor
expect 0 '^GPUs +(none: .|cuda:0 .)' doctor
CONFGEN_CUDA_MODULE=$work/none.so expect 0 '^GPUs +none: CONFGEN_CUDA_MODULE names' doctor
CONFGEN_CUDA_MODULE=$work/none.so expect 0 '  device +cpu, f32 \(auto: CONFGEN' doctor
CONFGEN_DATA=$work expect 3 '^default model +the default model is neither' doctor

# eval
sets=$root/tests/data/eval
expect 0 '^COV-R +45.83 % +50.00 %$' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --delta 0.4 --threads 2
expect 0 'count as different .--symmetry plain' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --symmetry plain
expect 0 'atom by atom' eval --ref "$sets/ref.sdf" --gen "$sets/gen.sdf" --rmsd plain
expect 0 'limits: 2 automorphisms, reached by [1-9] molecules; 60 s, reached by 0' eval --ref "$sets/ref.sdf" \
  --gen "$sets/gen.sdf" --max-matches 2 --time-limit 60
expect 2 '--ref FILE is missing' eval --gen "$sets/gen.sdf"
expect 2 '--gen FILE is missing' eval --ref "$sets/ref.sdf"
expect 2 'only one of them can be standard input' eval --ref - --gen -
expect 2 "delta '0': wanted a number from" eval --ref a --gen b --delta 0
expect 2 "missing 'skip': wanted zero or drop" eval --ref a --gen b --missing skip
expect 2 "rmsd 'worst': wanted best or plain" eval --ref a --gen b --rmsd worst
expect 2 "symmetry 'all': wanted plain or conjugated" eval --ref a --gen b --symmetry all
expect 2 "max-matches '0'" eval --ref a --gen b --max-matches 0
expect 2 "time-limit '-1'" eval --ref a --gen b --time-limit -1
expect 2 "threads 'many'" eval --ref a --gen b --threads many
expect 2 "'c': wanted options only" eval --ref a --gen b c
expect 3 'missing.sdf' eval --ref "$work/missing.sdf" --gen "$sets/gen.sdf"
expect 3 'neither zstd nor gzip nor text' eval --ref "$confgen" --gen "$sets/gen.sdf"

# eval --compare
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  printf '%.*sO\tm%d\n' $i CCCCCCCCCCCC $i
done >"$work/alcohols.smi"
expect 0 'conformers' --input "$work/alcohols.smi" --gens 1 --output "$work/alcohols.sdf.zst"
"$confgen" inspect "$work/alcohols.sdf.zst" --frame 0 >"$work/one.sdf"
expect 0 '^12 molecules, 12 references, 12 generated' eval --ref "$work/alcohols.sdf.zst" \
  --gen "$work/alcohols.sdf.zst" --json "$work/all.json" --html "$work/all.html"
expect 0 '^12 molecules, 12 references, 1 generated' eval --ref "$work/alcohols.sdf.zst" \
  --gen "$work/one.sdf" --json "$work/one.json"
grep -q '^</html>$' "$work/all.html" || { echo 'FAILED: no page'; failures=$((failures + 1)); }
expect 0 '^B against A: no difference shown$' eval --compare "$work/all.json" "$work/all.json"
expect 1 '^B against A: worse \(COV-R, COV-P, missing over all molecules\)$' \
  eval --compare "$work/all.json" "$work/one.json" --json "$work/compare.json"
grep -q '"verdict": "worse"' "$work/compare.json" ||
  { echo 'FAILED: no verdict in JSON'; failures=$((failures + 1)); }
expect 0 '^B against A: better \(' eval --compare "$work/one.json" "$work/all.json"
expect 0 '^B against A: within tolerance \(' eval --compare "$work/all.json" "$work/one.json" --tolerance 1,0
expect 2 "tolerance '1,x': wanted X or X,Y" eval --compare "$work/all.json" "$work/one.json" --tolerance 1,x
expect 2 'wanted two evaluations' eval --compare "$work/all.json"
expect 3 'missing.json' eval --compare "$work/all.json" "$work/missing.json"
expect 3 'cannot be written' eval --compare "$work/all.json" "$work/all.json" --json "$work/no/compare.json"

# inspect
printf 'CCO\tethanol\nC(C\tbad\nOc1ccccc1\tphenol\n' >"$work/three.smi"
for ending in sdf.zst sdf.gz sdf xyz.zst smiles3d json.gz; do
  file=$work/out.$ending
  expect 1 'conformers' --input "$work/three.smi" --gens 2 --output "$file"
  expect 0 '^ +0 +ethanol +2 ' inspect "$file"
  expect 0 '^2 molecules, 4 records' inspect "$file"
done
expect 0 'container zst with a seek table' inspect "$work/out.sdf.zst"
"$confgen" inspect "$work/out.sdf.zst" --molecule phenol >"$work/phenol.sdf"
"$confgen" inspect "$work/out.sdf.zst" --frame 1 >"$work/frame.sdf"
"$confgen" inspect "$work/out.sdf.zst" --frame 0 >"$work/ethanol.sdf"
cmp -s "$work/phenol.sdf" "$work/frame.sdf" || { echo 'FAILED: phenol is not frame 1'; failures=$((failures + 1)); }
cat "$work/ethanol.sdf" "$work/phenol.sdf" | cmp -s - "$work/out.sdf" ||
  { echo 'FAILED: the frames of .sdf.zst are not the .sdf'; failures=$((failures + 1)); }
expect 1 "no molecule 'benzene'" inspect "$work/out.sdf.zst" --molecule benzene
expect 2 'there are 2, counted from 0' inspect "$work/out.sdf.zst" --frame 2
expect 3 'missing' inspect "$work/missing.sdf.zst"
head -c 700 "$work/out.sdf.zst" >"$work/cut.sdf.zst"
expect 0 'ethanol' inspect "$work/cut.sdf.zst"
expect 3 'the record at offset 0 is not complete, wanted conformers as confgen writes them; no molecule can be read' inspect "$root/README.md"
if grep -q '^frame' "$work/out"; then
  echo 'FAILED: a file that is no output is listed'
  failures=$((failures + 1))
fi

# bench: the tables are printed; figures are not tested
expect 0 '^ +2 +grammar ' bench decode --molecules "$work/three.smi" --batch 2 --batches 1 --seconds 0
expect 0 '^ +2 +none ' bench decode --shape default --molecules "$work/three.smi" --batch 2 \
  --gens 1 --seconds 0 --max-new-tokens 64
expect 0 '^ +2 +grammar +eager +static +[0-9.]+ ' bench decode --molecules "$work/three.smi" --limit 1 \
    --batch 2 --gens 1 --seconds 0 --rounds 1 --constraint grammar --attention all \
    --kv-cache static,paged --plugin "$(dirname "$confgen")/tests/badplugins/attention_good.so" --json "$work/bench.json"
expect 0 "^batch 2, grammar, good, paged: attention 'good': supports nothing" bench decode \
    --molecules "$work/three.smi" --limit 1 --batch 2 --gens 1 --seconds 0 --rounds 1 --constraint grammar --attention good,eager \
    --kv-cache paged --plugin "$(dirname "$confgen")/tests/badplugins/attention_good.so" --apart
expect 2 '1024 cells, wanted at most 512' bench decode --batch 1,2,3,4,5,6,7,8 --attention 1,2,3,4,5,6,7,8 --constraint 1,2,3,4 \
    --kv-cache 1,2,3,4 --molecules "$work/three.smi"
for figure in tokens_per_second head_rows context used_rows; do
  if ! grep -Eq "\"$figure\": [1-9]" "$work/bench.json"; then
    echo "FAILED: bench decode --json: no $figure"
    failures=$((failures + 1))
  fi
done
expect 2 '^confgen: --batches and --gens: wanted one' bench decode --batches 2 --gens 1
expect 2 'wanted cpu or cuda' bench decode --device tpu
expect 0 '^all +2 +400 ' bench rmsd --molecules "$work/three.smi" --conformers 10 --threads 2 \
    --json "$work/rmsd.json"
if ! grep -q '"pairs": 200' "$work/rmsd.json"; then
  echo "FAILED: bench rmsd --json: no pairs"
  failures=$((failures + 1))
fi
expect 2 "--symmetry 'x': wanted conjugated or plain" bench rmsd --symmetry x
expect 0 '^cpu, 2 threads +[0-9.]+ +[1-9]' bench minimize --molecules "$work/three.smi" --conformers 3 --threads 2 --rounds 1 \
    --json "$work/minimize.json"
if ! grep -q '"conformers": 6' "$work/minimize.json"; then
  echo "FAILED: bench minimize --json: no conformers"
  failures=$((failures + 1))
fi
expect 2 '^confgen: --block-threads 33: wanted whole warps of 32; see' bench minimize --block-threads 33
expect 3 'cannot be written' bench decode --molecules "$work/three.smi" --limit 1 --batch 2 --gens 1 \
    --seconds 0 --rounds 1 --constraint grammar --json "$work/missing/bench.json"
expect 2 "--dtype 'f64': wanted f32, bf16 or f16" bench attention --dtype f64
expect 2 'wanted static or paged on a GPU' bench attention --device cuda --kv-cache dynamic
expect 2 "--set 'wide': wanted cpu, prefill, decode, " bench attention --set wide
expect 2 "--case 'prompt': no such shape" bench attention --case prompt
expect 2 '--batch: describes a shape' bench attention --set main --batch 4
expect 2 "--rows '0': wanted a whole number from 1" bench attention --rows 0
expect 2 'the lists make 625 shapes, wanted at most 512' bench attention --batch 1..16777216 --kv-len 1..16777216
expect 2 '--kv-len: found 9 to 8, wanted the smaller' bench attention --kv-len 9..8
expect 0 '^main +b8_h32_s8192_d64_full +8 +8192 +8192 +32 ' bench attention --list --set all
expect 0 '^deepseek_v3 +deepseek_v3_latent +2 +2048 +2048 +128 +1 +576 +512 ' bench attention --list --set deepseek_v3
expect 0 '^ +b3_h4k2_q2_l8-32_d16_w8 +3 +2 +8-32 ' bench attention --list --batch 3 --heads 4 --kv-heads 2 \
    --head-dim 16 --rows 2 --kv-len 8-32 --window 8
expect 0 '^eager +paged +[0-9.]+ ' bench attention --batch 1,2 --heads 4 --kv-heads 2 --head-dim 16 --rows all \
    --kv-len 8..32 --attention eager,flash --block-tokens 4 --seconds 0 --json "$work/attention.json"
got=$(awk -F'[:,]' '/"relative_error"/ { n += $2 < 1e-5 } /"kv_bytes"/ { m += $2 > 0 } END { print n, m }' "$work/attention.json")
if [ "$got" != '24 24' ]; then
  echo "FAILED: bench attention --json: found $got rows with a small error and with memory, wanted 24"
  failures=$((failures + 1))
fi
expect 0 ', values of 16 in the keys, no mask, f32 over fp8, nhd$' bench attention --batch 2 --heads 4 --kv-heads 1 \
    --head-dim 24 --v-head-dim 16 --latent --rows 30 --kv-len 20 --no-causal --kv-dtype fp8 --layout nhd --attention eager \
    --seconds 0 --json "$work/latent.json"
if [ "$(grep -Ec '"relative_error": [0-9.]+e-0?[6-9],' "$work/latent.json")" != 2 ]; then
  echo 'FAILED: bench attention: latent attention without a mask over fp8 has a large error'
  failures=$((failures + 1))
fi
expect 0 '^eager over static: the number of heads is not a multiple' bench attention --heads 3 --kv-heads 2 \
    --attention eager --json "$work/refused.json"
expect 0 '^eager over paged: queries, output, keys and values take [0-9.]+ GB: more than' bench attention \
    --batch 1000 --kv-len 1000000 --head-dim 64000 --attention eager
if [ "$(grep -c '"refused": "the number of heads' "$work/refused.json")" != 2 ]; then
  echo 'FAILED: bench attention --json: the refused cells are missing'
  failures=$((failures + 1))
fi
expect 0 '^eager +dynamic +[0-9.]+ ' bench attention --case wide --attention eager --kv-cache dynamic --seconds 0
# the tables of both
python3 "$root/tools/bench/bench_tables.py" "$work/attention.json" "$work/refused.json" "$work/bench.json" >"$work/tables"
for line in '| shape | eager, static | flash, static | eager, paged | flash, paged |' '| b2_h4k2_s32_d16 | ' \
    '| b1_h3k2_l512_d128 | (1) | (2) | (1) | (2) |' '- (1) the number of heads' '| attention / cache | 2 |' '| eager / paged | ' \
    '| batch | fastest | tokens/s |'; do
  if ! grep -Fq -- "$line" "$work/tables"; then
    echo "FAILED: bench_tables.py: no line $line"
    failures=$((failures + 1))
  fi
done
# a folder of record_gpu.sh, and the same in its shorter form
mkdir "$work/recording"
cp "$work/attention.json" "$work/recording/attention_windows.json"
cp "$work/bench.json" "$work/recording/table_default.json"
for name in attention_windows table_default; do
  printf '# commit 0123456\n# a machine\n# confgen bench\n' >"$work/recording/$name.txt"
done
python3 "$root/tools/bench/bench_tables.py" --page "$work/recording" >"$work/page" 2>"$work/err"
python3 "$root/tools/bench/bench_tables.py" --compact "$work/recording"
python3 "$root/tools/bench/bench_tables.py" --page "$work/recording" >"$work/page_of_compact" 2>"$work/err"
if ! grep -q '^## Windows$' "$work/page" || ! grep -q '^### The default model$' "$work/page" ||
   [ "$(grep -c . "$work/page")" != "$(grep -c . "$work/page_of_compact")" ]; then
  echo 'FAILED: bench_tables.py --page: a section is missing, or differs after --compact'
  failures=$((failures + 1))
fi
expect 2 'wanted one of them' bench decode --shape default --model "$root/data/confgen-default"
expect 0 '^flash +paged +[0-9.]+ ' bench attention --case prefill512 --seconds 0
expect 2 'no such plugin' bench attention --attention warp --case wide
expect 0 '^ +1 +yes +[0-9]+ ' bench tokenizer "$work/three.smi" --seconds 0
expect 0 '^ +2 +[0-9]+ ' bench templates "$root/data/geom_drugs_sample.smi" --seconds 0
expect 2 'missing operand: FILE' bench templates

# A standard output that cannot be written is an error of every command.
for arguments in --help --version 'plugins list' 'plugins --help' 'plugins list --help' doctor 'bench --help' \
  'bench templates '"$root/data/geom_drugs_sample.smi"' --seconds 0' 'eval --help'; do
  # shellcheck disable=SC2086 # words
  "$confgen" $arguments >/dev/full 2>"$work/err"
  got=$?
  if [ $got != 3 ] || ! grep -Eq '^confgen: standard output: cannot be written: (No space|an earlier write)' "$work/err"; then
    echo "FAILED: confgen $arguments >/dev/full: found status $got, wanted 3 and a message"
    failures=$((failures + 1))
  fi
done
# A message cannot act on the terminal.
expect 2 '^confgen: .a\\u009bb\\x1b\\u202e\\xff.: neither' "$(printf 'a\302\233b\033\342\200\256\377')"

echo "$failures failures"
[ $failures = 0 ]
