#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Records the GPU figures of tools/bench: runs each command and writes its output, headed by commit, GPU and command, to
# one log; bench_tables.py --page makes TABLES.md of them.
#
#   tools/bench/record_gpu.sh OUT [NAME...]
#
# OUT: a new folder. NAME: a record or a group of records (default: all), in this order:
#   attention  every table of attention
#   torch      PyTorch's back ends on the shapes of `attention`, which must be of this call
#   prompts    1,000 prompts by rows of a prompt step, and the kernels that compute them
#   quality    types of the KV cache against references; study: repair and constraints
#   tables     full models: attention x cache x batch size
#   tune       the pairs that --tune selects
#   runs       the main job, and the runs of NOTES.md#decode
#   llama_list the list with a model of 380 M parameters
#   formats    text formats
#
# CONFGEN names the program (build/confgen), COMMIT the commit (default: asked of git), QWEN3 a folder with
# Qwen3's vocab.json and merges.txt (its figures are skipped without it), REF and MOLECULES the references and
# molecules of tools/study/make_references.py (the quality figures are skipped without them), TORCH a Python with
# PyTorch (its back ends are skipped without it), BUDGET the seconds after which no record is begun. DEVICE=cpu runs the
# same commands with tiny sizes, to test this script.
set -uo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
(($# >= 1)) || { sed -n '3,25s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
shift
. "$root/tools/bench/record.sh"
device=${DEVICE:-cuda}
if [ "$device" = cpu ]; then
  machine="CPU, a test of the script with tiny sizes"
  limit_factor=20 # the limits are those of a GPU
else
  machine="GPU $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | sort | uniq -c | sed 's/^ *//')"
fi
prepare

list=$root/data/geom_drugs_test.smi
python3 "$root/tools/bench/pad_tokenizer.py" "$root/tests/data/tokenizers/llama3_test" "$work/llama3" || exit 2
llama_tokenizer=(--tokenizer "$work/llama3" --max-length 1280)

tiny_model=() tiny_list=() tiny_shape=()
if [ "$device" = cpu ]; then # later options win
  tiny_list=(--limit 3 --batch 2 --seconds 0 --rounds 1)
  tiny_shape=(--shape default)
  tiny_model=("${tiny_list[@]}" "${tiny_shape[@]}" --attention flash --kv-cache paged --batch 1,2)
fi

group=doctor
limit=60 record doctor doctor

# ---- attention ----------------------------------------------------------------------------------
#
# A cell takes at least five rounds of 4 ms, but no more than 0.1 s of them. On prompts efficient and eager, which use no
# matrix units, are measured over a contiguous cache on the shapes of which a call takes less than about 0.15 s.
group=attention
limit=60
# cases SETS GFLOP: the shapes of sets that need at most so many operations
cases() {
  "$program" bench attention --list --set "$1" | awk -v most="$2" '
    NR > 1 { pairs = $10 == "none" ? $4 * $5 : $4 * ($5 - $4 + ($4 + 1) / 2)
             if (2 * $3 * pairs * $6 * ($8 + $9) * 1e-9 <= most) printf "%s%s", n++ ? "," : "", $2 }'
}
# attention NAME OPTION...: cells of tables of attention; of sets if --set is the first option
attention() {
  local name=$1
  shift
  wanted "attention_$name" || return 0
  if [ "$device" = cpu ]; then
    [ "$1" = --set ] && set -- "$@" --case "$(cases "$2" 130 | cut -d, -f1)" || set -- "$@" --batch 2 --kv-len 64
    set -- "$@" --attention flash
  fi
  record "attention_$name" bench attention --device "$device" "$@" --seconds 0.02 --max-call 1 \
    --json "$out/attention_$name.json"
}
# slow NAME SETS: cells of efficient and eager
slow() {
  attention "$1_efficient" --set "$2" --case "$(cases "$2" 1200)" --attention efficient --kv-cache static
  attention "$1_eager" --set "$2" --case "$(cases "$2" 300)" --attention eager --kv-cache static
}
fast=(--attention flash,hopper,cudnn)
wide=(--batch 256 --heads 16 --kv-heads 8)
latent=(--kv-heads 1 --head-dim 576 --v-head-dim 512 --latent --kv-len 512,2048,8192)
attention prefill --set prefill
attention decode --set decode
attention main --set main,b16_s512,b4_s2048,main_b4 "${fast[@]}"
attention layers --set deepseek_v3,llama_70b,llama_405b "${fast[@]}"
attention generator --set generator,generator_batch,token
attention prompt --set prompt,prompt_batch "${fast[@]}"
slow main main,b16_s512,b4_s2048,main_b4
slow layers deepseek_v3,llama_70b,llama_405b
slow prompt prompt,prompt_batch
attention kv_types --set decode --kv-dtype fp8,int8
attention kv_types_prefill --set prefill --kv-dtype fp8 "${fast[@]}"
attention layouts --set decode --layout nhd
attention head_sizes "${wide[@]}" --head-dim 56,64,80,96,128,192,256 --kv-len 128,512
attention windows "${wide[@]}" --kv-len 4096 --window 0,128,512,2048
attention latent --batch 1,16,128,512 --heads 16,128 "${latent[@]}" "${fast[@]}"
attention latent_slow --batch 16 --heads 16,128 "${latent[@]}" --attention efficient,eager --kv-cache static

# ---- PyTorch ------------------------------------------------------------------------------------
group=torch
if [ -n "${TORCH:-}" ] && wanted torch; then
  figures=()
  for name in main layers prefill decode generator prompt; do
    [ ! -s "$out/attention_$name.json" ] || figures+=("$out/attention_$name.json")
  done
  limit=150 program=$TORCH record torch "$root/tools/bench/compare_hf.py" --attention --device "$device" --max-call 0.5 \
    --budget "${TORCH_BUDGET:-100}" --figures ${figures[@]+"${figures[@]}"} --out "$out/torch.jsonl"
fi

# ---- prompts ------------------------------------------------------------------------------------
#
# 1,000 of them with one token after each, then with one conformer of each, by rows of a prompt step.
group=prompts
limit=40
for rows in off auto ${PROMPT_ROWS:-}; do
  prompts=(--gens 1 --rounds 3 --batch 512 --kv-cache paged --attention flash --prompt-step-tokens $rows --molecules "$list"
    ${tiny_list[@]+"${tiny_list[@]}"})
  record "prompts_default_$rows" bench decode --device "$device" "${prompts[@]}" --constraint none --max-new-tokens 1 \
    --json "$out/prompts_default_$rows.json"
  record "prompts_llama_$rows" bench decode --device "$device" "${prompts[@]}" --shape llama380m "${llama_tokenizer[@]}" \
    --temperature 1 --constraint none --max-new-tokens 1 ${tiny_shape[@]+"${tiny_shape[@]}"} \
    --json "$out/prompts_llama_$rows.json"
  record "prompts_run_$rows" bench decode --device "$device" "${prompts[@]}" --constraint grammar \
    --json "$out/prompts_run_$rows.json"
done
if command -v ncu >/dev/null; then # kernels from one gather_prompts_kernel to the next are those of a prompt step
  for rows in off auto; do
    program=ncu record "prompts_profile_$rows" --kernel-name 'regex:gather_kernel|gather_prompts|flash_' \
      --launch-count 64 --graph-profiling node --metrics gpu__time_duration.sum --kill yes \
      "${CONFGEN:-$root/build/confgen}" bench decode --device "$device" --molecules "$list" --limit 64 --gens 1 \
      --batch 512 --kv-cache paged --attention flash --prompt-step-tokens $rows --constraint none --max-new-tokens 1
  done
fi

# ---- quality ------------------------------------------------------------------------------------
group=quality
limit=60
if [ -n "${REF:-}" ] && [ -n "${MOLECULES:-}" ]; then
  if [ "$device" = cpu ]; then
    head -n 2 "$MOLECULES" >"$work/few.smi"
    MOLECULES=$work/few.smi
  fi
  quality=(--input "$MOLECULES" --gens 2k --device "$device" --tune never --attention flash --kv-cache paged
    --batch-size 512)
  for kv in bf16 fp8 int8; do
    record "kv_run_$kv" "${quality[@]}" --seed 1 --check --kv-dtype $kv --output "$work/kv_$kv.sdf.zst" \
      --report "$out/kv_run_$kv.json" --quiet
    record "kv_$kv" eval --ref "$REF" --gen "$work/kv_$kv.sdf.zst" --json "$work/kv_$kv.json"
  done
  for kv in fp8 int8; do
    record "kv_compare_$kv" eval --compare "$work/kv_bf16.json" "$work/kv_$kv.json"
  done
  group=study
  for mode in off repair; do
    record "quality_run_$mode" "${quality[@]}" --seed 1 --check --geometry $mode --output "$work/q_$mode.sdf.zst" \
      --report "$out/quality_run_$mode.json" --quiet
    record "quality_$mode" eval --ref "$REF" --gen "$work/q_$mode.sdf.zst" --json "$work/q_$mode.json"
  done
  record quality_compare eval --compare "$work/q_off.json" "$work/q_repair.json"
  for constraint in none template grammar; do
    record "constraint_run_$constraint" "${quality[@]}" --seed 0 --temperature 1.0 --top-p 1 --geometry off \
      --constraint $constraint --output "$work/c_$constraint.sdf.zst" --report "$out/constraint_run_$constraint.json" \
      --quiet
    record "constraint_$constraint" eval --ref "$REF" --gen "$work/c_$constraint.sdf.zst" \
      --json "$work/c_$constraint.json"
  done
  record constraint_compare eval --compare "$work/c_none.json" "$work/c_grammar.json"
fi

# ---- full models --------------------------------------------------------------------------------
#
# Molecules of 12 to 14 heavy atoms, as many generations as a batch needs, once, after a warm-up of a batch: short
# sequences of nearly one length, so that a cell takes seconds. The slow plugins (efficient, eager) and the cache that
# differs from static in its growth alone (dynamic) are measured on a part of the grid; the larger models too.
group=tables
python3 - "$list" >"$work/mid.smi" <<'PYTHON' || exit 2
import re, sys
for line in open(sys.argv[1]):
    atoms = re.findall(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]", line.split()[0])
    if 12 <= len(atoms) <= 14:
        print(line, end="")
PYTHON
cp "$work/mid.smi" "$out/table_molecules.smi"
# table NAME ATTENTION CACHES BATCHES LIMIT OPTION...: cells of the table of a model
table() {
  local name=$1 attention=$2 caches=$3 batches=$4
  local limit=$5
  shift 5
  record "table_$name" bench decode --device "$device" --molecules "$work/mid.smi" --temperature 1 --constraint grammar \
    --batches 1 --attention "$attention" --kv-cache "$caches" --batch "$batches" "$@" ${tiny_model[@]+"${tiny_model[@]}"} \
    --json "$out/table_$name.json"
}
all_batches=1,16,128,512,1024
llama() { table "$1" "$2" "$3" "$4" "$5" --shape llama380m "${llama_tokenizer[@]}" --max-length 512; }
qwen3() {
  [ -z "${QWEN3:-}" ] || table "$1" "$2" "$3" "$4" "$5" --shape qwen3-0.6b --tokenizer "$QWEN3" --max-length 768
}
llama llama380m flash,hopper,cudnn static,paged $all_batches 90
qwen3 qwen3-0.6b flash static,paged $all_batches 60
qwen3 qwen3-0.6b_others hopper,cudnn static $all_batches 70
table default flash,hopper,cudnn,efficient,eager static,paged $all_batches 80
llama llama380m_slow efficient,eager static 16,128,512 40
llama llama380m_dynamic flash dynamic $all_batches 20
table default_dynamic flash dynamic $all_batches 20
table gpt2 flash,hopper,cudnn,efficient,eager static,paged 16,512 40 --shape gpt2 --max-length 512
table llama1b flash,hopper,cudnn static,paged 16,512 60 --shape llama1b "${llama_tokenizer[@]}" --max-length 512
qwen3 qwen3-0.6b_slow efficient,eager static 16,128 30
table llama7b flash,hopper,cudnn static 16,128 60 --shape llama7b --max-length 512
table llama1b_slow efficient,eager static 128 20 --shape llama1b "${llama_tokenizer[@]}" --max-length 512
qwen3 qwen3-0.6b_paged hopper,cudnn paged 512 30
table llama7b_paged flash paged 16,128 30 --shape llama7b --max-length 512

# ---- what --tune selects, beside the table of the default model; ship_tunings.py makes data/tunings.json of it -----
group=tune
limit=100
head -n 3 "$work/mid.smi" >"$work/three.smi"
tune() {
  local name=$1
  shift
  CONFGEN_CACHE_DIR=$work/tunings record "$name" --input "$work/three.smi" --device "$device" "$@" \
    --output "$work/$name.sdf.zst" --report "$out/$name.json" --quiet
}
tune tune --tune always --gens 1
tune tune_off --tune always --gens 1 --geometry off
tune tune_off_deterministic --tune always --gens 1 --geometry off --deterministic
tune tune_repair_deterministic --tune always --gens 1 --deterministic
[ ! -f "$work/tunings/tuning.json" ] || cp "$work/tunings/tuning.json" "$out/tunings.json"

# ---- runs ---------------------------------------------------------------------------------------
group=runs
limit=300
full=(--input "$list" --device "$device" --tune never --attention flash --kv-cache paged --batch-size 1000 --quiet)
[ "$device" != cpu ] || full=(--input "$work/three.smi" --device cpu --quiet)
record default_full "${full[@]}" --gens 2k --output "$work/full.sdf.zst" --report "$out/default_full.json"
for mode in off count repair; do
  record "default_64_$mode" "${full[@]}" --gens 64 --geometry $mode --output "$work/$mode.sdf.zst" \
    --report "$out/default_64_$mode.json"
done
llama=(--shape llama380m "${llama_tokenizer[@]}" --molecules "$list" --temperature 1)
# decode NAME OPTION...
decode() {
  local name=$1
  shift
  record "$name" bench decode --device "$device" --attention flash "$@" ${tiny_list[@]+"${tiny_list[@]}"} \
    ${tiny_shape[@]+"${tiny_shape[@]}"} --json "$out/$name.json"
}
decode llama_512 "${llama[@]}" --gens 8 --batch 512 --kv-cache static,paged --constraint none,grammar
decode llama_1024 "${llama[@]}" --gens 8 --batch 1024 --kv-cache paged --constraint grammar
decode llama_16 "${llama[@]}" --gens 1 --limit 100 --batch 16 --kv-cache paged --constraint grammar
decode llama_caches "${llama[@]}" --gens 4 --limit 400 --batch 64,256 --kv-cache dynamic,static,paged --constraint grammar
decode llama_deterministic "${llama[@]}" --gens 4 --limit 500 --batch 512 --kv-cache paged --constraint grammar \
  --deterministic
if [ -n "${QWEN3:-}" ]; then
  decode qwen3_512 --shape qwen3-0.6b --tokenizer "$QWEN3" --max-length 1920 --molecules "$list" --temperature 1 --gens 4 \
    --limit 600 --batch 512 --kv-cache paged --constraint none,grammar --free-tokens 650
fi

# ---- the list with a model of 380 M parameters ----------------------------------------------------
group=llama_list
if [ "$device" != cpu ] && wanted run_llama_int8_fp8; then
  python3 "$root/tools/bench/make_llama_model.py" "${llama_tokenizer[1]}" "$work/llama380m" || exit 2
  record run_llama_int8_fp8 --model "$work/llama380m" --input "$list" --gens 2k --seed 1 --device "$device" --tune never \
    --attention flash --kv-cache paged --batch-size 4096 --dtype int8 --kv-dtype fp8 --geometry off \
    --output "$work/llama.sdf.zst" --report "$out/run_llama_int8_fp8.json"
fi

# ---- text formats, with all work of a run but geometry tests -------------------------------------
group=formats
if [ -n "${QWEN3:-}" ] && [ "$device" != cpu ] && wanted formats; then
  python3 "$root/tools/bench/make_format_models.py" "$QWEN3" "$list" "$work/formats" || exit 2
  head -n 300 "$list" >"$work/list300.smi"
  for round in 1 2; do
    for format in decimals bins codes; do
      record "format_${format}_$round" --model "$work/formats/$format" --input "$work/list300.smi" --gens 8 --seed $round \
        --geometry off --device "$device" --tune never --attention flash --kv-cache paged --batch-size 512 \
        --output "$work/$format.sdf.zst" --overwrite --report "$out/format_${format}_$round.json"
    done
  done
fi
exit $failed
