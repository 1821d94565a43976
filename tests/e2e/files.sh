#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Files: nothing is overwritten that was not named for it, no link is followed, two runs do not share
# an output, closed descriptors and files that shrink do no harm, another plugin is not resumed, a
# silent input is interrupted.
. "$(dirname "$0")/lib.sh"

tiny_model tiny
printf 'CCO\ta\t2\nC1CC\tbad\t1\nCCN\tc\t1\n' >in.smi
printf 'CCO\ta\t2\nCCN\tc\t1\n' >good.smi
common=(--model tiny --geometry off --seed 3 --batch-size 4 --threads 1 --quiet)
echo 'my precious notes' >notes
cp in.smi in.copy

# keeps FILE COPY TEXT: the file is what it was
keeps() { verdict "$3" cmp -s "$1" "$2"; }
gone() { verdict "$2" test ! -e "$1" -a ! -L "$1"; }

say 'a manifest that no run made'
cp notes x.sdf.manifest
check 2 'a foreign manifest' "${common[@]}" --input good.smi --output x.sdf
says "'x.sdf.manifest' exists" 'the message names it'
check 3 'a foreign manifest, --overwrite' "${common[@]}" --input good.smi --output x.sdf --overwrite
says "'x.sdf.manifest' exists and is no manifest of confgen" 'the message says so'
check 3 'a foreign manifest, --resume' "${common[@]}" --input good.smi --output x.sdf --resume
keeps x.sdf.manifest notes 'it is unchanged'
gone x.sdf 'and there is no output'

say 'links'
for victim in notes in.smi missing; do
  for option in --quiet --overwrite --resume; do
    rm -f s.*
    ln -s $victim s.sdf.manifest
    verdict "the manifest is a link to $victim, $option" \
      test "$("$CONFGEN" "${common[@]}" $option --input in.smi --output s.sdf >out 2>err; echo $?)" -ge 2
    rm -f s.*
    ln -s $victim s.sdf
    verdict "the output is a link to $victim, $option" \
      test "$("$CONFGEN" "${common[@]}" $option --input good.smi --output s.sdf >out 2>err; echo $?)" -ge 2
  done
  rm -f s.*
  ln -s $victim s.tsv
  verdict "--failed is a link to $victim" \
    test "$("$CONFGEN" "${common[@]}" --overwrite --input good.smi --output s.sdf --failed s.tsv >out 2>err; echo $?)" -ge 2
  gone s.sdf 'and the output is not created'
done
keeps notes <(echo 'my precious notes') 'the first is unchanged'
keeps in.smi in.copy 'the second is unchanged'
gone missing 'the third does not exist'
rm -f s.*
ln notes hard.sdf
check 3 'a hard link' "${common[@]}" --input good.smi --output hard.sdf --overwrite
says 'has 2 names' 'and the message says so'
rm hard.sdf

say 'one file for two purposes'
two() { # TEXT REGEX ARG...
  local text=$1 regex=$2
  shift 2
  if check 2 "$text" "${common[@]}" "$@"; then says "$regex.*wanted another file" "$text: message"; fi
}
two '--failed is the manifest' "is the output's manifest" --input good.smi --output f1.sdf --failed f1.sdf.manifest
two '--report is the manifest' "is the output's manifest" --input good.smi --output f3.sdf --report f3.sdf.manifest
two '--failed is the output by another path' 'is the output' --input good.smi --output f9.sdf --failed ./f9.sdf
two '--report is --failed' 'is the --failed file' --input good.smi --output f9.sdf --failed f.tsv --report "$PWD/f.tsv"
two '--report is the input' 'is the input file' --input in.smi --output f9.sdf --report in.smi --overwrite
two 'the output is the input by a link' 'is the input file' --input in.smi --output ./in.smi --overwrite
for name in config.json model.safetensors tokenizer.json; do
  two "the output is $name of the model" 'is a file of the model' --input good.smi --output tiny/$name --overwrite
  two "--failed is $name of the model" 'is a file of the model' --input good.smi --output f9.sdf \
    --failed tiny/../tiny/$name --overwrite
  two "--report is $name of the model" 'is a file of the model' --input good.smi --output f9.sdf \
    --report tiny/$name --overwrite
done
two 'the output is a plugin' 'is a plugin' --input good.smi --overwrite \
  --output "${CONFGEN_PLUGIN_PATH%%:*}/attention/flash/attention_flash.so"
status=0
"$CONFGEN" "${common[@]}" --input - --output in.smi --overwrite <in.smi >out 2>err || status=$?
verdict 'the output is the standard input' test $status = 2
status=0
"$CONFGEN" "${common[@]}" --input in.smi --output - >>in.smi 2>err || status=$?
verdict 'standard output is the input' test $status = 2
keeps in.smi in.copy 'the input is unchanged'
verdict 'and no other file is left' test -z "$(ls f[0-9]* f.tsv 2>/dev/null)"
verdict 'the model can still be read' "$CONFGEN" "${common[@]}" --input good.smi --output - >out

