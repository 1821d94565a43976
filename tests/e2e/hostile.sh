#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Hostile inputs, models, plugins and flags: each gives its exit status and a one-sentence message
# quickly, and none crashes. A row of the table: case_ STATUS REGEX TEXT ARG...
. "$(dirname "$0")/lib.sh"
shopt -s lastpipe # a function at the end of a pipe runs in this shell and can count

tiny_model tiny
random=(--model tiny --geometry count)
printf 'CCO ethanol 2\n' >ok.smi

# Microseconds of processor time that a row may use in addition to a good run; processor time does not
# depend on the load of the machine. HOSTILE_FACTOR allows for sanitizers.
limit=1000000
if [ -n "${HOSTILE_FACTOR:-}" ]; then limit=$((limit * HOSTILE_FACTOR)); fi
microseconds() { # COMMAND...: sets $spent to its user and system time; returns its status
  local status=0 TIMEFORMAT='%U %S' t
  t=$({ time "$@" >out 2>err </dev/null || echo "status $?" >&3; } 3>status 2>&1) || true
  read -r _ status <status || status=0
  spent=$(awk '{ printf "%d", ($1 + $2) * 1e6 }' <<<"$t")
  return "${status:-0}"
}
microseconds "$CONFGEN" "${random[@]}" --input ok.smi --output base.sdf
base=$spent
say "a good run takes $((base / 1000)) ms of processor time, each row may use" \
  "$((limit / 1000)) ms more"

case_limit=$limit
case_() { # STATUS REGEX TEXT ARG...
  local wanted=$1 regex=$2 text=$3 status=0
  shift 3
  microseconds timeout -s KILL 120 "$CONFGEN" "$@" || status=$?
  if [ $status -ge 128 ] && [ $status != 130 ]; then
    fail "$text: the program died ($status)"
  elif grep -Eq 'Sanitizer|runtime error' err; then
    fail "$text: a sanitizer's report"
  elif [ $status != "$wanted" ]; then
    fail "$text: status $status instead of $wanted"
  elif ! grep -Eq -- "$regex" err; then
    fail "$text: no message like '$regex'"
  elif grep -v '^confgen: ' err | grep -Evq '^sampling: |conformers? of|failed conformers|atoms? failed a geometry test'; then
    fail "$text: prints more than messages"
  elif [ "$spent" -gt $((base + case_limit)) ]; then
    fail "$text: took $((spent / 1000)) ms"
  else
    pass "$text: $(head -n 1 err | cut -c1-150)"
  fi
}
# The same for a model directory that a command damages
n_models=0
model() { # STATUS REGEX TEXT COMMAND...: run in a copy of the tiny model
  local wanted=$1 regex=$2 text=$3
  shift 3
  n_models=$((n_models + 1))
  cp -r tiny m$n_models
  (cd m$n_models && "$@")
  case_ "$wanted" "$regex" "$text" --model m$n_models --geometry count --input ok.smi --output m$n_models.sdf
  verdict "$text: nothing is written" test ! -e m$n_models.sdf
  rm -r m$n_models
}
# One molecule line
line() { # REGEX TEXT: the line on standard input
  cat >line.smi
  printf 'CCO ethanol 2\n' >>line.smi
  case_ 1 "$1" "$2" "${random[@]}" --input line.smi --output line.sdf --overwrite
  verdict "$2: the run continues" test "$(count_sdf <line.sdf)" = 1
}
input() { # STATUS REGEX TEXT FILE
  case_ "$1" "$2" "$3" "${random[@]}" --input "$4" --output input.sdf --overwrite
}
flag() { # REGEX ARG...
  local regex=$1
  shift
  case_ 2 "$regex" "$*" "${random[@]}" --input ok.smi --output flag.sdf "$@"
}
patch_bytes() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# swap FILE OLD NEW: replaces text in a binary file; keep its length
swap() { sed -i "s|$2|$3|" "$1"; }

say 'weights'
model 3 'model.safetensors' 'cut off' truncate -s 100000 model.safetensors
model 3 'model.safetensors' 'cut in the header' truncate -s 500 model.safetensors
model 3 'model.safetensors' 'empty' truncate -s 0 model.safetensors
model 3 'model.safetensors' 'missing' rm model.safetensors
model 3 'header' 'a header of 2^63 bytes' patch_bytes model.safetensors 0 '\0\0\0\0\0\0\0\200'
model 3 'header' 'a header of 100 MB' patch_bytes model.safetensors 0 '\0\341\365\5\0\0\0\0'
model 3 'JSON|json' 'a header that is not JSON' patch_bytes model.safetensors 8 '((((('
model 3 'q_proj.*shape' 'a wrong shape' swap model.safetensors \
  'layers.0.self_attn.q_proj.weight":{"dtype":"BF16","shape":\[32,32\]' \
  'layers.0.self_attn.q_proj.weight":{"dtype":"BF16","shape":[64,16]'
