#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --check and --retry: what records and report say, and that the bytes depend on nothing else.
. "$(dirname "$0")/lib.sh"

printf '%s\t%s\n' 'C[C@H](N)C(=O)O' alanine 'C/C=C/CO' butenol 'C1CC' bad \
  'C[C@H](O)[C@@H](C)c1ccccc1' phenyl '[2H]C([2H])([2H])O' methanol >in.smi
common=(--input in.smi --gens 3 --seed 2 --temperature 1.2 --geometry off --quiet --overwrite)

say 'without --check nothing changes but a tag'
run 1 "${common[@]}" --output plain.sdf --report plain.json
verdict 'no tag' test -z "$(sdf_item plain.sdf checks)"
verdict 'the report has no checks' grep -q '"checks": null' plain.json
run 1 "${common[@]}" --check --output check.sdf --report check.json
same plain.sdf <(sed '/^>  <checks>$/,/^$/d' check.sdf) 'the same conformers'
verdict 'a verdict in each record' test "$(sdf_item check.sdf checks | wc -l)" = 12
passed=$(sdf_item check.sdf checks | grep -cx pass || true)
verdict "not all pass: $passed" test "$passed" -lt 12
verdict 'the report counts them' test "$(json_number check.json checked)" = 12
verdict 'and those that pass' test "$(json_number check.json passed_all)" = "$passed"
bonds=$(sdf_item check.sdf checks | grep -c bond_lengths || true)
verdict 'and by test' grep -Pzq "\"bond_lengths\": \{\s*\"done\": 12,\s*\"failed\": $bonds\s*\}" \
  check.json
verdict 'none was drawn again' test "$(json_number check.json retried)" = 0

say '--retry'
run 1 "${common[@]}" --retry 2 --output retry.sdf --report retry.json
verdict 'the same number of records' test "$(count_sdf <retry.sdf)" = 12
better=$(sdf_item retry.sdf checks | grep -cx pass || true)
verdict "more pass: $better" test "$better" -gt "$passed"
mended=$(json_number retry.json fixed_by_retry)
verdict 'by as many as were mended' test "$better" = $((passed + mended))
verdict 'records tell how often they were drawn again' \
  test "$(sdf_item retry.sdf retry | grep -cvx 0)" -ge "$mended"
verdict 'draws are counted' test "$(json_number retry.json retried)" -ge "$mended"
verdict 'and are no conformers asked for' test "$(json_number retry.json requested)" = 12
paste <(sdf_item check.sdf checks) <(sdf_item retry.sdf retry) >pairs
verdict 'what passed at once was not drawn again' \
  test "$(awk '$1 == "pass" && $2 != 0' pairs | wc -l)" = 0
run 1 "${common[@]}" --retry 0 --check --output zero.sdf
same zero.sdf check.sdf '--retry 0 is --check'

say 'the bytes do not depend on batch, threads, shards or interruption'
for variant in '--batch-size 1' '--batch-size 3 --template-workers 1 --threads 1'; do
  # shellcheck disable=SC2086 # several words
  run 1 "${common[@]}" $variant --retry 2 --output got.sdf || continue
  same retry.sdf got.sdf "$variant"
done
for i in 0 1; do
  "$CONFGEN" "${common[@]}" --retry 2 --shard $i/2 --output part$i.sdf 2>err || [ $? = 1 ] ||
    fail "shard $i"
done
same retry.sdf <(cat part[01].sdf) 'two shards joined'
head -n 3 retry.sdf.manifest >cut.sdf.manifest # the first two molecules
cp retry.sdf cut.sdf
resume=("${common[@]}")
unset 'resume[-1]' # --overwrite
check 1 'resumed' "${resume[@]}" --retry 2 --resume --output cut.sdf
same retry.sdf cut.sdf 'it is completed as it would have been'
head -n 3 retry.sdf.manifest >cut.sdf.manifest
if run 3 "${resume[@]}" --retry 1 --resume --output cut.sdf; then
  says "had retry '2', this one has '1'" 'another --retry is refused'
fi
if run 3 "${resume[@]}" --resume --output cut.sdf; then
  says "had check 'yes', this one has 'no'" 'none is refused too'
fi

say 'other formats, and what is refused'
for format in xyz smiles3d json; do
  run 0 "${common[@]}" --limit 1 --check --output check.$format || continue
  verdict "$format has the tag" grep -q 'checks.*pass' check.$format
done
check 2 'greedy sampling' "${common[@]}" --retry 1 --greedy --output no.sdf
says 'draws the same' 'and says why'
check 2 'a number below 0' "${common[@]}" --retry=-1 --output no.sdf
verdict 'nothing is written' test ! -e no.sdf
finish
