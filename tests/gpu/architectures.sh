#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tiny models of every architecture on a GPU: bf16 by each attention plugin, f32 as on the CPU.
. "$(dirname "$0")/../e2e/lib.sh"

if ! "$CONFGEN" --input "$data/geom_drugs_sample.smi" --limit 1 --device cuda --tune never \
  --output probe.sdf >out 2>err; then
  # skipped without driver, module or GPU; any other error is a failure
  if grep -Eq 'no NVIDIA driver|no CUDA module|cannot be read|(serves|supports) CUDA|this machine has|no GPU' err; then
    skip "$(tail -n 1 err)"
  fi
  fail 'a conformer on the GPU'
  finish
fi
run 0 plugins matrix --device cuda --batch-size 512 || true
attentions=(eager flash)
if grep -q '^cudnn ' out && ! grep -q '^cudnn .*cuDNN 9 not found' out; then attentions+=(cudnn); fi

for name in llama_biases qwen2_window qwen3_window mistral smollm3 gpt2 gpt_neox gpt_neox_sequential; do
  say "$name"
  tiny_model $name --like $name
  # the tokenizer as it is: transformers 5 has another one for the class of Qwen2
  model=(--model $name --tokenizer $name/tokenizer.json --input "$data/geom_drugs_sample.smi" --limit 8 --seed 3
    --geometry off --overwrite --tune never)
  for attention in "${attentions[@]}"; do
    run 0 "${model[@]}" --device cuda --gens 4 --attention "$attention" --output a.sdf --report a.json || true
    verdict "$attention: 32 conformers, none unfinished" \
      test "$(json_number a.json conformers) $(json_number a.json unfinished)" = '32 0'
  done
  run 0 "${model[@]}" --device cpu --greedy --output cpu.smiles3d || true
  run 0 "${model[@]}" --device cuda --greedy --dtype f32 --attention eager --output gpu.smiles3d || true
  equal=$(comm -12 <(sort cpu.smiles3d) <(sort gpu.smiles3d) | wc -l)
  verdict "f32: $equal of 8 greedy conformers equal those of the CPU, wanted 7" test "$equal" -ge 7
done

say 'pages behind a window'
model=(--model mistral --tokenizer mistral/tokenizer.json --input "$data/geom_drugs_sample.smi" --limit 8 --gens 8
  --seed 3 --deterministic --overwrite --tune never --device cuda --kv-cache window)
run 0 "${model[@]}" --geometry off --output want.sdf || true
for shape in '--batch-size 1' '--batch-size 7 --step-tokens 128'; do
  # shellcheck disable=SC2086
  run 0 "${model[@]}" --geometry off $shape --output got.sdf || continue
  same want.sdf got.sdf "given back, $shape"
done
run 3 "${model[@]}" --geometry repair --output got.sdf || true
says 'on a GPU a repair may go back to any token' 'not with repair'
finish
