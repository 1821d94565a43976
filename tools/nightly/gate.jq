# SPDX-License-Identifier: MIT
# Is a night worse than those before? README.md has the rules in words.
#
# Input: the night's line. $history: [the runs before, as history_read() gives them]. $compared:
# [{against, role, result}], what `confgen eval --compare` found against the last good run and the
# baseline. $conf: the tolerances of the configuration.
#
# Output: {verdict: "pass"|"fail", reasons, notes, checks: [{name, against, from, to, allowed, worse}]}.

$history[0] as $history
| def median: sort | if length == 0 then null
  elif length % 2 == 1 then .[(length - 1) / 2]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
# The standard deviation of normal noise by the median distance from the median: an odd night does
# not move it.
def noise: median as $m | map(. - $m | if . < 0 then -. else . end) | 1.4826 * median;
def round_to($digits): pow(10; $digits) as $f | (. * $f | round) / $f;
def percent($digits): "\(. * 100 | round_to($digits)) %";
def signed: if . > 0 then "+\(.)" else tostring end;
def share($n; $of): if $of > 0 then $n / $of else null end;

# A figure of quality with what --compare says of it: it has to find it worse, and by more than the
# tolerance.
def figure($with):
  .metric as $name
  | ($name | startswith("cov")) as $is_cov
  | (if $is_cov then {scale: 100, unit: " %"} else {scale: 1, unit: " Å"} end) as $u
  | def show: . * $u.scale | round_to(3);
    (if $is_cov then $conf.cov_tolerance else $conf.mat_tolerance end) as $tolerance
  | (.difference | if . < 0 then -. else . end) as $size
  | {name: $name, against: $with.against, from: .old, to: .new, low: .low, high: .high,
     allowed: $tolerance, worse: (.verdict == "worse" and $size > $tolerance)}
  | .text = "\($name | ascii_upcase | sub("_"; "-")): \(.from | show)\($u.unit) in \($with.against) (\($with.role)), now \(.to | show)\($u.unit) (\(.to - .from | show | signed), 95 % interval \(.low | show | signed) to \(.high | show | signed); allowed \($tolerance | show))";

# A share of $of that should not shrink: by more than the tolerance and three standard errors.
def share_check($name; $from; $from_of; $to; $to_of; $against):
  share($from; $from_of) as $old | share($to; $to_of) as $new
  | if $old == null or $new == null then empty else
      ((($from + $to) / ($from_of + $to_of)) as $p
       | [$conf.valid_tolerance, 3 * ($p * (1 - $p) * (1 / $from_of + 1 / $to_of) | sqrt)] | max) as $allowed
      | {name: $name, against: $against, from: $old, to: $new, allowed: $allowed,
         worse: ($old - $new > $allowed)}
      | .text = "\($name): \($old | percent(2)) in \($against), now \($new | percent(2)) (allowed: \($allowed | percent(2)) less)"
    end;

def valid_checks($old):
  share_check("conformers delivered"; $old.counts.conformers; $old.counts.requested;
    .counts.conformers; .counts.requested; $old.run),
  share_check("conformers that pass the checks"; $old.counts.passed_all; $old.counts.checked;
    .counts.passed_all; .counts.checked; $old.run),
  share_check("molecules with output"; $old.counts.molecules - $old.counts.missing; $old.counts.molecules;
    .counts.molecules - .counts.missing; .counts.molecules; $old.run),
  ({name: "records of another molecule", against: $old.run, from: $old.counts.wrong, to: .counts.wrong,
    allowed: 0, worse: (.counts.wrong > $old.counts.wrong)}
   | .text = "\(.name): \(.from) in \(.against), now \(.to)");

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
      | .text = "speed: \($m | round_to(1)) \($unit) is the median on \($line.machine) (\($a.how)), now \($now | round_to(1)) (\($now / $m - 1 | . * 100 | round_to(1) | signed) %; allowed \(-$a.allowed / $m | percent(1)))"
      | if $n >= $conf.speed_min_runs and $conf.speed_sigmas * $noise > $conf.speed_tolerance * $m
        then .note = "speed is noisy: a loss of less than \($a.allowed / $m | percent(1)) cannot be told from chance"
        else . end
    end;

. as $line
| [$compared[] as $with | ($history[] | select(.run == $with.against)) as $old
   | ($with.result.metrics[] | figure($with)), ($line | valid_checks($old))] as $quality
| [$line | speed_check] as $speed
| [($quality + $speed)[] | select(has("name"))] as $checks
| {
    verdict: (if any($checks[]; .worse) then "fail" else "pass" end),
    reasons: [$checks[] | select(.worse) | .text],
    notes: ([$speed[] | .note | strings]
      + if ($compared | length) == 0 then
          [if any($history[]; .partition == $line.partition)
           then "no good run with this input, reference and settings to compare the quality with"
           else "the first run on this partition: nothing to compare with" end]
        else [] end),
    against: [$compared[].against],
    checks: $checks
  }
