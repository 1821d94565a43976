#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes conformer texts, their tokens and the model at once, on a machine with GPUs; training begins as soon as there is data.
#
#   tools/model/train.sh OUT SECONDS SMILES HELD_OUT MODEL GENERATOR [train.py ARGUMENT...]
#
# SMILES: of collect_smiles.py. HELD_OUT: texts of gen_conformers for held_out.smi. MODEL: a folder of make_tokenizer.py.
# GENERATOR: the program of build.sh. ARGUMENTs: as --rate 0.0025. Randomised atom orders have 70 % of the tokens at first, at the end none. A training that
# dies goes on from its checkpoint, twice at most. OUT/train/model holds the result. In the environment: WORKERS, the number of
# generators (the cores but two a GPU and four); SEED; PYTHON (python3); DOCUMENTS that training waits for (4000).
set -euo pipefail
(($# >= 6)) || { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
out=$1 seconds=$2 smiles=$3 held_out=$4 model=$5 generator=$6
shift 6
here=$(cd "$(dirname "$0")" && pwd)
gpus=$(nvidia-smi -L 2>/dev/null | wc -l) || gpus=0
workers=${WORKERS:-$(($(nproc) - 2 * gpus - 4))}
((workers > 0)) || workers=1
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=2
mkdir -p "$out/canonical" "$out/random"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
generators=() tokenizers=()
for ((i = 0; i < workers; i++)); do
  nice -n 15 "$generator" --smi "$smiles" --out "$out/canonical/$i.txt" --random "$out/random/$i.txt" --orders 3 --autos 1 \
    --confs 1 --iters 200 --tol 0.0135 --assign3d 0.8 --passes 1000000 --worker "$i" --workers "$workers" \
    --seed "${SEED:-21}" 2>>"$out/generators.log" &
  generators+=($!)
done
"$python" "$here/tokenize_texts.py" "$held_out" "$out/held_out" "$model"
for source in canonical random; do
  RAYON_NUM_THREADS=4 "$python" "$here/tokenize_texts.py" "$out/$source" "$out/$source" "$model" --follow \
    >>"$out/tokens.log" 2>&1 &
  tokenizers+=($!)
done
until [ -s "$out/canonical.doc" ] && [ -s "$out/random.doc" ] &&
  (($(stat -c %s "$out/canonical.doc") >= 24 * ${DOCUMENTS:-4000})); do
  for p in "${tokenizers[@]}"; do
    kill -0 "$p" 2>/dev/null || { echo "train.sh: a tokenizer ended, see $out/tokens.log" >&2; exit 1; }
  done
  generating=0
  for p in "${generators[@]}"; do
    if kill -0 "$p" 2>/dev/null; then
      generating=1
    elif ! wait "$p"; then # status 0: there are fewer molecules than generators
      echo "train.sh: a generator failed, see $out/generators.log" >&2
      exit 1
    fi
  done
  ((generating)) || { echo "train.sh: all generators ended before there were enough documents, see $out/generators.log" >&2; exit 1; }
  sleep 0.5
done
launch=("$python")
((gpus < 2)) || launch=("$python" -m torch.distributed.run --nproc_per_node "$gpus")
for attempt in 1 2 3; do
  if "${launch[@]}" "$here/train.py" --model "$model" --source "$out/canonical=0.3,0.4:0.5,0.6:0.9,0.8:1" \
    --source "$out/random=0.7,0.4:0.5,0.6:0.1,0.8:0" --held-out "$out/held_out" --out "$out/train" \
    --seconds "$seconds" "$@"; then
    exit 0
  fi
  echo "train.sh: training $attempt ended early" >&2
done
exit 1