model 3 'offset' 'offsets beyond the file' swap model.safetensors \
  '"data_offsets":\[0,147456\]' '"data_offsets":[0,947456]'
model 3 'norm.weight \(I16\).*bf16, f16 or f32' 'an unsupported dtype' swap model.safetensors \
  'norm.weight":{"dtype":"BF16"' 'norm.weight":{"dtype":"I16" '
model 3 'norm' 'a tensor by another name' swap model.safetensors 'model.norm.weight' \
  'model.mron.weight'
model 3 'NaN|not finite|infinit' 'NaN' patch_bytes model.safetensors 150000 '\300\177\300\177'
model 3 'model.safetensors' 'a directory as weights' eval 'rm model.safetensors; mkdir model.safetensors'
model 3 'model.safetensors' 'a link to itself' eval \
  'rm model.safetensors; ln -s model.safetensors model.safetensors'
model 3 'model.safetensors' 'a FIFO' eval 'rm model.safetensors; mkfifo model.safetensors'
model 3 'zst' 'damaged zstd shards' eval 'zstd -q --rm model.safetensors &&
  printf XXXX | dd of=model.safetensors.zst bs=1 seek=60000 conv=notrunc status=none'
model 3 'no.safetensors' 'an index of missing shards' eval 'rm model.safetensors;
  echo "{\"weight_map\":{\"model.norm.weight\":\"no.safetensors\"}}" >model.safetensors.index.json'
model 3 'index|shard|path' 'an index that leads out of the directory' eval 'rm model.safetensors;
  echo "{\"weight_map\":{\"model.norm.weight\":\"../../etc/passwd\"}}" >model.safetensors.index.json'

foreign_index() { # 1000 shards
  rm model.safetensors
  {
    printf '{"weight_map":{"t0":"s0.safetensors"'
    printf ',"t%d":"s1.safetensors"' {1..999}
    printf '}}'
  } >model.safetensors.index.json
}
model 3 '1000 tensors too many' 'an index of tensors that the model does not have' foreign_index
model 3 'b.safetensors.zst.*bytes' 'a shard that decompresses to more than its tensor' eval 'rm model.safetensors;
  head -c 3000000 /dev/zero | zstd -q >b.safetensors.zst;
  echo "{\"weight_map\":{\"model.norm.weight\":\"b.safetensors\"}}" >model.safetensors.index.json'

say 'settings'
model 3 'config.json' 'no config.json' rm config.json
model 3 'config.json' 'an empty config.json' truncate -s 0 config.json
model 3 'hidden_size' 'absurd numbers' sed -i 's/"hidden_size": 32/"hidden_size": 1e300/' config.json
model 3 'num_hidden_layers' 'negative layers' sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": -2/' config.json
model 3 'num_attention_heads|num_key_value_heads' 'no heads' sed -i \
  's/"num_attention_heads": 2/"num_attention_heads": 0/' config.json
model 3 'shape|layers|each layer' 'more layers than the weights have' sed -i \
  's/"num_hidden_layers": 2/"num_hidden_layers": 500/' config.json
model 3 'embed_tokens' 'another vocabulary than the weights' sed -i \
  's/"vocab_size": 2304/"vocab_size": 2000/' config.json
model 3 'Gpt|architecture' 'another architecture' sed -i 's/Qwen3ForCausalLM/GptNext/' config.json
model 3 'config.json' 'nested a hundred thousand deep' eval \
  'head -c 100000 /dev/zero | tr "\0" "[" >config.json'
model 3 'confgen.json' 'nine decimals' sed -i 's/"decimals": *3/"decimals": 9/' confgen.json
model 3 'generation_config.json' 'a temperature that is a word' eval \
  'echo "{\"temperature\": \"hot\"}" >generation_config.json'
model 3 'context|positions|max_position' 'a context of one token' sed -i \
  's/"max_position_embeddings": 2048/"max_position_embeddings": 0/' config.json

