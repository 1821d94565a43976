# SPDX-License-Identifier: MIT
# Makes a run's line of the history, without the gate's verdict.
#
# Input: the run's run.json. $eval: [its evaluation]; $report: [its joined report]; $machines:
# processors of the tasks, used if there was no GPU; $now.
$eval[0] as $e | $report[0] as $r
| ([$r.engine.gpus[].name] | unique) as $gpus
| (if ($gpus | length) > 0 then $gpus else ($machines | unique) end | join(" + ")) as $machine
| {input_sha256, reference_sha256, gens, settings: ($e.settings | del(.seconds, .max_maps))} as $series
| {
    format: "confgen-nightly-1", run, date, ended: $now, partition, commit, version: $r.versions.confgen,
    model: $r.engine.fingerprint, machine: $machine,
    # nights are comparable in quality if `series` is equal, in speed if `speed_series` is
    series: $series,
    speed_series: ($series + {machine: $machine, shards, device: $r.engine.device,
      threads: $r.engine.threads, gpus: ($r.engine.gpus | length)}),
    figures: ($e.summary | {cov_r, mat_r, cov_p, mat_p}),
    # of all conformers against experimental references (--bioactive); null without
    bioactive: ($e.summary.bioactive.curve? // null | if . then last | {best, tfd, hit} else null end),
    counts: {
      molecules: $e.summary.molecules, missing: $e.summary.missing, references: $e.summary.references,
      generated: $e.summary.generated, wrong: $e.summary.wrong, broken: $e.summary.broken,
      requested: $r.counts.requested, conformers: $r.counts.conformers, failures: $r.counts.failures,
      checked: ($e.summary.checks.checked // 0), passed_all: ($e.summary.checks.passed_all // 0),
      unchecked: ($e.summary.checks.unchecked // 0)
    },
    speed: ($r.rates + {seconds: $r.seconds.total, shards: [$r.shards[].last_attempt.conformers_per_second]}),
    restarts: ([$r.shards[].attempts - 1] | add)
  }
