#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program with --device cuda on the emulated GPU: the CUDA module, attention and cache plugins.
. "$(dirname "$0")/../e2e/lib.sh"

tiny_model model --like llama # heads of 64, as flash and hopper want
write_molecules in.smi
common=(--model model --input in.smi --overwrite --tune never)
gpu=("${common[@]}" --device cuda --geometry off)

say 'a plain run'
check 0 '8 molecules' "${gpu[@]}" --limit 8 --gens 2 --output a.sdf --report a.json
for pair in conformers:16 wrong_molecule:0 parse_failure:0 unfinished:0; do
  verdict "report: $pair" test "$(json_number a.json "${pair%:*}")" = "${pair#*:}"
done
verdict 'report: the device' grep -q '"device": "cuda:0"' a.json
verdict 'report: bf16' grep -q '"dtype": "bf16"' a.json

# pair ATTENTION CACHE DTYPE KV_DTYPE: three conformers in a batch of two
pair() {
  if run 0 "${gpu[@]}" --limit 1 --gens 3 --batch-size 2 --attention "$1" --kv-cache "$2" --dtype "$3" --kv-dtype "$4" \
    --output pair.sdf --report pair.json; then
    verdict "$1 over $2, $3 over $4: 3 conformers, none unfinished" \
      test "$(json_number pair.json conformers) $(json_number pair.json unfinished)" = '3 0'
  fi
}
say 'pairs of attention and cache plugins, types of weights and of the KV cache'
for attention in eager efficient flash hopper; do
  for cache in dynamic static paged; do pair $attention $cache bf16 auto; done
  pair $attention paged f16 auto
done
for attention in eager efficient; do
  for cache in dynamic static paged; do
    pair $attention $cache bf16 fp8
    pair $attention $cache f16 int8
  done
  pair $attention static f32 int8
done

say 'the type of the KV cache that the model asks for on a GPU'
cp -r model model_fp8
printf '{"gpu_kv_dtype": "fp8"}\n' >model_fp8/confgen.json
# kv_type WANTED OPTION...: the type in the report of a run
kv_type() {
  local wanted=$1
  shift
  run 0 "${gpu[@]/#model/model_fp8}" --limit 1 --gens 1 --batch-size 1 "$@" --output kv.sdf --report kv.json || true
  verdict "$wanted with '$*'" grep -q "\"kv_dtype\": \"$wanted\"" kv.json
}
kv_type fp8
kv_type bf16 --kv-dtype bf16
kv_type bf16 --attention efficient
kv_type f16 --dtype f16

say '--dtype int8: products of int8'
printf '%s\n' 'CCO a' 'CN b' 'CO c' 'C d' 'CC e' 'O=C f' 'CF g' 'CS h' >small.smi
for dtype in bf16 int8; do
  run 0 "${gpu[@]/in.smi/small.smi}" --gens 1 --greedy --batch-size 8 --dtype $dtype --kv-dtype bf16 --output $dtype.smiles3d \
    --report $dtype.json || true
done
verdict 'report: int8, over a KV cache of bf16' grep -q '"dtype": "int8"' int8.json
equal=$(comm -12 <(sort bf16.smiles3d) <(sort int8.smiles3d) | wc -l)
verdict "$equal of 8 greedy conformers equal those of bf16, wanted 7" test "$equal" -ge 7
pair flash paged int8 auto
shape=("${gpu[@]}" --limit 2 --gens 2 --deterministic --seed 5 --dtype int8)
run 0 "${shape[@]}" --output want.sdf || true
EMULATED_GPU_SEED=2 run 0 "${shape[@]}" --batch-size 1 --output got.sdf || true
same want.sdf got.sdf '--deterministic: the same bytes for another batch size'
cp -r model model_int8
printf '{"gpu_dtype": "int8", "gpu_kv_dtype": "fp8"}\n' >model_int8/confgen.json
# json_types FILE: dtype and kv_dtype of a report
json_types() { sed -n 's/^ *"\(kv_\)\{0,1\}dtype": "\([a-z0-9]*\)".*/\2/p' "$1" | paste -sd ' '; }
# types WANTED OPTION...: the types in the report of a run of the model that asks for two
types() {
  local wanted=$1
  shift
  run 0 "${gpu[@]/#model/model_int8}" --limit 1 --gens 1 --batch-size 1 "$@" --output types.sdf --report types.json || true
  verdict "$wanted with '$*'" test "$(json_types types.json)" = "$wanted"
}
types 'int8 fp8'
types 'bf16 bf16' --dtype bf16
types 'bf16 bf16' --kv-dtype bf16
types 'bf16 bf16' --attention flash
tiny_model gpt2 --like gpt2
cp -r gpt2 model_int8.gpt2
printf '{"gpu_dtype": "int8"}\n' >model_int8.gpt2/confgen.json
run 0 "${gpu[@]/#model/model_int8.gpt2}" --limit 1 --gens 1 --batch-size 1 --output bf16.sdf --report bf16.json || true
says 'gpu_dtype of confgen.json is not used: dtype int8: found a model with LayerNorm' 'a warning'
verdict 'a model without such products computes in bf16' grep -q '"dtype": "bf16"' bf16.json
verdict 'and says why' grep -q "\"dtype_reason\": \"default, as confgen.json's is refused: .*LayerNorm" bf16.json
run 3 "${gpu[@]/#model/gpt2}" --dtype int8 --output x.sdf || true
says 'dtype int8: found a model with LayerNorm, wanted RMS norm and SwiGLU' 'other layers are refused'

