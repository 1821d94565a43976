#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the table of ensembles against experimental references: best RMSD, hit rates, relaxation energies, checks.

    tools/study/ligand_table.py --out DIR --python PYTHON [-- CONFGEN_ARGUMENT...]

For each number of conformers K, the rows are: the default model's conformers (`confgen --ensemble raw`), the same with
`--ensemble standard`, with `--ensemble standard --minimize mmff94`, ETKDGv3, and ETKDGv3 + MMFF94 (make_etkdg.py with PYTHON,
which has RDKit). All figures are of `confgen eval --bioactive --relaxation --check`, all intervals of `confgen eval --compare`.
Of the largest K also by number of conformers, in the order of the files, and by rotatable bonds.

A run makes what is missing in DIR, and evaluates what is newer than its evaluation:

    DIR/kK/ROW.sdf.zst        conformers; ROW is raw, standard, mmff94, etkdg or etkdg_mmff. Also ROW.sdf
    DIR/kK/ROW.json           confgen's --report, of its rows
    DIR/kK/ROW.eval.json      confgen eval; ROW.eval.txt is what it printed
    DIR/kK/A-B.json           confgen eval --compare A B
    DIR/table.md              the table
    DIR/summary.json          the figures of the table with settings, versions and machine

Conformers that another machine made are put at these places. Without --python, or with --no-generate, rows that have no
conformers are left out of the table and named on standard error.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.relpath(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SAMPLE = os.path.normpath(os.path.join(ROOT, "data", "pdb_ligands_sample"))
ROWS = {"raw": "default model, raw", "standard": "default model, standard", "mmff94": "default model, standard, mmff94",
        "etkdg": "ETKDGv3", "etkdg_mmff": "ETKDGv3 + MMFF94"}
OPTIONS = {"raw": ["--ensemble", "raw"], "standard": ["--ensemble", "standard"],
           "mmff94": ["--ensemble", "standard", "--minimize", "mmff94"]}
PAIRS = [("etkdg", "raw"), ("etkdg_mmff", "raw"), ("etkdg_mmff", "standard"), ("etkdg_mmff", "mmff94"),
         ("raw", "standard"), ("raw", "mmff94")]
COUNTS = [1, 10, 25, 50, 100, 250, 1000]
THRESHOLDS = ["0.5", "0.75", "1", "1.5", "2"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def load(path):
    """The content of a JSON file."""
    with open(path) as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            sys.exit("%s: line %d: %s; remove it to make it again" % (path, error.lineno, error.msg))


def run(command, allowed=(0,), output=None):
    """Runs a command, printed first; its standard output and error go to the file `output`."""
    say("+ " + " ".join(command))
    if output:
        with open(output, "w") as file:
            status = subprocess.call(command, stdout=file, stderr=subprocess.STDOUT)
    else:
        status = subprocess.call(command)
    if status not in allowed:
        sys.exit("found status %d, wanted %s: %s%s" % (status, " or ".join(map(str, allowed)), " ".join(command),
                                                      "; see %s" % output if output else ""))


def conformers(folder, row):
    """The file of a row's conformers; None if there is none."""
    for end in (".sdf.zst", ".sdf"):
        path = os.path.join(folder, row + end)
        if os.path.exists(path) and not unfinished(folder, row):
            return path
    return None


def unfinished(folder, row):
    """Whether a run of confgen for the row was interrupted: its report is empty until it ends."""
    report = os.path.join(folder, row + ".json")
    return (os.path.exists(os.path.join(folder, row + ".sdf.zst.manifest"))
            and not (os.path.exists(report) and os.path.getsize(report)))


def generate(args, folder, k):
    """Makes the missing conformers of K = k."""
    for row, options in OPTIONS.items():
        if row in args.rows and not conformers(folder, row):
            output = os.path.join(folder, row + ".sdf.zst")
            command = [args.confgen, "--input", args.input, "--gens", str(k)] + options + [
                "--seed", str(args.seed), "--output", output, "--report", os.path.join(folder, row + ".json")]
            run(command + (["--resume"] if unfinished(folder, row) else []) + args.arguments, (0, 1),
                os.path.join(folder, row + ".txt"))
    missing = [row for row in ("etkdg", "etkdg_mmff") if row in args.rows and not conformers(folder, row)]
    if missing and args.python:
        run([args.python, os.path.normpath(os.path.join(ROOT, "tools", "study", "make_etkdg.py")), args.input, str(k),
             os.path.join(folder, "etkdg.sdf"), os.path.join(folder, "etkdg_mmff.sdf"), "--seed", str(args.seed)],
            output=os.path.join(folder, "etkdg.txt"))


def newer(path, than):
    return os.path.exists(path) and os.path.getmtime(path) >= max(os.path.getmtime(p) for p in than)


def evaluate(args, folder, row):
    """Evaluates a row; returns its evaluation, None without conformers."""
    gen = conformers(folder, row)
    result = os.path.join(folder, row + ".eval.json")
    report = os.path.join(folder, row + ".json")
    if not gen:
        say("%s: no conformers, left out of the table" % os.path.join(folder, row))
        return None
    if not newer(result, [gen, args.ref]):
        command = [args.confgen, "eval", "--ref", args.ref, "--gen", gen, "--bioactive", "--relaxation", "--check",
                   "--json", result, "--overwrite"]
        # Status 1: records show another stereoisomer, or a check could not be done
        run(command + (["--run", report] if os.path.exists(report) else []), (0, 1),
            os.path.join(folder, row + ".eval.txt"))
    evaluation = load(result)
    if evaluation["ref"] != args.ref:
        sys.exit("%s: found an evaluation against '%s', wanted '%s'; remove it" % (result, evaluation["ref"], args.ref))
    return evaluation


def compare(args, folder, a, b):
    """The comparison of row b with row a: standard output of --compare is kept as A-B.txt."""
    sources = [os.path.join(folder, row + ".eval.json") for row in (a, b)]
    result = os.path.join(folder, "%s-%s.json" % (a, b))
    if not newer(result, sources):
        # Status 1: some figure of B is worse
        run([args.confgen, "eval", "--compare", *sources, "--json", result, "--overwrite"], (0, 1),
            result[:-len("json")] + "txt")
    comparison = load(result)
    if any("property" in row and "from" not in row for row in comparison["bioactive"]):
        sys.exit("%s: found bins without \"from\", as earlier versions of confgen wrote them; remove it to make it again" % result)
    return comparison


def figures(evaluation):
    """The figures of a row of the table."""
    summary = evaluation["summary"]
    last = summary["bioactive"]["curve"][-1]  # of all conformers
    checks = summary["checks"]
    share = {name: 1 - t["failed"] / t["done"] if t["done"] else None for name, t in checks["tests"].items()}
    return {
        "molecules": summary["molecules"], "missing": summary["missing"], "conformers": summary["generated"],
        "other_stereo": summary["stereo"], "not_scored": summary["wrong"] + summary["broken"],
        "best_mean": last["best"]["mean"], "best_median": last["best"]["median"], "tfd_mean": last["tfd"]["mean"],
        "hit": last["hit"], "relaxation": summary["relaxation"],
        "pass": checks["passed_all"] / checks["checked"] if checks["checked"] else None, "pass_each": share,
        "unchecked": checks["unchecked"], "seconds": summary["seconds"],
    }


def number(value, digits, factor=1):
    return "-" if value is None else "%.*f" % (digits, factor * value)


def put_table(lines, k, rows):
    lines += ["K = %d:" % k, "",
              "| | conformers | best RMSD, Å: mean | median | " + " | ".join("< %s Å, %%" % t for t in THRESHOLDS)
              + " | relaxation, kcal/mol: median | mean | 90 % | largest | pass the checks, % |",
              "| --- |" + " ---: |" * (8 + len(THRESHOLDS))]
    for row, f in rows.items():
        energy = f["relaxation"]
        cells = [ROWS[row], str(f["conformers"]), number(f["best_mean"], 3), number(f["best_median"], 3)]
        cells += [number(f["hit"][t], 1, 100) for t in THRESHOLDS]
        cells += [number(energy[key], 2) for key in ("median", "mean", "p90", "largest")]
        cells.append(number(f["pass"], 1, 100))
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")


def signed(value, digits):
    """A value that rounds to 0 has no sign."""
    text = "%+.*f" % (digits, value)
    return text if text.strip("+-0.") else text[1:]


def interval(figure, digits, factor=1):
    if figure["difference"] is None:
        return "-"
    text = signed(factor * figure["difference"], digits)
    if figure["low"] is None:
        return text
    return text + " (%s to %s)" % (signed(factor * figure["low"], digits), signed(factor * figure["high"], digits))


def differences(comparison):
    """The compared figures of all conformers, as (name, figure, digits, factor)."""
    def row(measure, threshold=None):
        for r in comparison["bioactive"]:
            if (r["measure"] == measure and "conformers" not in r and "property" not in r
                    and (threshold is None or r["threshold"] == float(threshold))):
                return r
        raise KeyError(measure)
    yield "best RMSD, Å", row("best_rmsd"), 3, 1
    for threshold in THRESHOLDS:
        yield "hit rate < %s Å, %%" % threshold, row("hit_rate", threshold), 1, 100
    yield "relaxation energy of a molecule, median, kcal/mol", comparison["relaxation"]["median"], 2, 1
    yield "the same, mean", comparison["relaxation"]["mean"], 2, 1
    yield "pass the checks, %", comparison["both"]["pass"], 1, 100


def put_differences(lines, comparisons):
    """comparisons: {k: {(a, b): comparison}}"""
    for pair in PAIRS:
        counts = [k for k in comparisons if pair in comparisons[k]]
        if not counts:
            continue
        lines += ["%s against %s: difference with the 95 %% interval of a bootstrap over molecules, in pairs:"
                  % (ROWS[pair[1]], ROWS[pair[0]]), "",
                  "| | " + " | ".join("K = %d" % k for k in counts) + " |", "| --- |" + " ---: |" * len(counts)]
        for columns in zip(*(differences(comparisons[k][pair]) for k in counts)):
            lines.append("| %s | %s |" % (columns[0][0], " | ".join(interval(*c[1:]) for c in columns)))
        lines.append("")


def put_checks(lines, k, rows):
    names = list(next(iter(rows.values()))["pass_each"])
    lines += ["Conformers that pass each check at K = %d, %%:" % k, "",
              "| | " + " | ".join(n.replace("_", " ") for n in names) + " |", "| --- |" + " ---: |" * len(names)]
    for row, f in rows.items():
        lines.append("| %s | %s |" % (ROWS[row], " | ".join(number(f["pass_each"][n], 1, 100) for n in names)))
    lines.append("")


def cell(group):
    """Best RMSD and hit rate below 0.75 Å of a group of an evaluation."""
    return "%s, %s" % (number(group["best"]["mean"], 3), number(group["hit"]["0.75"], 1, 100))


def bounds(stratum):
    """A bin of an evaluation, or of a comparison, in words."""
    low, high = (("from", "to") if "from" in stratum else ("low", "high"))
    return "%d+" % stratum[low] if stratum.get(high) is None else "%d-%d" % (stratum[low], stratum[high])


def put_parts(lines, k, evaluations, comparisons):
    """Figures by number of conformers and by rotatable bonds, and the differences between rows."""
    counts = [n for n in COUNTS if n <= k]
    title = "Best RMSD, Å (mean), and hit rate < 0.75 Å, %%, of %s, K = %d:"
    lines += [title % ("the first conformers of the file", k), "", "| | " + " | ".join(map(str, counts)) + " |",
              "| --- |" + " ---: |" * len(counts)]
    for row, evaluation in evaluations.items():
        curve = {c["conformers"]: c for c in evaluation["summary"]["bioactive"]["curve"]}
        lines.append("| %s | %s |" % (ROWS[row], " | ".join(cell(curve[n]) for n in counts)))
    for pair, comparison in comparisons.items():
        parts = {r["conformers"]: r for r in comparison["bioactive"] if r["measure"] == "best_rmsd" and "conformers" in r}
        lines.append("| %s - %s, Å | %s |" % (ROWS[pair[1]], ROWS[pair[0]],
                                            " | ".join(interval(parts[n], 3) for n in counts)))
    strata = [s for s in next(iter(evaluations.values()))["summary"]["bioactive"]["strata"]
              if s["property"] == "rotatable_bonds" and s["molecules"]]
    lines += ["", title % ("molecules by rotatable bonds", k), "",
              "| | " + " | ".join("%s (%d)" % (bounds(s), s["molecules"]) for s in strata) + " |",
              "| --- |" + " ---: |" * len(strata)]
    for row, evaluation in evaluations.items():
        parts = {bounds(s): s for s in evaluation["summary"]["bioactive"]["strata"] if s["property"] == "rotatable_bonds"}
        lines.append("| %s | %s |" % (ROWS[row], " | ".join(cell(parts[bounds(s)]) for s in strata)))
    for pair, comparison in comparisons.items():
        parts = {bounds(r): r for r in comparison["bioactive"]
                 if r["measure"] == "best_rmsd" and r.get("property") == "rotatable_bonds"}
        lines.append("| %s - %s, Å | %s |" % (ROWS[pair[1]], ROWS[pair[0]],
                                            " | ".join(interval(parts[bounds(s)], 3) for s in strata)))
    lines.append("")


def processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def generation(folder, row):
    """What a run's report says of its machine; None for rows of RDKit."""
    path = os.path.join(folder, row + ".json")
    if not os.path.exists(path):
        return None
    report = load(path)
    return {"seconds": report["seconds"]["total"], "counts": report["counts"], "ensemble": report.get("ensemble"),
            "device": report["engine"]["device"]}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of all files")
    parser.add_argument("--ref", default=SAMPLE + ".sdf.zst", help="references (the sample in data/)")
    parser.add_argument("--input", default=SAMPLE + ".smi", help="their SMILES and names")
    parser.add_argument("--counts", default="25,250", help="numbers of conformers, K")
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows")
    parser.add_argument("--confgen", default=os.path.join(ROOT, "build", "confgen"),
                        help="the program (build/confgen)")
    parser.add_argument("--python", help="a Python with RDKit, for the rows of ETKDGv3")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-generate", action="store_true", help="only evaluate the conformers that are there")
    parser.add_argument("arguments", nargs="*", help="after --: for the runs of confgen")
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error("--rows: found '%s', wanted some of %s" % (unknown[0], ",".join(ROWS)))
    try:
        args.counts = [int(k) for k in args.counts.split(",")]
    except ValueError:
        parser.error("--counts '%s': wanted numbers, separated by commas" % args.counts)
    if args.python and not shutil.which(args.python):
        parser.error("--python '%s': no such program" % args.python)
    return args


def main():
    args = parse()
    evaluations, rows, comparisons, summary, lines = {}, {}, {}, {}, []
    for k in args.counts:
        folder = os.path.join(args.out, "k%d" % k)
        os.makedirs(folder, exist_ok=True)
        if not args.no_generate:
            generate(args, folder, k)
        found = {row: evaluate(args, folder, row) for row in ROWS if row in args.rows}
        evaluations[k] = {row: e for row, e in found.items() if e}
        rows[k] = {row: figures(e) for row, e in evaluations[k].items()}
        comparisons[k] = {(a, b): compare(args, folder, a, b) for a, b in PAIRS if found.get(a) and found.get(b)}
        summary[str(k)] = {
            "rows": {row: f | {"run": generation(folder, row)} for row, f in rows[k].items()},
            "comparisons": {"%s-%s" % pair: {name: {key: figure[key] for key in
                                                    ("molecules", "a", "b", "difference", "low", "high", "verdict")}
                                             for name, figure, _, _ in differences(c)}
                            for pair, c in comparisons[k].items()}}
    present = [k for k in args.counts if evaluations[k]]
    for k in present:
        put_table(lines, k, rows[k])
    put_differences(lines, comparisons)
    if present:
        put_parts(lines, max(present), evaluations[max(present)], comparisons[max(present)])
    for k in present:
        put_checks(lines, k, rows[k])
    version = subprocess.run([args.confgen, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    with open(os.path.join(args.out, "summary.json"), "w") as file:
        json.dump({"confgen": version.strip().splitlines()[0], "ref": os.path.basename(args.ref), "seed": args.seed,
                   "processor": processor(), "counts": summary}, file, indent=1)
        file.write("\n")
    with open(os.path.join(args.out, "table.md"), "w") as file:
        file.write("\n".join(lines))
    print("\n".join(lines), end="")


if __name__ == "__main__":
    main()
