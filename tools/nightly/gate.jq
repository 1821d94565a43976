# SPDX-License-Identifier: MIT
# Judges a night against the nights before; README.md states the rules.
#
# Input: the night's line. $history: [earlier runs, from history_read()]. $compared: [{against, role,
# result}], results of `confgen eval --compare` against the last good run and the baseline. $conf: the
# tolerances of the configuration.
#
# Output: {verdict: "pass"|"fail", reasons, notes, checks: [{name, against, from, to, allowed, worse}]}.

$history[0] as $history
| def median: sort | if length == 0 then null
  elif length % 2 == 1 then .[(length - 1) / 2]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
# Estimates the standard deviation from the median distance from the median, which outliers do not
# change.
def noise: median as $m | map(. - $m | if . < 0 then -. else . end) | 1.4826 * median;
def round_to($digits): pow(10; $digits) as $f | (. * $f | round) / $f;
def percent($digits): "\(. * 100 | round_to($digits)) %";
def signed: if . > 0 then "+\(.)" else tostring end;

# ---- quality: results of --compare over all molecules, and over those with output in both runs where
# they differ
def metric: {cov_r: {name: "COV-R", scale: 100, unit: " %"}, cov_p: {name: "COV-P", scale: 100, unit: " %"},
  mat_r: {name: "MAT-R", scale: 1, unit: " Å"}, mat_p: {name: "MAT-P", scale: 1, unit: " Å"},
  pass: {name: "conformers that pass the checks", scale: 100, unit: " %"},
  wrong: {name: "records of another molecule or broken", scale: 100, unit: " %"},
  missing: {name: "molecules without output", scale: 100, unit: " %"}};
def figures($with):
  .result as $c | .result.settings.level as $level
  | (($c.all | to_entries[] | . + {set: "all"}), ($c.both | to_entries[] | select(.value != $c.all[.key]) | . + {set: "both"}))
  | . as $e | metric[.key] as $m | .value
  | select(.a != null and .b != null)
  | def show: if . == null then "?" else . * $m.scale | round_to(3) end;
    {name: $m.name, against: $with.against, from: .a, to: .b, low: .low, high: .high,
     verdict: .verdict, worse: (.verdict == "worse")}
  | .text = "\($m.name)\(if $e.set == "both" then " where both have output" else "" end): \(.from | show)\($m.unit) in \($with.against) (\($with.role)), now \(.to | show)\($m.unit): \(.to - .from | show | signed), \($level * 100 | round_to(1)) % interval \(.low | show | signed) to \(.high | show | signed)";

# Conformers lost in generation, judged by the tolerance and three standard errors
def delivered($with; $old):
  if $old.counts.requested > 0 and .counts.requested > 0 then
    .counts as $new | $old.counts as $was
    | ($was.conformers / $was.requested) as $from | ($new.conformers / $new.requested) as $to
    | (($was.conformers + $new.conformers) / ($was.requested + $new.requested)) as $p
    | ([$conf.tolerance_share, 3 * ($p * (1 - $p) * (1 / $was.requested + 1 / $new.requested) | sqrt)] | max) as $allowed
    | {name: "conformers delivered", against: $with.against, from: $from, to: $to, allowed: $allowed,
       worse: ($from - $to > $allowed)}
    | .text = "conformers delivered: \($from | percent(2)) in \($with.against) (\($with.role)), now \($to | percent(2)): wrong molecule \($new.failures.wrong_molecule), parse failure \($new.failures.parse_failure), unfinished \($new.failures.unfinished), invalid geometry \($new.failures.invalid_geometry // 0); allowed \($allowed | percent(2)) less"
  else empty end;

def rate: round_to(if . < 10 then 2 else 1 end);
def speed_check:
  . as $line | .speed[$conf.speed_figure] as $now | ($conf.speed_figure | sub("_per_second"; "/s")) as $unit
  | [$history[] | select(.good and .partition == $line.partition and .speed_series == $line.speed_series)
     | .speed[$conf.speed_figure] | numbers][-$conf.speed_runs:] as $before
  | ($before | length) as $n
  | if $now == null then {note: "speed was not measured: every shard was complete before its last attempt"}
    elif $n == 0 then {note: "no good run on this hardware (\($line.machine)) to compare the speed with"}
    else
      ($before | median) as $m | ($before | noise) as $noise
      | (if $n < $conf.speed_min_runs
         then {allowed: ([$conf.speed_tolerance_few, $conf.speed_tolerance] | max * $m),
               how: "\($n) good \(if $n == 1 then "run" else "runs" end), too few to know the noise"}
         else {allowed: ([$conf.speed_tolerance * $m, $conf.speed_sigmas * $noise] | max),
               how: "\($n) good runs, noise \($noise / $m | percent(1))"} end) as $a
      | {name: "speed", against: "the median of \($n)", from: $m, to: $now, allowed: $a.allowed,
         worse: ($m - $now > $a.allowed)}
      | .text = "speed: \($m | rate) \($unit) is the median on \($line.machine) (\($a.how)), now \($now | rate) (\($now / $m - 1 | . * 100 | round_to(1) | signed) %; allowed \(-$a.allowed / $m | percent(1)))"
      | if $n >= $conf.speed_min_runs and $conf.speed_sigmas * $noise > $conf.speed_tolerance * $m
        then .note = "speed is noisy: a loss of less than \($a.allowed / $m | percent(1)) cannot be detected"
        else . end
    end;

. as $line
| [$compared[] as $with | ($history[] | select(.run == $with.against)) as $old
   | ($with | figures($with)), ($line | delivered($with; $old))] as $quality
| [$line | speed_check] as $speed
| [($quality + $speed)[] | select(has("name"))] as $checks
| {
    verdict: (if any($checks[]; .worse) then "fail" else "pass" end),
    reasons: [$checks[] | select(.worse) | .text],
    notes: ([$speed[] | .note | strings]
      + [$compared[] | select(.result.verdict == "unknown")
         | "too few molecules (\(.result.molecules.common)) to judge the quality against \(.against)"]
      + if ($compared | length) == 0 then
          [if any($history[]; .partition == $line.partition)
           then "no good run with this input, reference and settings to compare the quality with"
           else "the first run on this partition: nothing to compare with" end]
        else [] end),
    against: [$compared[].against],
    checks: $checks
  }
