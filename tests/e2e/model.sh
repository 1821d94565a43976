#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/model: a small run of each step of the default model's recipe. The parts that need RDKit's C++ libraries, a Python with
# RDKit, or one with PyTorch say so and are left out without them; MODEL_PYTHON names a further Python to look in.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip 'python3 is not installed'
recipe=$CONFGEN_SOURCE_ROOT/tools/model
golden=$CONFGEN_SOURCE_ROOT/tests/golden

# python_with MODULE...: prints the first Python that has them all
python_with() {
  local python modules
  modules=$(printf 'import %s\n' "$@")
  for python in ${MODEL_PYTHON:-} python3 /usr/bin/python3; do
    if "$python" -c "$modules" 2>/dev/null; then printf '%s' "$python"; return; fi
  done
}
# step STATUS COMMAND...: runs it, with output in ./out and ./err
step() {
  local wanted=$1 status=0
  shift
  "$@" >"$work/out" 2>"$work/err" || status=$?
  verdict "status $wanted: ${1##*/} ${2##*/}" test "$status" = "$wanted"
}

say 'tokenizer and configuration'
python3 - "$default_model/tokenizer.json" >pool.smi <<'PY'
import json, sys
vocab = json.load(open(sys.argv[1]))["model"]["vocab"]
tags = {"[%s%s]" % (end, name) for end in ("", "/") for name in ("SMILES", "CONFORMER")}
for text in vocab:
    if text[0] == "[" and text[-1] == "]" and len(text) > 2 and text not in tags:
        print((text + "\n") * 20, end="")
PY
step 0 python3 "$recipe/make_tokenizer.py" pool.smi new
for file in tokenizer.json tokenizer_config.json special_tokens_map.json config.json; do
  same new/$file "$default_model/$file" "$file is the default model's"
done
verdict 'so is confgen.json, but for a choice that needs the weights' python3 -c "import json, sys
wanted = json.load(open(sys.argv[1]))
assert wanted.pop('gpu_kv_dtype') == 'fp8' and json.load(open('new/confgen.json')) == wanted" "$default_model/confgen.json"
verdict 'generation_config.json has its values' python3 -c "import json, sys
assert json.load(open('new/generation_config.json')) == json.load(open(sys.argv[1]))" "$default_model/generation_config.json"
step 1 python3 "$recipe/make_tokenizer.py" pool.smi new nothing=1
says "^found nothing, wanted an item of config.json" 'an unknown item is named'

gen=
if [ -d /usr/include/rdkit/GraphMol ] && command -v g++ >/dev/null; then
  say 'conformer texts'
  gen=./gen_conformers
  step 0 "$recipe/build.sh" $gen libs
  verdict 'RDKit goes along' test -s libs/libRDKitGraphMol.so.1
  printf '%s\n' 'C[C@H](N)C(=O)OCC' 'F/C=C/c1ccccc1Cl' 'CC(C)CCO' 'no SMILES' >four.smi
  step 0 $gen --smi four.smi --out texts.txt --random random.txt --orders 2 --confs 1 --assign3d 1 --seed 3
  says '^worker 0: 3 conformers, 18 lines, 1 failures, 4 molecules' 'three molecules, mirrored, in three orders'
  verdict 'of which two randomised' test "$(wc -l <texts.txt)/$(wc -l <random.txt)" = 6/12
  verdict 'deciding atoms of the labelled centre alone' test "$(cut -f3 texts.txt | grep -c .)" = 2
  for file in texts random; do
    cut -f2 $file.txt >$file.enriched
    run 0 text read $file.enriched --format "$default_model/confgen.json"
    cp out $file.sdf
    verdict "confgen reads all of $file" test "$(grep -c '^\$\$\$\$' $file.sdf)" = "$(wc -l <$file.txt)"
    run 0 eval --ref $file.sdf --gen $file.sdf --check --json $file.json
    verdict "coordinates of $file show the labels" python3 -c "import json
s = json.load(open('$file.json'))['summary']
assert s['stereo'] == 0 and s['checks']['tests']['stereo']['done'] > 0 and s['checks']['tests']['stereo']['failed'] == 0, s"
  done
  step 1 $gen --smi none.smi --out x.txt
  says "found no file 'none.smi'" 'a missing file is named'
  step 1 $gen --smile four.smi --out x.txt
  says "found '--smile', wanted an option" 'an unknown option is named'

  say 'poses'
  python3 - <<'PY'
