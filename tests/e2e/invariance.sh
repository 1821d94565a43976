#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Output bytes depend only on model, molecules, seed and sampling: not on threads, workers, batch size,
# KV cache, token cache or shards. The default model with long and short molecules.
. "$(dirname "$0")/lib.sh"

{ sed -n '2p;8p' "$data/geom_drugs_sample.smi"; printf 'CCO a 2\nC1CC1 b 2\nC1CC bad 2\nBr c 1\n'; } >in.smi
common=(--input in.smi --limit 5 --gens 3 --seed 5 --quiet --overwrite)
say "--limit 5 --gens 3, with one bad molecule"
run 1 "${common[@]}" --threads 2 --template-workers 2 --batch-size 64 --kv-cache paged \
  --attention flash --output want.sdf
verdict '12 records' test "$(count_sdf <want.sdf)" = 12

variants=('--threads 1' '--threads 3' '--template-workers 1' '--template-workers 4'
  '--batch-size 1' '--batch-size 7' '--batch-size 7 --threads 3 --template-workers 4'
  '--kv-cache static' '--kv-cache dynamic' '--kv-cache dynamic --batch-size 3 --threads 1'
  '--cache-tokenizer' '--attention auto' '--parallel-templates' '--step-tokens 5'
  '--prompt-step-tokens 100' '--prompt-step-tokens 7 --batch-size 7 --kv-cache dynamic'
  '--max-length 1500 --kv-cache static' '--device cpu --dtype f32 --deterministic')
for variant in "${variants[@]}"; do
  # shellcheck disable=SC2086 # several words
  run 1 "${common[@]}" $variant --output got.sdf || continue
  same want.sdf got.sdf "$variant"
done
for isa in avx2 generic; do
  CONFGEN_FLASH_ISA=$isa run 1 "${common[@]}" --batch-size 7 --output $isa.7.sdf || continue
  CONFGEN_FLASH_ISA=$isa run 1 "${common[@]}" --threads 1 --output $isa.sdf || continue
  same $isa.7.sdf $isa.sdf "flash for $isa equals itself at another batch size"
done
run 1 "${common[@]}" --attention eager --batch-size 7 --kv-cache paged --output eager.7.sdf &&
  run 1 "${common[@]}" --attention eager --threads 1 --kv-cache static --output eager.sdf &&
  same eager.7.sdf eager.sdf 'eager equals itself with another cache, batch size and threads'

say 'three shards joined are the whole, in every container'
for ending in sdf sdf.zst sdf.gz; do
  run 1 "${common[@]}" --output "whole.$ending" || true
  for i in 0 1 2; do
    "$CONFGEN" "${common[@]}" --shard $i/3 --output "part$i.$ending" 2>err || [ $? = 1 ] ||
      fail "shard $i of $ending"
  done
done
same want.sdf <(cat part[012].sdf) 'plain'
same want.sdf <(zstdcat whole.sdf.zst) 'zst, whole'
same want.sdf <(zstdcat part[012].sdf.zst) 'zst, unpacked together'
same want.sdf <(cat part[012].sdf.zst | zstdcat) 'zst, joined as files'
same want.sdf <(cat part[012].sdf.gz | zcat) 'gz, joined as files'
run 1 "${common[@]}" --output again.sdf.zst
same whole.sdf.zst again.sdf.zst 'a second run gives the same compressed bytes'
run 0 "${common[@]}" --shard 1/3 && verdict 'the default name of a shard has its number' \
  test -s in.1-of-3.sdf.zst
for shard in 3/3 -1/3 1/0 a/3 1; do
  check 2 "--shard $shard is refused" "${common[@]}" --shard=$shard --output no.sdf
done
check 2 'shards of standard input are refused' "${common[@]}" --input - --shard 0/2 --output no.sdf
finish