say 'the report'
check 0 'a new report' "${common[@]}" --input good.smi --output r.sdf --report r.json
rm r.sdf*
check 2 'an existing report' "${common[@]}" --input good.smi --output r.sdf --report r.json
says "'r.json' exists: --overwrite replaces it" 'the message says so'
gone r.sdf 'and there is no output'
check 0 'an existing report, --resume' "${common[@]}" --input good.smi --output r.sdf --report r.json --resume
cp notes r.txt
check 2 'another file, --resume' "${common[@]}" --input good.smi --output r.sdf --report r.txt --resume
says 'is no report of confgen' 'the message says so'
keeps r.txt notes 'it is unchanged'
check 2 'no report of a refused run' "${common[@]}" --input good.smi --output r.sdf --report r2.json
gone r2.json 'is left'
"$CONFGEN" "${common[@]}" --input good.smi --output /dev/null --report /dev/stdout >out 2>err
verdict 'a report to a pipe' grep -q '"outcome":' out

say 'evaluation'
"$CONFGEN" "${common[@]}" --input good.smi --output e.sdf
check 0 'an evaluation' eval --ref e.sdf --gen e.sdf --json e.json
ln -s e.json l.json
check 2 'a comparison into its input by a link' eval --compare e.json e.json --json l.json --overwrite
check 2 'an existing comparison' eval --compare e.json e.json --json notes
keeps notes <(echo 'my precious notes') 'it is unchanged'
check 0 'a comparison' eval --compare e.json e.json --json c.json
check 0 'a comparison, --overwrite' eval --compare e.json e.json --json c.json --overwrite

say 'two runs at once'
mkfifo silent
"$CONFGEN" "${common[@]}" --input silent --output a.sdf --failed both.tsv 2>err.first &
pid=$!
exec 9>silent # waits for the run, which then waits for its input
printf 'CCO\ta\n' >&9
for ((i = 0; i < 400; i++)); do
  if [ -s both.tsv ]; then break; fi
  sleep 0.02
done
check 3 'one --failed file' "${common[@]}" --overwrite --input in.smi --output b.sdf --failed both.tsv
says "'both.tsv' is in use: another run is writing it" 'the message says so'
gone b.sdf 'and there is no second output'
ln -s a.sdf alink.sdf
check 3 'one output by a link' "${common[@]}" --overwrite --input in.smi --output alink.sdf
rm alink.sdf
ln a.sdf alink.sdf
check 3 'one output by a hard link' "${common[@]}" --overwrite --input in.smi --output alink.sdf
rm alink.sdf
mv a.sdf.manifest moved
check 3 'one output without its manifest' "${common[@]}" --overwrite --input in.smi --output a.sdf
says "'a.sdf' is in use" 'the message says so'
gone a.sdf.manifest 'and there is no second manifest'
exec 9>&-
status=0
wait $pid || status=$?
verdict 'the first run ends well' test $status = 0
verdict 'with all its records' test "$(count_sdf <a.sdf)" = 1

say 'closed standard descriptors'
"$CONFGEN" "${common[@]}" --input in.smi --output k.sdf.zst --failed k.tsv 2>err || true
for how in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
  rm -f c.*
  status=0
  eval '"$CONFGEN" "${common[@]}" --input in.smi --output c.sdf.zst --failed c.tsv '"$how" 2>>err || status=$?
  verdict "$how: status 1" test $status = 1
  verdict "$how: the same output" cmp -s k.sdf.zst c.sdf.zst
  verdict "$how: the same failures" cmp -s k.tsv c.tsv
done
status=0
"$CONFGEN" "${common[@]}" --input in.smi --output - >&- 2>err || status=$?
verdict 'a closed standard output cannot be written' test $status = 3
for fd in 3 4 5 6; do # numbers that the run's own files get
  rm -f c.*
  check 3 "--failed is descriptor $fd, which is closed" "${common[@]}" --input in.smi --output c.sdf --failed /dev/fd/$fd
  gone c.sdf 'and there is no output'
done
rm -f c.*
status=0
"$CONFGEN" "${common[@]}" --input in.smi --output c.sdf --failed /dev/fd/8 2>err 8>c.tsv || status=$?
verdict 'an inherited descriptor is written' test $status = 1
same k.tsv c.tsv 'with the failures'
(ulimit -n 4 && exec "$CONFGEN" "${common[@]}" --input in.smi --output c2.sdf) >out 2>err && status=0 || status=$?
verdict 'too few descriptors for the plugins: status 3' test $status = 3
says 'Too many open files' 'the message says so'
status=0
"$CONFGEN" "${common[@]}" --input - --output c2.sdf <&- 2>err || status=$?
verdict 'a closed standard input cannot be read' test $status = 3

say 'weights that shrink during a run'
cp -r tiny shrinks
for ((i = 0; i < 40; i++)); do cat good.smi; done >long.smi
"$CONFGEN" "${common[@]}" --input long.smi --gens 4 --output want.sdf
"$CONFGEN" "${common[@]}" --model shrinks --input long.smi --gens 4 --output got.sdf 2>err &
pid=$!
for ((i = 0; i < 400; i++)); do
  if [ -e got.sdf ]; then break; fi
  sleep 0.01
