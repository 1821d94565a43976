#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares temperatures and top-p of a model on molecules held out.

    tools/model/choose_sampling.py --model FOLDER --input LIST.smi --ref REF.sdf --confgen PROGRAM --out OUT [-- ARGUMENT...]

LIST.smi: SMILES, name, number of references k; two conformers for each are made at every pair of --grid (T:P,T:P,...).
REF.sdf: the references, of `gen_conformers --sdf 1 --iters 2000`. ARGUMENTs are for confgen, as --device cuda. Prints a row a
pair and the one with the highest COV-R - MAT-R / 1 Å + COV-P / 2, shares of 1; OUT/choice.json holds all.
"""
import argparse
import json
import os
import subprocess

GRID = "1:1,0.9:1,0.8:1,0.7:1,0.6:1,0.5:1,1:0.95,0.9:0.95,0.8:0.95,1:0.9,0.8:0.9"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "input", "ref", "confgen", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--grid", default=GRID)
    p.add_argument("--seed", default="1")
    p.add_argument("arguments", nargs="*")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rows = {}
    for pair in a.grid.split(","):
        temperature, top_p = pair.split(":")
        base = os.path.join(a.out, "T%s_p%s" % (temperature, top_p))
        with open(base + ".log", "w") as log:
            for command in ([a.confgen, "--input", a.input, "--gens", "2k", "--model", a.model, "--temperature", temperature,
                             "--top-p", top_p, "--seed", a.seed, "--output", base + ".sdf.zst", "--report", base + ".run.json",
                             "--overwrite", "--progress", "never"] + a.arguments,
                            [a.confgen, "eval", "--ref", a.ref, "--gen", base + ".sdf.zst", "--json", base + ".eval.json",
                             "--overwrite"]):
                status = subprocess.call(command, stdout=log, stderr=subprocess.STDOUT)
                if status not in (0, 1):  # 1: some conformers failed or are of another stereoisomer
                    raise SystemExit("found status %d of %s, see %s.log" % (status, command[0], base))
        with open(base + ".eval.json") as file:
            summary = json.load(file)["summary"]
        row = {name: summary[name]["mean"] for name in ("cov_r", "mat_r", "cov_p", "mat_p")}
        if None in row.values():
            raise SystemExit("%s: found no conformer that could be scored, wanted some; see %s.log" % (a.ref, base))
        row["score"] = row["cov_r"] - row["mat_r"] + row["cov_p"] / 2
        rows[pair] = row
        print("T %s top-p %s: COV-R %.2f %% MAT-R %.4f A COV-P %.2f %% MAT-P %.4f A score %.4f" % (
            temperature, top_p, 100 * row["cov_r"], row["mat_r"], 100 * row["cov_p"], row["mat_p"], row["score"]), flush=True)
    best = max(rows, key=lambda pair: rows[pair]["score"])
    print("highest: temperature %s, top-p %s" % tuple(best.split(":")))
    with open(os.path.join(a.out, "choice.json"), "w") as file:
        json.dump({"rows": rows, "highest": best}, file, indent=1)


if __name__ == "__main__":
    main()