import math, re
def put(file, smiles, points):
    print(smiles, " ".join("%.4f,%.4f,%.4f" % tuple(p) for p in points), sep="\t", file=file)
poses, bent = open("poses.tsv", "w"), open("bent.tsv", "w")
for i, line in enumerate(open("texts.txt")):
    smiles, text = line.split("\t")[:2]
    points = [[float(v) for v in p.split(",")] for p in re.findall("<([^>]*)>", text)]
    if i % 2 == 0:  # turned about z and moved
        c, s = math.cos(0.7), math.sin(0.7)
        put(poses, smiles, [(c * x - s * y + 9, s * x + c * y, z - 4) for x, y, z in points])
        put(bent, smiles, [(x + 0.3 * math.sin(9 * k), y + 0.3 * math.sin(7 * k), z) for k, (x, y, z) in enumerate(points)])
put(poses, "CCO", [(1, 2, 3), (4, 5, 6)])
PY
  step 0 $gen --poses poses.tsv --out same.txt --iters 0 --mirror 0 --assign3d 1
  says ' 3 conformers, 3 lines, 1 failures' 'a pose that lacks coordinates fails'
  step 0 $gen --poses bent.tsv --out relaxed.txt --iters 100 --restrain 0.1 --mirror 0
  verdict 'poses are in the frame of texts, and relaxed by no more than their restraints let them' python3 - <<'PY'
import math, re
def read(path):
    lines = [line.split("\t") for line in open(path)]
    return [(l[0], [[float(v) for v in p.split(",")] for p in re.findall("[-0-9.]+,[-0-9.]+,[-0-9.]+", l[1])]) for l in lines]
def apart(a, b):
    """Mean difference of the distances of all pairs of atoms."""
    pairs = [(i, j) for i in range(len(a)) for j in range(i)]
    return sum(abs(math.dist(a[i], a[j]) - math.dist(b[i], b[j])) for i, j in pairs) / len(pairs)
texts, same, bent, relaxed = read("texts.txt")[::2], read("same.txt"), read("bent.tsv"), read("relaxed.txt")
assert len(texts) == len(same) == len(bent) == len(relaxed) == 3
for a, b, c, d in zip(texts, same, bent, relaxed):
    assert a[0] == b[0] == d[0], (a[0], b[0], d[0])
    assert max(math.dist(p, q) for p, q in zip(a[1], b[1])) < 0.01
    assert 0.02 < apart(c[1], d[1]) < 0.35 and apart(a[1], d[1]) < 0.8 * apart(a[1], c[1]), (
        apart(c[1], d[1]), apart(a[1], d[1]), apart(a[1], c[1]))
PY
else
  say 'skipped: conformer texts and poses, no g++ or no headers of RDKit (librdkit-dev)'
fi

python=$(python_with rdkit)
if [ -n "$python" ]; then
  say 'SMILES'
  mkdir raw
  printf 'CCCCCCCCO a\nC[C@H](N)CCCCC\nC[C@@H](N)CCCCC\nCCCCCCCC.Cl\nCCO\nc1ccccc1CCCCC\n' >raw/a.smi
  printf 'name,smiles\nx,Cc1ccccc1CC\ny,[13CH3]CCCCCCC\nz,OCCCCCCCC\n' >raw/b.csv
  printf '# file\tkind\na.smi\tsmi\nb.csv\tcsv-1\n' >sources.tsv
  printf 'CCCCCc1ccccc1.Cl\n\n' >exclude.smi
  step 0 "$python" "$recipe/collect_smiles.py" sources.tsv raw pool exclude.smi --held-out 1
  verdict 'a list without duplicates, small, labelled and excluded molecules' python3 - <<'PY'
pool = {line.split("\t")[0] for line in open("pool/pool.smi")}
assert pool == {"CCCCCCCCO", "CCCCC[C@@H](C)N", "CCCCC[C@H](C)N", "CCCCCCCC", "CCc1ccccc1C"}, pool
held, train = ([line.strip() for line in open("pool/%s.smi" % name)] for name in ("held_out", "train"))
flat = lambda smiles: smiles.replace("@", "").replace("[CH]", "C")
assert len(held) == 1 and set(train) == {s for s in pool if flat(s) != flat(held[0])}, (held, train)
PY
  printf 'CCO\nnothing 1\n' >bad.smi
  step 1 "$python" "$recipe/collect_smiles.py" sources.tsv raw pool exclude.smi bad.smi
  says "^bad.smi:2: found 'nothing', wanted a SMILES" 'a line to exclude that is no SMILES is named'