say 'tokenizers'
model 3 'tokenizer.json|vocab.json' 'none' rm tokenizer.json
model 3 'tokenizer.json' 'cut off' truncate -s 60000 tokenizer.json
model 3 'tokenizer.json' 'binary' eval 'head -c 5000 /dev/urandom >tokenizer.json'
model 3 'vocab' 'an empty vocabulary' eval \
  'echo "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}" >tokenizer_config.json; echo "{\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]},\"added_tokens\":[]}" >tokenizer.json'
model 3 'merge' 'a merge of a missing token' eval \
  'echo "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}" >tokenizer_config.json; echo "{\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a zz\"]},\"added_tokens\":[]}" >tokenizer.json'
model 3 'id' 'a cyclic vocabulary: two tokens, one id' eval \
  'echo "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}" >tokenizer_config.json; echo "{\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]},\"added_tokens\":[]}" >tokenizer.json'
model 3 'merges.txt' 'vocab.json without merges.txt' eval \
  'rm tokenizer.json; echo "{\"a\":0}" >vocab.json; echo "{\"tokenizer_class\":\"Qwen2Tokenizer\"}" >tokenizer_config.json'
model 3 'commas and colons' 'a vocabulary of four million tokens' eval \
  'head -c 10000000 /dev/zero | tr "\0" "," >tokenizer.json'
model 3 'Unigram' 'a tokenizer of another kind' eval 'sed -i "s/\"type\": *\"BPE\"/\"type\": \"Unigram\"/" tokenizer.json'
model 3 'id.*embedding' 'ids beyond the embedding' sed -i \
  '0,/"added_tokens": *\[/s//&{"id":2500,"content":"<more>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},/' tokenizer.json
model 3 'endoftext' 'without the end token' sed -i 's/<|endoftext|>/<|endofteXt|>/g' tokenizer.json

say 'lists of molecules'
: >empty.smi
input 3 'empty.smi.*empty' 'an empty file' empty.smi
head -c 100000 /dev/urandom >binary.smi
input 3 'binary.smi' 'a binary file' binary.smi
input 3 'director|folder' 'a directory' tiny
input 3 '/proc/1/mem|cannot|regular' 'a kernel file' /proc/self/mem
printf 'CCO ethanol 2\n' | gzip >cut.smi.gz
truncate -s -6 cut.smi.gz
input 3 'cut.smi.gz' 'a cut .gz' cut.smi.gz
printf 'CCO ethanol 2\n' | zstd -q >bad.smi.zst
patch_bytes bad.smi.zst 8 '\377\377\377'
input 3 'bad.smi.zst' 'a damaged .zst' bad.smi.zst
printf 'not compressed\n' >lies.smi.gz
input 1 'lies.smi.gz:1' 'a .gz that is plain text: read as text, the line is bad' lies.smi.gz
printf 'name,k\nethanol,2\n' >no_column.csv
input 3 'smiles' 'a .csv without its column' no_column.csv
printf 'smiles,name\n"CCO,ethanol\n' >quote.csv
input 1 'quote' 'a .csv with an open quote' quote.csv
{ head -c 5000000 /dev/zero | tr '\0' C; echo; } | line 'at most 65536' 'a line of 5 MB'
{ head -c 100000 /dev/zero | tr '\0' C; echo; } | line 'at most 65536' 'C x 100,000'
{ head -c 60000 /dev/zero | tr '\0' C; echo; } | line '60000 bytes' 'C x 60,000'
{ head -c 1500 /dev/zero | tr '\0' C; echo ' long'; } | line '513.*at most 512 atoms' 'C x 1500'
{ head -c 20000 /dev/zero | tr '\0' '('; echo ' open'; } | line 'open' 'brackets 20,000 deep'
echo 'C1CC ring' | line 'ring' 'an open ring'
echo 'C1CC2CC1 rings' | line 'ring' 'crossed rings, one open'
echo 'C(C(C branch' | line 'branch' 'an open branch'
echo 'Cl[Pt](Cl)(N)N cisplatin' | line 'Pt.*metal complexes are not supported' 'a metal complex'
echo 'C[Hg]C mercury' | line 'Hg.*metal' 'an organic metal'
echo 'C[Xx]C unknown' | line 'Xx|unknown' 'an element that does not exist'
echo 'C(C)(C)(C)(C)C valence' | line 'valence' 'five bonds at carbon'
echo 'c1ccc1c aromatic' | line 'aromatic|kekul|ring' 'an impossible aromatic ring'
echo '* star' | line 'star|\*' 'a wildcard'
echo '[H][H] hydrogen' | line 'hydrogen|heavy|atom' 'no heavy atom'
echo 'CC>>CO reaction' | line 'offset 2: found .>., wanted one molecule: reactions' 'a reaction'
echo 'CC[R1] group' | line 'atom 3, .R1., is an R group' 'an R group'
echo 'CC[C,N] query' | line 'atom 3, .C,N., is a query .SMARTS.' 'a query'
echo 'CC(C)(C)N([O])C(C)(C)C TEMPO' | line 'TEMPO: radical .O. .atom 6.: radical atoms without' 'a radical'
printf 'C\001C control\n' | line 'control|binary|\\x01|byte' 'a control character'
printf 'C\303\251C accent\n' | line 'accent|byte' 'a letter with an accent'
printf 'C\377C latin\n' | line 'latin|byte|UTF' 'a byte that is not UTF-8'
echo '[C@@@@@H](F)Cl at' | line 'at|@' 'five @'
echo '[999999999999C] isotope' | line 'isotope|offset' 'an isotope of many digits'
echo '[C+99999999] charge' | line 'charge|offset' 'a charge of many digits'
echo '[CH300] hydrogens' | line 'offset' 'too many hydrogens'
echo 'C%(99999)C ring' | line 'ring|offset' 'a ring number of many digits'
printf 'CC |o1:1\n' | line 'wanted a CXSMILES extension' 'an extension without its end'
for i in $(seq 2000); do echo "C1CC bad_$i"; done >bad.smi
case_limit=$((2 * limit))
case_ 1 "'bad.tsv' lists them" 'two thousand bad lines' "${random[@]}" --input bad.smi \
  --output bad.sdf --failed bad.tsv
