#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Records the GPU figures of tools/bench/NOTES.md: runs each command and writes its output, headed by
# commit, GPU and command, to one log.
#
#   tools/bench/record_gpu.sh OUT [NAME...]      NAME: the figures to record (default: all)
#
# CONFGEN names the program (build/confgen), COMMIT the commit (default: asked of git), QWEN3 a folder with
# Qwen3's vocab.json and merges.txt (its figures are skipped without it), REF and MOLECULES the references and
# molecules of tools/study/make_references.py (the quality figures are skipped without them), TORCH a Python with
# PyTorch (its back ends are skipped without it).
set -uo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
(($# >= 1)) || { sed -n '3,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1
shift
. "$root/tools/bench/record.sh"
machine="GPU $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | sort | uniq -c | sed 's/^ *//')"
prepare

list=$root/data/geom_drugs_test.smi
llama=(--shape llama380m --tokenizer "$work/llama3" --max-length 1280 --molecules "$list" --temperature 1)
python3 "$root/tools/bench/pad_tokenizer.py" "$root/tests/data/tokenizers/llama3_test" "$work/llama3" || exit 2

record doctor doctor
record default_full --input "$list" --gens 2k --device cuda --tune never --attention flash --kv-cache paged \
  --batch-size 1000 --output "$work/full.sdf.zst" --report "$out/default_full.json" --quiet
for mode in off count repair; do
  record "default_64_$mode" --input "$list" --gens 64 --device cuda --tune never --attention flash \
    --kv-cache paged --batch-size 1000 --geometry $mode --output "$work/$mode.sdf.zst" \
    --report "$out/default_64_$mode.json" --quiet
done
record llama_512 bench decode --device cuda "${llama[@]}" --gens 8 --batch 512 --kv-cache static,paged \
  --attention flash --constraint none,grammar --json "$out/llama_512.json"
record llama_1024 bench decode --device cuda "${llama[@]}" --gens 8 --batch 1024 --kv-cache paged \
  --attention flash --constraint grammar --json "$out/llama_1024.json"
record llama_16 bench decode --device cuda "${llama[@]}" --gens 1 --limit 100 --batch 16 --kv-cache paged \
  --attention flash --constraint grammar --json "$out/llama_16.json"
record llama_caches bench decode --device cuda "${llama[@]}" --gens 4 --limit 400 --batch 64,256 \
  --kv-cache dynamic,static,paged --attention flash --constraint grammar --json "$out/llama_caches.json"
record llama_deterministic bench decode --device cuda "${llama[@]}" --gens 4 --limit 500 --batch 512 \
  --kv-cache paged --attention flash --constraint grammar --deterministic --json "$out/llama_deterministic.json"
if [ -n "${QWEN3:-}" ]; then
  record qwen3_512 bench decode --device cuda --shape qwen3-0.6b --tokenizer "$QWEN3" --max-length 1920 \
    --molecules "$list" --temperature 1 --gens 4 --limit 600 --batch 512 --kv-cache paged --attention flash \
    --constraint none,grammar --free-tokens 650 --json "$out/qwen3_512.json"
fi
if [ -n "${QWEN3:-}" ]; then # text formats, with all work of a run but geometry tests
  python3 "$root/tools/bench/make_format_models.py" "$QWEN3" "$list" "$work/formats" || exit 2
  head -n 300 "$list" >"$work/list300.smi"
  for round in 1 2; do
    for format in decimals bins codes; do
      record "format_${format}_$round" --model "$work/formats/$format" --input "$work/list300.smi" --gens 8 --seed $round \
        --geometry off --device cuda --tune never --attention flash --kv-cache paged --batch-size 512 \
        --output "$work/$format.sdf.zst" --overwrite --report "$out/format_${format}_$round.json"
    done
  done
fi
# prompts: 1,000 of them with one token after each, then with one conformer of each, by rows of a prompt step
for rows in off auto 256 512 1024 2048 4096; do
  prompts=(--gens 1 --batch 512 --kv-cache paged --attention flash --prompt-step-tokens $rows)
  record "prompts_default_$rows" bench decode --device cuda --molecules "$list" "${prompts[@]}" --constraint none \
    --max-new-tokens 1 --rounds 3 --json "$out/prompts_default_$rows.json"
  record "prompts_llama_$rows" bench decode --device cuda "${llama[@]}" "${prompts[@]}" --constraint none \
    --max-new-tokens 1 --rounds 3 --json "$out/prompts_llama_$rows.json"
  record "prompts_run_$rows" bench decode --device cuda --molecules "$list" "${prompts[@]}" --constraint grammar \
    --rounds 3 --json "$out/prompts_run_$rows.json"
done
if command -v ncu >/dev/null; then # kernels from one gather_prompts_kernel to the next are those of a prompt step
  for rows in off auto; do
    program=ncu record "prompts_profile_$rows" --kernel-name 'regex:gather_kernel|gather_prompts|flash_' \
      --launch-count 64 --graph-profiling node --metrics gpu__time_duration.sum --kill yes \
      "${CONFGEN:-$root/build/confgen}" bench decode --device cuda --molecules "$list" --limit 64 --gens 1 --batch 512 \
      --kv-cache paged --attention flash --prompt-step-tokens $rows --constraint none --max-new-tokens 1
  done
fi
record attention_prefill bench attention --device cuda --set prefill --json "$out/attention_prefill.json"
record attention_decode bench attention --device cuda --set decode --json "$out/attention_decode.json"
sets=(main main_b4 b16_s512 b4_s2048 prompt prompt_batch generator generator_batch token deepseek_v3 llama_70b llama_405b)
for set in "${sets[@]}"; do
  record "attention_$set" bench attention --device cuda --set "$set" --json "$out/attention_$set.json"
done
record attention_kv_types bench attention --device cuda --set decode --kv-dtype bf16,fp8,int8 \
  --json "$out/attention_kv_types.json"
record attention_head_sizes bench attention --device cuda --batch 256 --heads 16 --kv-heads 8 \
  --head-dim 56,64,80,96,128,192,256 --kv-len 128,512 --json "$out/attention_head_sizes.json"
record attention_windows bench attention --device cuda --batch 256 --heads 16 --kv-heads 8 --kv-len 4096 \
  --window 0,128,512,2048 --json "$out/attention_windows.json"
record attention_layouts bench attention --device cuda --set decode --layout hnd,nhd --json "$out/attention_layouts.json"
record attention_latent bench attention --device cuda --batch 1,16,128,512 --heads 16,64,128 --kv-heads 1 --head-dim 576 \
  --v-head-dim 512 --latent --kv-len 512..8192 --json "$out/attention_latent.json"
if [ -n "${TORCH:-}" ]; then
  for set in prefill decode "${sets[@]}"; do
    program=$TORCH record "torch_$set" "$root/tools/bench/compare_hf.py" --attention --confgen "${CONFGEN:-$root/build/confgen}" \
      --out "$out/torch_$set.jsonl" -- --set "$set"
  done
fi
# every attention over every cache by batch size; the fastest pair of each
table=(--device cuda --molecules "$list" --temperature 1 --attention all --kv-cache all --batch 1,16,128,512,1024
  --batches 2 --constraint grammar)
llama3=(--tokenizer "$work/llama3" --max-length 1280)
record table_default bench decode "${table[@]}" --shape default --json "$out/table_default.json"
record table_llama380m bench decode "${table[@]}" --shape llama380m "${llama3[@]}" --json "$out/table_llama380m.json"
record table_llama1b bench decode "${table[@]}" --shape llama1b "${llama3[@]}" --json "$out/table_llama1b.json"
record table_llama7b bench decode "${table[@]}" --shape llama7b --max-length 1280 --json "$out/table_llama7b.json"
record table_gpt2 bench decode "${table[@]}" --shape gpt2 --max-length 1024 --json "$out/table_gpt2.json"
if [ -n "${QWEN3:-}" ]; then
  record table_qwen3-0.6b bench decode "${table[@]}" --shape qwen3-0.6b --tokenizer "$QWEN3" --max-length 1920 \
    --free-tokens 650 --json "$out/table_qwen3-0.6b.json"
fi
if [ -n "${REF:-}" ] && [ -n "${MOLECULES:-}" ]; then
  quality=(--input "$MOLECULES" --gens 2k --seed 1 --device cuda --tune never --attention flash
    --kv-cache paged --batch-size 512 --check)
  for mode in off repair; do
    record "quality_run_$mode" "${quality[@]}" --geometry $mode --output "$work/q_$mode.sdf.zst" \
      --report "$out/quality_run_$mode.json" --quiet
    record "quality_$mode" eval --ref "$REF" --gen "$work/q_$mode.sdf.zst" --json "$work/q_$mode.json"
  done
  record quality_compare eval --compare "$work/q_off.json" "$work/q_repair.json"
  for kv in bf16 fp8 int8; do
    record "kv_run_$kv" "${quality[@]}" --kv-dtype $kv --output "$work/kv_$kv.sdf.zst" --report "$out/kv_run_$kv.json" --quiet
    record "kv_$kv" eval --ref "$REF" --gen "$work/kv_$kv.sdf.zst" --json "$work/kv_$kv.json"
  done
  for kv in fp8 int8; do
    record "kv_compare_$kv" eval --compare "$work/kv_bf16.json" "$work/kv_$kv.json"
  done
  for constraint in none template grammar; do
    record "constraint_run_$constraint" --input "$MOLECULES" --gens 2k --seed 0 --temperature 1.0 --device cuda \
      --tune never --attention flash --kv-cache paged --batch-size 512 --geometry off --constraint $constraint \
      --output "$work/c_$constraint.sdf.zst" --report "$out/constraint_run_$constraint.json" --quiet
    record "constraint_$constraint" eval --ref "$REF" --gen "$work/c_$constraint.sdf.zst" \
      --json "$work/c_$constraint.json"
  done
  record constraint_compare eval --compare "$work/c_none.json" "$work/c_grammar.json"
fi
exit $failed