else
  say 'skipped: SMILES, no Python with rdkit'
fi

python=$(python_with torch numpy tokenizers safetensors)
if [ -z "$python" ]; then
  say 'skipped: token files, training and fine-tuning, no Python with torch, numpy, tokenizers and safetensors'
  finish
fi

say 'token files'
python3 - "$golden/generation.json" <<'PY'
import json, re, sys
with open("golden.txt", "w") as file:
    for case in json.load(open(sys.argv[1]))["cases"]:
        file.write("%s\t%s\t3\n" % re.match(r"\[SMILES\](.*)\[/SMILES\]\[CONFORMER\](.*)\[/CONFORMER\]", case["text"]).groups())
PY
step 0 "$python" "$recipe/tokenize_texts.py" golden.txt golden new
verdict 'ids of the oracles, and the fourth atom marked' "$python" - "$golden/generation.json" <<'PY'
import json, sys
import numpy as np
ids, records = np.fromfile("golden.tok", np.uint16), np.fromfile("golden.doc", np.int64).reshape(-1, 3)
cases = json.load(open(sys.argv[1]))["cases"]
assert len(records) == len(cases)
for case, (at, length, prompt) in zip(cases, records):
    found = ids[at:at + length]
    assert (found & 0x7fff).tolist() == case["ids"] and case["ids"][:prompt] == case["prompt_ids"]
    assert (found >= 0x8000).sum() == 6
PY

say 'training'
verdict "the network's loss is the oracle's" "$python" - "$recipe" "$default_model" "$golden/generation.json" <<'PY'
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
import model, train
source = train.Source("golden", 0, 1, 0, in_order=True)
batch = [torch.from_numpy(x) for x in train.assemble([(source, source.records[:4])], 2048, 16)]
net = model.Model(model.read_config(sys.argv[2]))
net.load_state_dict(model.load(sys.argv[2]))
with torch.no_grad():
    loss = net(batch[0], batch[1], batch[2], batch[4])
at = 0
for case in json.load(open(sys.argv[3]))["cases"][:4]:
    n = len(case["ids"]) - len(case["prompt_ids"])
    found = loss[at:at + len(case["ids"])].sum().item() / n
    assert abs(found - case["completion_nll"]) < 1e-3, (case["name"], found, case["completion_nll"])
    at += len(case["ids"])
PY
step 0 python3 "$recipe/make_tokenizer.py" pool.smi tiny hidden_size=32 num_hidden_layers=1 num_attention_heads=1 \
  num_key_value_heads=1 intermediate_size=64
trainer=("$python" "$recipe/train.py" --source golden=1,0.5:0.5 --source ./golden=1,0.5:0.5 --held-out golden --seconds 600 --tokens 2048
  --no-compile --log-every 1 --warmup 1)
step 0 "${trainer[@]}" --model tiny --out trained --rate 0.02 --steps 12 --save-every 0
cp out first
verdict 'the held-out loss falls, and sources of equal shares are used alike' "$python" -c "import json
h = [e['held_out']['golden']['all'] for e in json.load(open('trained/train.json'))['history']]
assert 7.6 < h[0] < 7.9 and h[-1] < h[0] - 0.3, h
s = json.load(open('trained/train.json'))['sources']
assert s['golden']['used'] > 20 and s['./golden']['used'] > 20, s"
step 0 "${trainer[@]}" --model tiny --out trained --rate 0.02 --steps 13
verdict 'a run goes on from its checkpoint' grep -q '^resumed at step 10$' out
run 0 model inspect trained/model
verdict 'confgen reads the model' grep -qi 'qwen3' out
step 0 "${trainer[@]}" --model trained/model --out further --rate 0.001 --steps 1
verdict 'a model with weights is trained further' "$python" -c "import json
h = [json.load(open(f + '/train.json'))['history'] for f in ('trained', 'further')]
assert abs(h[0][-1]['held_out']['golden']['all'] - h[1][0]['held_out']['golden']['all']) < 0.02"
step 1 "${trainer[@]}" --model tiny --out x --source nothing
says "found 'nothing', wanted PREFIX=SHARES" 'a source without share is named'
PYTHON=$python WORKERS=2 step 1 "$recipe/train.sh" x 600 pool.smi golden.txt tiny false
says '^train.sh: a generator failed, see x/generators.log' 'a generator that fails ends the wait for data'

