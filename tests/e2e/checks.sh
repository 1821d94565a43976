#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --check and --retry: records, report, and output bytes that do not depend on how they are computed.
. "$(dirname "$0")/lib.sh"

printf '%s\t%s\n' 'C[C@H](N)C(=O)O' alanine 'C/C=C/CO' butenol 'C1CC' bad \
  'C[C@H](O)[C@@H](C)c1ccccc1' phenyl '[2H]C([2H])([2H])O' methanol >in.smi
common=(--input in.smi --gens 3 --seed 4 --temperature 1.2 --geometry off --quiet --overwrite)

say '--check adds a tag and changes nothing else'
run 1 "${common[@]}" --output plain.sdf --report plain.json
verdict 'no tag without --check' test -z "$(sdf_item plain.sdf checks)"
verdict 'the report has no checks' grep -q '"checks": null' plain.json
run 1 "${common[@]}" --check --output check.sdf --report check.json
same plain.sdf <(sed '/^>  <checks>$/,/^$/d' check.sdf) 'the same conformers'
verdict 'each record has a verdict' test "$(sdf_item check.sdf checks | wc -l)" = 12
passed=$(sdf_item check.sdf checks | grep -cx pass || true)
verdict "not all 12 pass: $passed" test "$passed" -lt 12
verdict 'the report counts them' test "$(json_number check.json checked)" = 12
verdict 'and those that pass' test "$(json_number check.json passed_all)" = "$passed"
bonds=$(sdf_item check.sdf checks | grep -c bond_lengths || true)
verdict 'and by test' grep -Pzq "\"bond_lengths\": \{\s*\"done\": 12,\s*\"failed\": $bonds,\s*\"unchecked\": 0\s*\}" \
  check.json
verdict 'none was sampled again' test "$(json_number check.json retried)" = 0

say '--retry'
run 1 "${common[@]}" --retry 2 --output retry.sdf --report retry.json
verdict 'the same number of records' test "$(count_sdf <retry.sdf)" = 12
better=$(sdf_item retry.sdf checks | grep -cx pass || true)
verdict "more pass: $better" test "$better" -gt "$passed"
fixed=$(json_number retry.json fixed_by_retry)
verdict 'by as many as retries fixed' test "$better" = $((passed + fixed))
verdict 'records give their number of retries' \
  test "$(sdf_item retry.sdf retry | grep -cvx 0)" -ge "$fixed"
verdict 'retries are counted' test "$(json_number retry.json retried)" -ge "$fixed"
verdict 'and do not count as requested conformers' test "$(json_number retry.json requested)" = 12
paste <(sdf_item check.sdf checks) <(sdf_item retry.sdf retry) >pairs
verdict 'a conformer that passed at once was not retried' \
  test "$(awk '$1 == "pass" && $2 != 0' pairs | wc -l)" = 0
run 1 "${common[@]}" --retry 0 --check --output zero.sdf
same zero.sdf check.sdf '--retry 0 is --check'

say '--check judges the hydrogens of --add-hs (default model)'
{ printf 'O=c1cccc2n1C[C@@H]1CNC[C@@H]2C1 cytisine\nCC(C)(C)c1ccccc1C(C)(C)C crowded\n'
  printf '[NH4+].[Cl-] salt\n[H]/N=C(\\N)C imine\n'; head -n 4 "$data/geom_drugs_sample.smi"; } |
  sed 's/\t/ /; s/\t.*//' >hydrogens.smi
