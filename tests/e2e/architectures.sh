#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tiny models of every architecture through the program: whole texts, independence of the batch.
. "$(dirname "$0")/lib.sh"

write_molecules mols.smi
for name in llama_biases qwen2_window qwen3_window mistral smollm3 gpt2 gpt_neox gpt_neox_sequential; do
  say "$name"
  tiny_model $name --like $name
  # the tokenizer as it is: transformers 5 has another one for the class of Qwen2
  model=(--model $name --tokenizer $name/tokenizer.json --geometry off --input mols.smi
    --limit 6 --gens 2 --seed 3 --overwrite --quiet)
  check 0 'flash over paged' "${model[@]}" --output a.sdf --report a.json --attention flash --kv-cache paged
  verdict '12 conformers' test "$(count_sdf <a.sdf)" = 12
  verdict 'none unfinished' test "$(json_number a.json unfinished)" = 0
  run 0 "${model[@]}" --output b.sdf --attention flash --kv-cache dynamic --batch-size 3 --threads 1
  same a.sdf b.sdf 'another batch and cache give the same bytes'
  run 0 "${model[@]}" --greedy --output c.smiles3d --attention flash
  run 0 "${model[@]}" --greedy --output d.smiles3d --attention eager
  run 0 "${model[@]}" --greedy --output e.smiles3d --attention efficient
  for other in d e; do
    verdict 'greedy conformers of eager, efficient and flash agree' \
      test "$(comm -12 <(sort c.smiles3d) <(sort $other.smiles3d) | wc -l)" -ge 10
  done
done

say 'what an architecture does not have'
check 2 'learned positions end' --model gpt2 --input mols.smi --output x.sdf --max-length 4096
says 'has learned positions, 2048 of them' 'the reason'
finish
