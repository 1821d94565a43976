#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plugins that were built against the headers of every minor, and of an invented next one, on this host.
#
#   plugins.sh FOLDER    of the plugins KIND_1_MINOR.so
. "$(dirname "$0")/../e2e/lib.sh"

plugins=$1
write_molecules in.smi
tiny_model model
common=(--model model --input in.smi --gens 2 --seed 5 --geometry off --temperature 1 --top-k 0 --quiet)

# generate NAME ARG...: runs into NAME.smiles3d; the confgen of this test and the plugin are served
generate() { run 0 "${common[@]}" "${@:2}" --output "$1.smiles3d" --overwrite; }

generate eager --attention eager --kv-cache static

for minor in 1_0 1_1 1_2 1_3; do
  say "$minor"
  for kind in attention cache constraint; do
    name=${kind}_$minor
    run 0 plugins list --plugin "$plugins/$name.so"
    verdict "$name is listed" grep -Eq "^$kind +$name " out
    run 0 plugins matrix --shape default --plugin "$plugins/$name.so"
    verdict "$name is not refused as a pair" sh -c "! grep '$name' out | grep -Ev '^(cudnn|hopper) ' | grep -qv ' ok$'" # those two: on GPUs only
  done
  check 0 "attention of $minor generates" "${common[@]}" --plugin "$plugins/attention_$minor.so" \
    --attention attention_$minor --kv-cache paged --output attention_$minor.smiles3d
  same attention_$minor.smiles3d attention_1_0.smiles3d 'the same as that of 1.0'
  check 0 "cache of $minor generates" "${common[@]}" --plugin "$plugins/cache_$minor.so" --attention eager \
    --kv-cache cache_$minor --output cache_$minor.smiles3d
  same cache_$minor.smiles3d eager.smiles3d 'the same as the static cache'
  check 0 "constraint of $minor generates" "${common[@]}" --plugin "$plugins/constraint_$minor.so" --attention eager \
    --kv-cache static --constraint constraint_$minor --output constraint_$minor.smiles3d
  verdict 'every conformer is read back' test "$(wc -l <constraint_$minor.smiles3d)" = "$(wc -l <eager.smiles3d)"
done

say 'what plugins of 1.0 and 1.1 do not know: they end the process if they are asked for it'
tiny_model windows --like mistral
windows=("${common[@]}" --model windows --tokenizer windows/tokenizer.json --attention eager --limit 3)
check 0 'a model with windows' "${windows[@]}" --kv-cache static --output windows.smiles3d
for minor in 1_0 1_1; do
  check 3 "types of 8 bits: cache of $minor" "${common[@]}" --plugin "$plugins/cache_$minor.so" --attention eager \
    --kv-cache cache_$minor --kv-dtype int8 --output x.smiles3d
  says "cache 'cache_$minor' \(plugin ABI 1\.[01]\): does not have the feature \"scaled types of 8 bits\"" 'the reason'
  check 3 "types of 8 bits: attention of $minor" "${common[@]}" --plugin "$plugins/attention_$minor.so" \
    --attention attention_$minor --kv-cache paged --kv-dtype fp8 --output x.smiles3d
  says "attention 'attention_$minor' \(plugin ABI 1\.[01]\): does not have the feature \"scaled types of 8 bits\"" \
    'the reason'
  check 0 "cache of $minor keeps what is behind a window" "${windows[@]}" --plugin "$plugins/cache_$minor.so" \
    --kv-cache cache_$minor --output windows_$minor.smiles3d
  same windows_$minor.smiles3d windows.smiles3d 'the same as the static cache'
done

say 'a plugin that assigns whole structs of 1.3'
check 0 'generates' "${common[@]}" --plugin "$plugins/cache_1_3_assigned.so" --attention eager \
  --kv-cache cache_1_3_assigned --output assigned.smiles3d
same assigned.smiles3d eager.smiles3d 'the same as the static cache'
check 1 'and fails its checks' plugins check "$plugins/cache_1_3_assigned.so" --device cpu --only structs
verdict 'with the reason' grep -q 'view() with a struct_size of [0-9]*: byte [0-9]* behind it was written' out

say 'numbers that 1.1 does not describe'
cp -R model trimmed
printf '{"format": "molgen-v2"}\n' >trimmed/confgen.json
for minor in 1_0 1_1; do
  check 3 "constraint of $minor is not asked for them" "${common[@]}" --model trimmed --constraint constraint_$minor \
    --plugin "$plugins/constraint_$minor.so" --output trimmed.smiles3d
  says "constraint 'constraint_$minor': .* wanted a plugin with the feature CG_CONSTRAINT_FORMATS" 'and the reason says so'
done

say 'geometry with a constraint that does not declare a path for every number'
counted=(--model model --input in.smi --gens 1 --seed 5 --temperature 1 --top-k 0 --overwrite
  --constraint constraint_1_1 --plugin "$plugins/constraint_1_1.so" --output counted.smiles3d)
check 0 'is counted by default' "${counted[@]}" --report counted.json
says "constraint 'constraint_1_1' does not declare a path for every number .* geometry is tested, not repaired" \
  'a warning says so'
verdict 'the warning comes once' test "$(grep -c 'not repaired' err)" = 1
verdict 'the report, too' grep -q '"mode": "count"' counted.json
verdict 'the report says that the text is not promised' grep -q 'constraint_reason.*another text fails' counted.json
check 3 'cannot be repaired' "${counted[@]}" --geometry repair
says "repair: constraint 'constraint_1_1' .*CG_CONSTRAINT_ALL_NUMBERS.*use --geometry count" 'and the reason says so'

say 'the checks'
# Those that need the longest are left out: conformance has all of them for plugins of today's headers.
only=(--device cpu --only structs --only ABI --only refused --only created --only 'out of memory' --only well-formed)
for minor in 1_0 1_1; do
  for kind in attention cache constraint; do
    check 0 "${kind}_$minor passes" plugins check "$plugins/${kind}_$minor.so" "${only[@]}"
  done
done
for kind in attention cache constraint; do
  check 1 "${kind}_1_3 fails" plugins check "$plugins/${kind}_1_3.so" "${only[@]}"
  verdict 'only for its ABI' sh -c "grep FAILED out | grep -q '^plugin ABI is known .* was built for plugin ABI 1\\.3, this confgen checks' &&
    [ \$(grep -c FAILED out) = 1 ]"
done

finish