case_limit=$limit
verdict 'the first 100 are shown, and a sentence on the others' \
  test "$(grep -c ': bad_[0-9]*: ' err)" = 100
verdict 'all are listed by --failed' test "$(grep -c 'bad_' bad.tsv)" = 2000
verdict 'the manifest does not grow with them' test "$(wc -l <bad.sdf.manifest)" = 4

say 'outputs'
case_ 3 'director|folder' 'a directory as output' "${random[@]}" --input ok.smi --output tiny --overwrite
case_ 3 'no/such' 'a missing directory' "${random[@]}" --input ok.smi --output no/such.sdf
case_ 3 '/proc' 'an unwritable file system' "${random[@]}" --input ok.smi --output /proc/confgen.sdf
case_ 2 'output .ok.smi. is the input file .ok.smi., wanted another file' 'the input as output' "${random[@]}" --input ok.smi --output ok.smi --overwrite
verdict 'the input is unchanged' test "$(cat ok.smi)" = 'CCO ethanol 2'
case_ 2 'fail' '--failed is the output' "${random[@]}" --input ok.smi --output a.sdf \
  --failed a.sdf
case_ 2 'report' '--report is the input' "${random[@]}" --input ok.smi --output r.sdf --report ok.smi
case_ 2 '--failed .ok.smi. is the input file' '--failed is the input' "${random[@]}" --input ok.smi \
  --output r.sdf --failed ok.smi --overwrite
verdict 'the input is unchanged' test "$(cat ok.smi)" = 'CCO ethanol 2'
echo '{"confgen_manifest":1,"fingerprint":[]}' >junk.sdf.manifest
echo junk >junk.sdf
case_ 3 'junk.sdf' 'resuming an invalid file' "${random[@]}" --input ok.smi --output junk.sdf --resume
head -c 4000 /dev/urandom >junk.sdf.manifest
case_ 3 'junk.sdf' 'a manifest of random bytes' "${random[@]}" --input ok.smi --output junk.sdf --resume
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  mkdir locked
  cp ok.smi locked/secret.smi
  chmod 700 locked
  chmod 755 .
  as_nobody() {
    local wanted=$1 regex=$2 text=$3 status=0
    shift 3
    setpriv --reuid=65534 --regid=65534 --clear-groups "$CONFGEN" "$@" >out 2>err || status=$?
    verdict "$text: status" test $status = "$wanted"
    says "$regex" "$text: $(head -n 1 err | cut -c1-120)"
  }
  if setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$CONFGEN" -a -r tiny/config.json; then
    as_nobody 3 'Permission denied' 'an input without permission' "${random[@]}" \
      --input locked/secret.smi --output -
    as_nobody 3 'Permission denied' 'an output without permission' "${random[@]}" --input ok.smi \
      --output locked/x.sdf
    as_nobody 3 'Permission denied' 'a model without permission' --model locked --input ok.smi \
      --output -
  else
    say 'user nobody cannot run the program: three rows are skipped'
  fi