if [ -n "$gen" ]; then
  say 'fine-tuning'
  printf '[{"name": "early", "poses": "best", "share": 0.5, "rate": 0.001, "seconds": 1},
    {"name": "one", "poses": "relaxed", "share": 0.5, "rate": 0.001, "seconds": 1},
    {"name": "long", "poses": "raw", "share": 0.5, "rate": 0.001, "seconds": 9999}]' >variants.json
  awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } NR == 1' texts.sdf >one.sdf
  printf 'CCOC(=O)[C@H](C)N\tline 1\t1\n' >one.smi
  cat >tune.sh <<SH
exec "$python" "$recipe/finetune.py" --model trained/model --poses poses.tsv --held-out poses.tsv --smiles four.smi --retained golden.txt \
  --input one.smi --ref one.sdf --generator $gen --confgen "$CONFGEN" --out tuned --seconds 600 --variants variants.json --gens 1 \
  --tokens 2048 --documents 1 --train '--no-compile --log-every 1' --test t=one.smi,one.sdf,1,raw -- --geometry off --threads 2 --max-new-tokens 400
SH
  sed -i '/^CCO\t/d' poses.tsv
  step 0 bash tune.sh
  verdict 'variants, their means with the first model, tests, and what was left out' "$python" - <<'PY'
import json
s = json.load(open("tuned/summary.json"))
assert set(s["held_out"]) == {"before", "one", "one_half"} and s["chosen"] in s["held_out"], s
assert set(s["left_out"]) == {"early", "long"} and "no best poses" in s["left_out"]["early"], s
assert not s["failed"] and set(s["tests"]) == {"t_before", "t_after"}, s
assert s["chosen"] == min(s["held_out"], key=lambda n: s["held_out"][n]["best_rmsd"])
assert s["variants"]["one"]["history"][0]["held_out"].keys() == {"poses", "retained"}
json.load(open("tuned/t_compare.json"))
PY
  check 0 'and the chosen model' model inspect tuned/model

  say 'sampling'
  step 0 "$python" "$recipe/choose_sampling.py" --model "$default_model" --input one.smi --ref one.sdf --confgen "$CONFGEN" --out sampled \
    --grid 1:1,0.5:0.9 -- --threads 2
  verdict 'a row a pair and the highest' test "$(grep -cE '^T (1|0.5) top-p (1|0.9): COV-R [0-9.]+ %|^highest: temperature ' out)" = 3

  say 'generation and training at once'
  PYTHON=$python WORKERS=1 DOCUMENTS=4 step 0 "$recipe/train.sh" both 600 four.smi golden.txt tiny $gen --steps 2 --tokens 2048 \
    --no-compile --warmup 1
  verdict 'trains on both orders' "$python" -c "import json
s = json.load(open('both/train/train.json'))
assert s['steps'] == 2 and all(s['sources']['both/' + n]['used'] > 0 for n in ('canonical', 'random')), s['sources']"
else
  say 'skipped: fine-tuning and sampling, no conformer generator'
fi
if [ -n "$(python_with torch transformers)" ]; then
  say 'oracles'
  head -n 1 golden.txt | sed "s/^/mol1\t/" | cut -f1-3 >one.tsv
  printf '"CCO<1.234>"\n' >varied.jsonl
  step 0 "$(python_with torch transformers)" "$recipe/make_golden.py" "$default_model" one.tsv varied.jsonl oracles
  verdict "the first oracle of the tree comes out again" python3 - "$golden" <<'PY'
import json, sys
old, new = (json.load(open(f + "/generation.json"))["cases"][0] for f in (sys.argv[1], "oracles"))
assert all(old[key] == new[key] for key in ("ids", "prompt_ids", "greedy_ids", "greedy_text"))
assert abs(old["completion_nll"] - new["completion_nll"]) < 1e-4
assert json.loads(open("oracles/tokenizer.jsonl").readline())["decoded"] == "CCO<1.234>"
PY
else
  say 'skipped: oracles, no Python with transformers'
fi
finish