say '--deterministic: output bytes depend neither on the batch nor on the order of threads'
shape=("${gpu[@]}" --limit 2 --gens 2 --deterministic --seed 5)
run 0 "${shape[@]}" --output want.sdf || true
EMULATED_GPU_SEED=2 run 0 "${shape[@]}" --batch-size 1 --kv-cache static --kv-dtype fp8 --output got.sdf || true
same want.sdf got.sdf 'one slot, another cache of the type that is selected'
EMULATED_GPU_SEED=3 run 0 "${shape[@]}" --batch-size 3 --step-tokens 40 --output got.sdf || true
same want.sdf got.sdf 'three slots, steps of few tokens'

say 'geometry tests and repair'
shape=("${common[@]}" --device cuda --limit 1 --gens 2 --geometry repair --deterministic)
check 0 'repaired' "${shape[@]}" --output want.sdf --report want.json
verdict 'atoms were moved' test "$(json_number want.json atoms_moved)" -gt 0
EMULATED_GPU_SEED=4 run 0 "${shape[@]}" --batch-size 1 --output got.sdf || true
same want.sdf got.sdf 'the same conformers for another batch size'

say '--core: kernels place its atoms'
cat >core.mol <<'END'

     RDKit          3D

  5  4  0  0  0  0  0  0  0  0999 V2000
   -1.0955   -0.8342   -0.3630 C   0  0  0  0  0  0  0  0  0  0  0  0
   -0.1561    0.0898    0.4009 C   0  0  2  0  0  0  0  0  0  0  0  0
   -0.7217    1.4540    0.3831 N   0  0  0  0  0  0  0  0  0  0  0  0
    1.2628    0.1068   -0.1842 C   0  0  0  0  0  0  0  0  0  0  0  0
    1.6919   -1.0949   -0.6182 O   0  0  0  0  0  0  0  0  0  0  0  0
  2  1  1  6
  2  3  1  0
  2  4  1  0
  4  5  1  0
M  END
END
printf 'CC(C)C[C@H](NC)C(=O)O leucine\n' >leucine.smi
check 0 'a conformer' "${common[@]/in.smi/leucine.smi}" --device cuda --core core.mol --check --output core.sdf
verdict 'has the core' test "$(comm -12 <(awk 'NF == 16 { print $1, $2, $3, $4 }' core.mol | sort) \
  <(awk 'NF == 16 { print $1, $2, $3, $4 }' core.sdf | sort) | wc -l)" = 5
verdict 'and passes the checks' test "$(sdf_item core.sdf checks)" = pass

say '--minimize: conformers go to the GPU minimiser'
run 0 "${shape[@]}" --add-hs --minimize mmff94 --output want.sdf --report want.json
verdict 'both are minimised' test "$(json_number want.json minimized)" = 2
verdict 'to small gradients' awk '$1 > 0.01 { exit 1 }' <(sdf_item want.sdf gradient)
EMULATED_GPU_SEED=5 run 0 "${shape[@]}" --add-hs --minimize mmff94 --template-workers 1 --output got.sdf || true
same want.sdf got.sdf 'the same conformers for another number of threads'

say 'f32: the records of the CPU, except where two tokens are almost equally likely'
for sampling in '--greedy' '--top-k 40 --top-p 0.9 --min-p 0.01'; do
  for device in cpu cuda; do
    # shellcheck disable=SC2086
    run 0 "${common[@]}" --device $device --dtype f32 --attention eager --geometry off --limit 6 --gens 1 --seed 3 $sampling \
      --output $device.smiles3d || true
  done
  equal=$(comm -12 <(sort cpu.smiles3d) <(sort cuda.smiles3d) | wc -l)
  verdict "$sampling: $equal of 6 conformers equal those of the CPU, wanted 5" test "$equal" -ge 5
done

say 'invalid devices'
check 3 'a GPU that does not exist' "${gpu[@]}" --device cuda:1 --output x.sdf
finish