elif [ "$(id -u)" != 0 ]; then
  cp ok.smi secret.smi
  chmod 000 secret.smi
  input 3 'Permission denied' 'an input without permission' secret.smi
else
  say 'no setpriv: three rows are skipped'
fi

say 'models and plugins'
case_ 3 'nothing' 'a missing model' --model nothing --input ok.smi --output m.sdf
case_ 3 'config.json' 'a directory without a model' --model . --input ok.smi --output m.sdf
case_ 3 'ok.smi' 'a file as model' --model ok.smi --input ok.smi --output m.sdf
echo text >text.so
case_ 3 'text.so' 'a text file as plugin' "${random[@]}" --input ok.smi --output m.sdf --plugin ./text.so
case_ 3 'none.so' 'a missing plugin' "${random[@]}" --input ok.smi --output m.sdf --plugin ./none.so
case_ 3 'libm.so.6|symbol|plugin' 'a library that is not a plugin' "${random[@]}" --input ok.smi \
  --output m.sdf --plugin libm.so.6
head -c 3000 "$CONFGEN" >cut.so
case_ 3 'cut.so' 'a truncated plugin' "${random[@]}" --input ok.smi --output m.sdf --plugin ./cut.so
case_ 3 'tiny' 'a directory as plugin' "${random[@]}" --input ok.smi --output m.sdf --plugin ./tiny

say 'flags'
flag 'bogus' --bogus
flag 'extra' extra
flag 'gens' --gens 0
flag 'gens' --gens -5
flag 'gens' --gens k
flag 'gens' --gens 99999999999999999999
flag 'gens' --gens 1.5
flag 'threads' --threads 0
case_ 0 'threads 4096 is lowered' 'more threads than processors' "${random[@]}" --input ok.smi \
  --output threads.sdf --threads 4096 --template-workers 4096
flag 'threads' --threads 1e9
flag 'batch-size' --batch-size 0
flag 'batch-size' --batch-size many
flag 'temperature' --temperature nan
flag 'temperature' --temperature -1
flag 'top-p|top_p' --top-p 0
flag 'top-p|top_p' --top-p 7
flag 'min-p|min_p' --min-p 2
flag 'top-k|top_k' --top-k -3
flag 'sampling' --sampling sideways
flag 'seed' --seed -1
flag 'seed' --seed 99999999999999999999
flag 'format' --format mol
flag 'header' --header perhaps
flag 'limit' --limit 0
flag 'shard' --shard 2/2
flag 'progress' --progress loud
flag 'device' --device tpu
flag 'device' --device cuda:0,0
flag 'device' --device cuda:first
flag 'dtype' --dtype fp8
flag 'dtype bf16: the CPU computes in f32' --dtype bf16 --device cpu
flag 'dtype int8: the CPU computes in f32' --dtype int8 --device cpu
flag 'dtype f16: the CPU computes in f32' --dtype f16 --device cpu
flag "kv-dtype 'q4': wanted auto, f32, bf16, f16, fp8 or int8" --kv-dtype q4
flag 'tune' --tune sometimes
flag 'max-length' --max-length 0
flag 'step-tokens' --step-tokens 0
flag 'prompt-step-tokens' --prompt-step-tokens 0
flag 'prompt-step-tokens' --prompt-step-tokens never
flag 'max-new-tokens' --max-new-tokens 0
flag 'model' --model
case_ 3 'cuda' 'no GPU executor' "${random[@]}" --input ok.smi --output flag.sdf --device cuda:99
case_ 2 'psychic' 'an unknown attention' "${random[@]}" --input ok.smi --output flag.sdf --attention psychic
case_ 2 'sieve' 'an unknown KV cache' "${random[@]}" --input ok.smi --output flag.sdf --kv-cache sieve
case_ 2 'freedom' 'an unknown constraint' "${random[@]}" --input ok.smi --output flag.sdf --constraint freedom
verdict 'none of these wrote an output' test ! -e flag.sdf
case_ 1 'new tokens, --max-new-tokens allows 3' 'too few new tokens' "${random[@]}" --input ok.smi \
  --output few.sdf --max-new-tokens 3
case_ 1 'a sequence has 20: --max-length' 'a maximum length' "${random[@]}" --input ok.smi \
  --output short.sdf --max-length 20
tiny_model small 40
case_ 1 'a sequence has 40' 'longer than the context' --model small --input \
  <(echo 'CCCCCCCCCCCCCCCC cetane') --output small.sdf
finish
