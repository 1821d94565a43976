#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Pairs of attention and KV cache: `plugins matrix` says of each what a run of it does, for every type of the cache and
# for a model with windows. Caches of each type, caches that give back what is behind a window, aliases of plugins.
. "$(dirname "$0")/lib.sh"

write_molecules mols.smi
tiny_model plain
tiny_model windows --like mistral
run_of() { # MODEL STATUS ARG...
  local model=$1 status=$2
  shift 2
  run "$status" --model "$model" --tokenizer "$model/tokenizer.json" --geometry off --input mols.smi --limit 3 \
    --seed 3 --overwrite --quiet --report report.json "$@"
}
reported() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" report.json; }

# agrees MODEL KV_DTYPE: runs every pair of the matrix. Prints the pairs whose run says something else.
agrees() {
  local attention cache verdict status
  "$CONFGEN" plugins matrix --model "$1" --kv-dtype "$2" | tail -n +2 | sed 's/  */ /; s/  */ /' >matrix
  while read -r attention cache verdict; do
    status=0
    "$CONFGEN" --model "$1" --tokenizer "$1/tokenizer.json" --geometry off --input mols.smi --limit 1 --overwrite \
      --quiet --output one.sdf --attention "$attention" --kv-cache "$cache" --kv-dtype "$2" 2>err || status=$?
    case $verdict in
    ok) [ $status = 0 ] ;;
    *) [ $status = 3 ] && [ "$(cat err)" = "confgen: $verdict" ] ;;
    esac || echo "$attention over $cache: matrix '$verdict', run $status: $(cat err)"
  done <matrix
  [ -s matrix ] || echo 'no matrix'
}
for case in 'plain auto' 'plain bf16' 'plain fp8' 'plain int8' 'windows auto' 'windows int8'; do
  agrees $case >other
  verdict "matrix and runs agree: ${case/ /, KV cache of }$(head -n 1 other | sed 's/^/: /')" test ! -s other
done

say 'types of the KV cache'
run_of plain 0 --gens 2 --kv-dtype f32 --output f32.sdf
bytes_f32=$(json_number report.json kv_token_bytes)
for type in bf16 f16 fp8 int8; do
  run_of plain 0 --gens 2 --kv-dtype $type --output $type.sdf
  verdict "$type: 6 conformers" test "$(count_sdf <$type.sdf)" = 6
  verdict "$type: the report" test "$(reported kv_dtype)" = $type
  verdict "$type: a token takes less than 0.6 of f32" test $((10 * $(json_number report.json kv_token_bytes))) -lt \
    $((6 * bytes_f32))
  run_of plain 0 --gens 2 --kv-dtype $type --output got.sdf --kv-cache static --batch-size 2 --threads 1
  same $type.sdf got.sdf "$type: another batch and cache give the same bytes"
done
run_of plain 0 --gens 2 --kv-cache int8 --output got.sdf && same int8.sdf got.sdf 'the alias int8 is --kv-dtype int8'
run 3 --model plain --tokenizer plain/tokenizer.json --geometry off --input mols.smi --limit 3 --seed 3 --quiet \
  --output int8.sdf --gens 2 --resume
says "had kv_dtype 'int8', this one has 'f32'" '--resume refuses another type'

say 'windows'
# Long texts, whole and with sequences that repair rolls back; the tiny model's geometry is beyond it.
head -n 3 "$data/geom_drugs_sample.smi" >long.smi
long=(--model windows --tokenizer windows/tokenizer.json --input long.smi --gens 2 --seed 3 --overwrite --quiet)
for geometry in off count repair; do
  status=0
  "$CONFGEN" "${long[@]}" --geometry $geometry --kv-cache static --output want.sdf --failed want.tsv 2>err || status=$?
  for shape in '' '--batch-size 1 --step-tokens 7' '--batch-size 3 --prompt-step-tokens 150'; do
    # shellcheck disable=SC2086
    run $status "${long[@]}" --geometry $geometry --kv-cache window $shape --output got.sdf --failed got.tsv ||
      continue
    same want.sdf got.sdf "window, geometry $geometry $shape: the records of a cache that keeps all tokens"
    same want.tsv got.tsv "window, geometry $geometry $shape: its failures"
  done
done

say 'aliases'
run 0 plugins list && verdict 'the list has them' grep -Eq '^attention +flash_attention_2 +flash$' out
verdict 'with what they include' grep -Eq '^cache +fp8 +paged with --kv-dtype fp8$' out
cp out list
run_of plain 0 --attention flash --output want.sdf
run_of plain 0 --attention sdpa_flash --output got.sdf && same want.sdf got.sdf 'sdpa_flash is flash'
verdict 'the report has the plugin' test "$(reported attention)" = flash
verdict 'and the word' test "$(reported attention_reason)" = "requested as 'sdpa_flash'"
run_of plain 0 --attention flash_attention_2 --output got.sdf && same want.sdf got.sdf 'flash_attention_2 is flash'
run_of plain 0 --attention auto --output want.sdf
run_of plain 0 --attention sdpa --output got.sdf && same want.sdf got.sdf 'sdpa is auto'
run_of plain 0 --attention sdpa_math --output got.sdf && verdict 'sdpa_math is eager' test "$(reported attention)" = eager
if grep -q '^attention  *cudnn ' list; then
  run_of plain 3 --attention sdpa_cudnn --output x.sdf && says "attention 'cudnn': " 'sdpa_cudnn is cudnn'
else
  run_of plain 2 --attention sdpa_cudnn --output x.sdf
  says "attention 'sdpa_cudnn': an alias of 'cudnn', a plugin that is not installed" 'cudnn is not installed'
fi
if grep -q '^attention  *hopper ' list; then
  verdict 'flash_attention_3 is hopper' grep -Eq '^attention +flash_attention_3 +hopper$' list
  run_of plain 3 --attention flash_attention_3 --output x.sdf && says "attention 'hopper': " 'which needs a GPU'
else
  verdict 'what is not installed' grep -Eq '^attention +flash_attention_3 +hopper \(not installed\)$' list
  run_of plain 2 --attention flash_attention_3 --output x.sdf
  says "attention 'flash_attention_3': an alias of 'hopper', a plugin that is not installed; there are: .*flash" \
    'an alias of it'
fi
run_of plain 2 --attention psychic --output x.sdf
says "attention 'psychic': no such plugin; there are: .*; aliases: sdpa, sdpa_math" 'an unknown name'
run_of plain 2 --kv-cache int8 --kv-dtype f32 --output x.sdf
says 'kv-cache int8 is paged with kv-dtype int8, but kv-dtype is f32; wanted one of them' 'an alias against an option'
run_of plain 3 --kv-cache window --output x.sdf
says "kv-cache window: a layer of model 'plain' attends to all of up to [0-9]+ tokens; wanted kv-cache paged" \
  'no window'
run_of plain 0 --kv-cache paged --output want.sdf
verdict 'the report has the type' test "$(reported kv_dtype)" = f32
run_of windows 0 --kv-cache paged --output want.sdf
run_of windows 0 --kv-cache window --output got.sdf && same want.sdf got.sdf 'window is paged'
finish
