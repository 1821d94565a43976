# SPDX-License-Identifier: MIT
# Writes the history as one self-contained HTML file, which links to the nights' own reports.
#
# $history: [runs, from history_read()]; $now; $figure: the speed that is judged.

def esc: tostring | @html;
def round_to($digits): pow(10; $digits) as $f | (. * $f | round) / $f;
def show($digits): if . == null then "–" else round_to($digits) | tostring end;
def verdict: if .accepted then "accepted" else .gate.verdict end;
def bad: verdict | . == "fail" or . == "broken";
def link: "runs/\(.run | @uri)/eval.html";

# ---- charts: SVG plots of figures over nights
def plot: {w: 300, h: 180, left: 38, right: 8, top: 12, bottom: 24};
# The smallest step of 1, 2 or 5 times a power of ten that divides $range into at most four
def step($range): pow(10; $range / 4 | log10 | floor) as $p
  | first((1, 2, 5, 10) * $p | select(. * 4 >= $range * 0.999));
# Input: the runs. $lines: [{label, class, values: [number or null for each run]}]; values are at least
# 0 and at most $ceiling (null: no limit). $band: {low, high} or null
def chart($title; $lines; $ceiling; $band):
  . as $runs | length as $n | plot as $p
  | [$lines[].values[], ($band // {} | .low, .high) | numbers] as $all
  | if ($all | length) == 0 then "" else
      (($all | max) - ($all | min)) as $spread | (($all | max) | if . < 0 then -. else . end) as $most
      | ([$spread, $most * 0.02, 1e-9] | max) as $range
      | step($range) as $step
      | ([0, (($all | min) / $step - 0.1 | floor) * $step] | max) as $y0
      | ((($all | max) / $step + 0.1 | ceil) * $step
         | if $ceiling and . > $ceiling then $ceiling else . end) as $y1
      | ([0, -($step | log10 | floor)] | max) as $digits
      | def x: $p.left + (. + 0.5) * ($p.w - $p.left - $p.right) / $n | round_to(1);
        def y: $p.top + ($y1 - .) / ($y1 - $y0) * ($p.h - $p.top - $p.bottom) | round_to(1);
        "<figure><figcaption>\($title | esc)"
        + ([select($lines | length > 1) | $lines[] | "<span class=\"key \(.class)\">\(.label | esc)</span>"] | join(""))
        + "</figcaption><svg viewBox=\"0 0 \($p.w) \($p.h)\" role=\"img\" aria-label=\"\($title | esc)\">"
        + ([range(0; ($y1 - $y0) / $step + 0.5 | floor | . + 1) | $y0 + . * $step
            | "<path class=\"grid\" d=\"M\($p.left) \(y)H\($p.w - $p.right)\"/><text class=\"tick\" x=\"\($p.left - 6)\" y=\"\(y + 3.5 | round_to(1))\" text-anchor=\"end\">\(round_to($digits))</text>"]
           | join(""))
        + (if $band then "<rect class=\"band\" x=\"\($p.left)\" width=\"\($p.w - $p.left - $p.right)\" y=\"\($band.high | y)\" height=\"\(($band.low | y) - ($band.high | y) | round_to(1))\"/>" else "" end)
        + ([0, (select($n > 8) | $n / 2 | floor), $n - 1] | unique
           | [.[] as $i | "<text class=\"tick\" x=\"\($i | x)\" y=\"\($p.h - 8)\" text-anchor=\"\(if $n == 1 or ($i > 0 and $i < $n - 1) then "middle" elif $i == 0 then "start" else "end" end)\">\($runs[$i].date[0:10])</text>"] | join(""))
        + ([$lines[] | .class as $class | .label as $what | .values as $v
            | ([range(0; $n) | select($v[.] != null)] as $at
               | if ($at | length) > 1 then
                   "<path class=\"line \($class)\" d=\"M\([$at[] as $i | "\($i | x) \($v[$i] | y)"] | join("L"))\"/>"
                 else "" end),
              ([range(0; $n) as $i | select($v[$i] != null)
                | "<circle class=\"\($class)\(if $runs[$i] | bad then " worse" else "" end)\" cx=\"\($i | x)\" cy=\"\($v[$i] | y)\" r=\"\(if $runs[$i] | bad then 4.5 else 3 end)\"><title>\($what | esc) \($v[$i] | show($digits + 2)), \($runs[$i].run | esc): \($runs[$i] | verdict)</title></circle>"] | join(""))]
           | join(""))
        + "</svg></figure>"
    end;

# ---- a partition
def commit_of: .commit // "" | .[0:10];
# The speed that the gate allowed in the last night that it judged on speed
def speed_band: [.[] | .gate.checks[]? | select(.name == "speed")] | last
  | if . then {low: (.from - .allowed), high: .from} else null end;

def section:
  .[0].partition as $partition | last as $last
  | (.[-60:]) as $runs
  | "<section id=\"\($partition | esc)\"><h2>\($partition | esc) <span class=\"verdict \($last | verdict)\">\($last | verdict)</span></h2>"
  + "<p>\($last.run | esc)\(if $last.machine then ", on \($last.machine | esc)" else "" end)\(if $last | commit_of != "" then ", commit <code>\($last | commit_of | esc)</code>" else "" end)\(if $last.restarts then ", \($last.restarts) restarts of tasks" else "" end)\(if $last.figures then ": <a href=\"\($last | link)\">the night’s evaluation</a>" else "" end)</p>"
  + ([$last.gate.reasons[] | "<li class=\"worse\">\(esc)</li>"] + [$last.gate.notes[] | "<li>\(esc)</li>"]
     | if length > 0 then "<ul>\(join(""))</ul>" else "" end)
  + ($last.bioactive | if . then "<p>Experimental references: best RMSD \(.best.mean | show(3)) Å, TFD \(.tfd.mean | show(4)); found within "
      + ([.hit | to_entries[] | "\(.key) Å \(.value | if . then . * 100 else null end | show(1)) %"] | join(", ")) + "</p>" else "" end)
  + "<div class=\"charts\">"
  + ($runs | chart("Coverage, mean, %"; [
      {label: "COV-R", class: "one", values: map(.figures.cov_r.mean | if . then . * 100 else null end)},
      {label: "COV-P", class: "two", values: map(.figures.cov_p.mean | if . then . * 100 else null end)}]; 100; null))
  + ($runs | chart("Matching, mean, Å"; [
      {label: "MAT-R", class: "one", values: map(.figures.mat_r.mean)},
      {label: "MAT-P", class: "two", values: map(.figures.mat_p.mean)}]; null; null))
  + ($runs | chart("Speed, \($figure | sub("_per_second"; "/s")) a task"; [
      {label: "speed", class: "one", values: map(.speed[$figure]?)}]; null; speed_band))
  + ($runs | chart("Conformers, %"; [
      {label: "delivered", class: "one", values: map(.counts | if . and .requested > 0 then 100 * .conformers / .requested else null end)},
      {label: "pass the checks", class: "two", values: map(.counts | if . and .checked > 0 then 100 * .passed_all / .checked else null end)}]; 100; null))
  + ($runs | chart("Experimental coordinates found, %"; [
      {label: "within 1 Å", class: "one", values: map(.bioactive.hit["1"]? | if . then . * 100 else null end)},
      {label: "within 2 Å", class: "two", values: map(.bioactive.hit["2"]? | if . then . * 100 else null end)}]; 100; null))
  + "</div><div class=\"wide\"><table><thead><tr><th>night<th>verdict<th>commit<th>COV-R %<th>MAT-R Å<th>COV-P %<th>MAT-P Å<th>conformers<th>failed<th>checks %<th>\($figure | sub("_per_second"; "/s"))<th>restarts</tr></thead><tbody>"
  + ([$runs | reverse[]
      | "<tr><td>\(if .figures then "<a href=\"\(link)\">\(.run | esc)</a>" else .run | esc end)"
      + "<td><span class=\"verdict \(verdict)\">\(verdict)</span><td><code>\(commit_of | esc)</code>"
      + "<td>\(.figures.cov_r.mean | if . then . * 100 else . end | show(2))<td>\(.figures.mat_r.mean | show(4))"
      + "<td>\(.figures.cov_p.mean | if . then . * 100 else . end | show(2))<td>\(.figures.mat_p.mean | show(4))"
      + "<td>\(.counts.conformers | show(0))<td>\(.counts | if . then .requested - .conformers else null end | show(0))"
      + "<td>\(.counts | if . and .checked > 0 then 100 * .passed_all / .checked else null end | show(2))"
      + (.counts.unchecked? // 0 | if . > 0 then " (\(.) unchecked)" else "" end)
      + "<td>\(.speed[$figure]? | show(1))<td>\(.restarts | show(0))"
      + "</tr>" + ([if .accepted then "accepted: \(.accepted)" else empty end, .gate.reasons[]]
        | if length > 0 then "<tr class=\"why\"><td colspan=\"12\">\(map(esc) | join("<br>"))</tr>" else "" end)]
     | join("\n"))
  + "</tbody></table></div></section>";

$history[0] | group_by(.partition) as $partitions
| "<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>confgen nightly</title>
<style>
:root { color-scheme: light dark; --text: #1d2733; --soft: #5c6875; --line: #dfe4ea; --paper: #fff; --back: #f5f7f9;
  --one: #1f6fb2; --two: #c2690f; --pass: #1a7f4b; --fail: #c0272d; --broken: #8a3fa0; --band: #1f6fb222; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ee; --soft: #9aa7b4; --line: #313b46; --paper: #1a2027;
  --back: #12171c; --one: #62aee8; --two: #f0a04b; --pass: #3fb67a; --fail: #f0686d; --broken: #c98ade; --band: #62aee822; } }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 0 0 .3rem; }
p { margin: .2rem 0 .8rem; } .soft, .tick { color: var(--soft); fill: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 1.2rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .9rem; min-height: 2.9em; } svg { width: 100%; height: auto; display: block; }
.tick { font-size: 10.5px; } .grid { stroke: var(--line); } .band { fill: var(--band); }
.line { fill: none; stroke-width: 1.6; } .line.one { stroke: var(--one); } .line.two { stroke: var(--two); }
circle.one { fill: var(--one); } circle.two { fill: var(--two); } circle.worse { fill: var(--fail); }
.key { display: inline-block; white-space: nowrap; font-weight: 400; margin-left: .8rem; color: var(--soft); }
.key::before { content: \"\"; display: inline-block; width: .7rem; height: .2rem; margin: 0 .3rem .2rem 0; background: var(--one); }
.key.two::before { background: var(--two); }
.verdict { color: #fff; border-radius: 4px; padding: .05rem .45rem; font-size: .8rem; font-weight: 600; background: var(--pass); }
.verdict.fail { background: var(--fail); } .verdict.broken { background: var(--broken); }
.verdict.accepted { background: var(--soft); }
li.worse { color: var(--fail); font-weight: 600; } .wide { overflow-x: auto; margin-top: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .4rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .why td { white-space: normal; color: var(--soft); padding-left: 1.5rem; }
a { color: var(--one); }
</style></head><body>
<h1>confgen nightly</h1>
<p class=\"soft\">Written \($now | esc). Red points are nights that failed; the band is the speed that the gate allows.</p>"
+ ([$partitions[] | last | "<a href=\"#\(.partition | esc)\">\(.partition | esc)</a> <span class=\"verdict \(verdict)\">\(verdict)</span> "] | "<p>\(join("&ensp;"))</p>")
+ ([$partitions[] | section] | join("\n")) + "\n</body></html>"