run 0 --input hydrogens.smi --gens 2 --seed 1 --quiet --add-hs --check --output hydrogens.sdf --report hydrogens.json
verdict 'hydrogens were moved' test "$(json_number hydrogens.json hydrogens_moved)" -ge 2
verdict 'and all found a place' test "$(json_number hydrogens.json hydrogens_failed)" = 0
verdict 'every record passes' test "$(sdf_item hydrogens.sdf checks | grep -cx pass)" = 16
verdict 'hydrogens four or more bonds apart are 1.7 Å apart' awk '
  function far(i, j) { # hydrogens i and j have neither one neighbour nor two that are bonded
    return bearer[i] != bearer[j] && !((bearer[i], bearer[j]) in bond)
  }
  / V2000$/ { n = substr($0, 1, 3) + 0; m = substr($0, 4, 3) + 0; delete bond; delete bearer; line = 0; next }
  n && line++ < n { x[line] = $1; y[line] = $2; z[line] = $3; h[line] = $4 == "H"; next }
  n && line <= n + m {
    a = substr($0, 1, 3) + 0; b = substr($0, 4, 3) + 0
    bond[a, b] = bond[b, a] = 1
    if (h[b]) bearer[b] = a
    if (h[a]) bearer[a] = b
    if (line == n + m)
      for (i = 1; i <= n; i++)
        for (j = 1; j < i; j++)
          if (h[i] && h[j] && far(i, j)) {
            d = sqrt((x[i] - x[j]) ^ 2 + (y[i] - y[j]) ^ 2 + (z[i] - z[j]) ^ 2)
            n_pairs++
            if (d < 1.7) { print "atoms", i, j, d; n_near++ }
          }
  }
  END { exit n_near || n_pairs < 100 }' hydrogens.sdf
run 1 "${common[@]}" --add-hs --check --output sloppy.sdf --report sloppy.json
verdict 'sampled at random, hydrogens fail too' test "$(sdf_item sloppy.sdf checks | grep -cvx pass)" -ge 1

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
check 1 'an interrupted run is resumed' "${resume[@]}" --retry 2 --resume --output cut.sdf
same retry.sdf cut.sdf 'to the same bytes'
head -n 3 retry.sdf.manifest >cut.sdf.manifest
if run 3 "${resume[@]}" --retry 1 --resume --output cut.sdf; then
  says "had retry '2', this one has '1'" 'another --retry is refused'
fi
if run 3 "${resume[@]}" --resume --output cut.sdf; then
  says "had check 'yes', this one has 'no'" 'so is none'
fi

say 'what cannot be tested is unchecked, not pass'
printf '%s\n' 'CC=[C@]=CC allene' 'C[C@](C)(C)C neopentane' '[2H][C@](F)(Cl)C deuterium' \
  '[H]/N=C(\N)c1ccccc1 amidine' 'C1C[C@H](C)[S@+](C)C1 sulfonium' >odd.smi
run 0 --input odd.smi --gens 4 --seed 2 --check --output odd.sdf --report odd.json --overwrite
outcomes() { # NAME: the outcomes of its records
  "$CONFGEN" inspect odd.sdf --molecule "$1" | sdf_item - checks | sort | uniq -c | xargs
}
verdict 'an allene with a mark' test "$(outcomes allene)" = '4 unchecked'
for name in neopentane deuterium amidine sulfonium; do
  verdict "$name passes" test "$(outcomes $name)" = '4 pass'
done
verdict 'the report counts it' test "$(json_number odd.json unchecked)" = 4
verdict 'not among those that pass' test "$(json_number odd.json passed_all)" = 16
verdict 'by test' grep -Pzq '"stereo": \{\s*"done": 12,\s*"failed": 0,\s*"unchecked": 4\s*\}' odd.json
verdict 'and as untested stereo' test "$(json_number odd.json untested_stereo)" = 1
says '16 of 20 conformers passed every check; 4 unchecked' 'the last lines say so'
says 'allene: unchecked .stereo.' 'and which molecule'

say 'other formats, and refusals'
for format in xyz smiles3d json; do
  run 0 "${common[@]}" --limit 1 --check --output check.$format || continue
  verdict "$format has the tag" grep -q 'checks.*pass' check.$format
done
check 2 '--retry with --greedy' "${common[@]}" --retry 1 --greedy --output no.sdf
says 'repeats the same' 'the message gives the reason'
check 2 'a negative number' "${common[@]}" --retry=-1 --output no.sdf
verdict 'nothing is written' test ! -e no.sdf
finish
