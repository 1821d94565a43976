# SPDX-License-Identifier: MIT
# Prints the evaluations of none, template and grammar, each with its run, as a Markdown table.
def right(n): tostring | " " * ([n - length, 0] | max) + .;
def left(n): tostring | . + " " * ([n - length, 0] | max);
# A number with n decimals; - for null
def fixed(n): if . == null then "-" else
    (. * pow(10; n) | round | tostring) as $digits
    | if n == 0 then $digits
      else ("0" * ([n + 1 - ($digits | length), 0] | max) // "") + $digits
        | .[:length - n] + "." + .[length - n:] end
  end;
def row(what; f): "| " + (what | left(26)) + " |" + (map(" " + (f | right(9)) + " |") | add);
def both(name; f): row("\(name) mean"; .mean | f), row("\(name) median"; .median | f);
def share: if . then . * 100 | fixed(2) else "-" end;

"\(.[0].summary.molecules) molecules, \(.[0].summary.references) references; "
  + "delta \(.[0].settings.delta) Å; a molecule without output covers nothing",
  "",
  ("| " + ("" | left(26)) + " |" + (map(" " + (.run.engine.constraint | right(9)) + " |") | add)),
  "| --- | ---: | ---: | ---: |",
  row("conformers requested"; .run.counts.requested),
  row("conformers written"; .run.counts.conformers),
  row("wrong molecules"; .run.counts.failures.wrong_molecule),
  row("parse failures"; .run.counts.failures.parse_failure),
  row("unfinished"; .run.counts.failures.unfinished),
  row("molecules without output"; .summary.missing),
  (map(.summary.cov_r) | both("COV-R, %"; share)),
  (map(.summary.mat_r) | both("MAT-R, Å"; fixed(4))),
  (map(.summary.cov_p) | both("COV-P, %"; share)),
  (map(.summary.mat_p) | both("MAT-P, Å"; fixed(4))),
  row("tokens/s"; .run.rates.tokens_per_second | fixed(0)),
  row("conformers/s"; .run.rates.conformers_per_second | fixed(1))
