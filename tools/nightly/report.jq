# SPDX-License-Identifier: MIT
# Joins the reports of a night's tasks into one with the form of a run's report, plus `shards`.
#
# Input: [{shard, attempt, report}]. $attempts: [{"SHARD": number of attempts}]. $failed:
# [{wrong_molecule, parse_failure, unfinished, invalid_geometry}], counted in the joined --failed file.
#
# The last report of each shard counts all conformers of the shard, including those of its earlier
# attempts. Speed is that of the last attempts only: a stopped attempt loses conformers in progress.
# Rates are per task.
$attempts[0] as $attempts | $failed[0] as $failed
| def sum(f): map(f) | add // 0;
# Adds the numbers of objects, recursively; other values are those of the first report
def added(f): map(f) as $all | $all[0]
  | if type == "object" then with_entries(.key as $k | .value = ($all | added(.[$k])))
    elif type == "number" then $all | add
    else . end;
def rate($n; $seconds): if $seconds > 0 then $n / $seconds else null end;

group_by(.shard) | map(max_by(.attempt)) as $last
| ($last | map(.report)) as $r
| ($r | sum(.seconds.total)) as $seconds
| ($r | sum(.counts.conformers)) as $made
| ($r | sum(.counts.conformers + .counts.conformers_resumed)) as $conformers
| ($failed | add) as $lost
| $r[0] + {
    # stopped attempts leave no counts of --check, the cache and geometry; the evaluation checks
    checks: null, token_cache: null,
    geometry: (if $attempts | all(. == 1) then $r | added(.geometry) else null end),
    messages: ([$r[].messages[]?] | unique),
    engine: ($r[0].engine + {gpus: ([$r[].engine.gpus[]?] | unique_by(.uuid))}),
    counts: ($r[0].counts + {
      molecules: ($r | sum(.counts.molecules + .counts.molecules_resumed)),
      molecules_failed: ($r | sum(.counts.molecules_failed)),
      molecules_resumed: ($r | sum(.counts.molecules_resumed)),
      requested: ($conformers + $lost), conformers: $conformers,
      conformers_resumed: ($r | sum(.counts.conformers_resumed)),
      failures: ($r[0].counts.failures + $failed + {
        whole_molecules: ($r | added(.counts.failures.whole_molecules))}),
      tokens: ($r | added(.counts.tokens)),
      steps: ($r | sum(.counts.steps))
    }),
    seconds: ($r | added(.seconds)),
    rates: {
      conformers_per_second: rate($made; $seconds),
      tokens_per_second: rate($r | sum(.counts.tokens.completion); $seconds)
    },
    bytes: ($r[0].bytes | with_entries(.key as $k | .value =
      ($r | map(.bytes[$k]) | if $k == "written" then add else max end))),
    shards: ($last | map({
      shard, attempts: $attempts[.shard | tostring],
      conformers: (.report.counts.conformers + .report.counts.conformers_resumed),
      last_attempt: {conformers: .report.counts.conformers, seconds: .report.seconds.total,
        conformers_per_second: rate(.report.counts.conformers; .report.seconds.total)}
    }))
  }