done
: >shrinks/model.safetensors
status=0
wait $pid || status=$?
verdict 'the run is not affected' test $status = 0
same want.sdf got.sdf 'nor its output'
check 3 'the next run refuses them' "${common[@]}" --model shrinks --input good.smi --output next.sdf

say 'another plugin of the same name'
mkdir others
cp "${CONFGEN_PLUGIN_PATH%%:*}/attention/flash/attention_flash.so" others
chmod -R go-w others
printf 'x' >>others/attention_flash.so # another content, the same code
"$CONFGEN" "${common[@]}" --input in.smi --output p.sdf 2>err || true
cp p.sdf p.copy
path=$PWD/others:$CONFGEN_PLUGIN_PATH
status=0
CONFGEN_PLUGIN_PATH=$path "$CONFGEN" "${common[@]}" --input in.smi --output p.sdf --resume >out 2>err || status=$?
verdict 'is not resumed' test $status = 3
says "had attention plugin 'flash [^']*' \(.*/attention_flash.so, plugin ABI 1\.[0-9]\), this one has 'flash [^']*' \(.*/others/" 'the message names both, and their files'
keeps p.sdf p.copy 'the output is unchanged'
status=0
CONFGEN_PLUGIN_PATH=$path "$CONFGEN" "${common[@]}" --input good.smi --output q.sdf --report q.json >out 2>err || status=$?
verdict 'can start a run' test $status = 0
verdict 'the report names its file' grep -q '"path": ".*/others/attention_flash.so"' q.json
verdict 'its ABI, and the one it hides' grep -Eq '"abi": "1\.[0-9]+".*"hides": ".*/attention_flash.so"' <(tr -d '\n' <q.json)
verdict 'and warns, also with --quiet' grep -Eq "own attention 'flash' \(.*\) is hidden by '.*/others/attention_flash.so'" q.json
verdict 'the manifest has the file' grep -q '"attention plugin":".*/others/attention_flash.so, plugin ABI 1' q.sdf.manifest
CONFGEN_PLUGIN_PATH=$path check 0 'the list' plugins list
verdict 'names the hidden one' grep -Eq "^hidden: confgen's own attention 'flash' \(.*\), by '.*/others/attention_flash.so'" out
# A KV cache and a constraint of the same name
for plugin in cache_dynamic cache_static cache_paged constraint_grammar; do
  rm -f others/*
  cp "$(find "${CONFGEN_PLUGIN_PATH%%:*}" -name $plugin.so | head -n 1)" others
  chmod go-w others/*
  printf 'x' >>others/$plugin.so
  name=${plugin#*_} kind=KV\ cache option=--kv-cache
  if [ ${plugin%%_*} = constraint ]; then kind=constraint option=--constraint; fi
  "$CONFGEN" "${common[@]}" --input in.smi --output $name.sdf $option $name 2>err || true
  status=0
  CONFGEN_PLUGIN_PATH=$path "$CONFGEN" "${common[@]}" --input in.smi --output $name.sdf $option $name --resume >out 2>err || status=$?
  verdict "another $kind '$name' is not resumed" test $status = 3
  says "had $kind plugin '.*' \(.*/$plugin.so, .*, this one has '$name [^']*' \(.*/others/$plugin.so" 'the message names both, and their files'
done
mkdir elsewhere
cp -r "${CONFGEN_PLUGIN_PATH%%:*}"/* elsewhere
status=0
CONFGEN_PLUGIN_PATH=$PWD/elsewhere "$CONFGEN" "${common[@]}" --input in.smi --output p.sdf --resume >out 2>err || status=$?
verdict 'the same plugin in another folder is resumed' test $status = 1

say 'a silent input'
milliseconds() { local t=${EPOCHREALTIME/./}; echo $((t / 1000)); }
interrupted() { # TEXT SIGNAL RECORDS: of the run $pid, whose output is i.sdf
  local begin status=0
  sleep 1.5
  begin=$(milliseconds)
  kill -"$2" $pid
  wait $pid || status=$?
  verdict "$1, SIG$2: status 130" test $status = 130
  verdict "$1, SIG$2: within a second" test $(($(milliseconds) - begin)) -lt 1000
  verdict "$1, SIG$2: $3 records" test "$(cat i.sdf 2>/dev/null | count_sdf)" = "$3"
  rm -f i.sdf*
}
for signal in TERM INT; do
  "$CONFGEN" "${common[@]}" --input silent --output i.sdf 2>err &
  pid=$!
  interrupted 'a FIFO without a writer' $signal 0
  "$CONFGEN" "${common[@]}" --input - --output i.sdf <silent 2>err &
  pid=$!
  exec 9<>silent # a writer
  interrupted 'before the first line' $signal 0
  "$CONFGEN" "${common[@]}" --input - --output i.sdf <silent 2>err &
  pid=$!
  printf 'CCO\ta\nCCN\tc\n' >&9
  interrupted 'after two lines' $signal 2
  exec 9>&-
done
finish
