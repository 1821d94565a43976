#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the conformers per second of confgen's default model with RDKit's ETKDGv3, on the same
molecules and cores, in turn (development only; needs PyPI's rdkit).

    tools/bench/compare_etkdg.py [--confgen build/confgen] [--molecules N] [--gens N] [--rounds N]
"""
import argparse
import json
import os
import subprocess
import tempfile
import time

import rdkit
from rdkit import Chem
from rdkit.Chem import AllChem

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def run_confgen(args, smi, folder):
    report = os.path.join(folder, "report.json")
    subprocess.run([args.confgen, "--input", smi, "--gens", str(args.gens), "--batch-size", "64",
                    "--threads", str(args.threads), "--output", os.path.join(folder, "out.sdf.zst"),
                    "--overwrite", "--quiet", "--report", report], check=True)
    with open(report) as f:
        r = json.load(f)
    return r["counts"]["conformers"], r["seconds"]["total"]


def run_etkdg(args, smiles):
    params = AllChem.ETKDGv3()
    params.randomSeed = 1
    params.numThreads = args.threads
    made = 0
    start = time.perf_counter()
    for s in smiles:
        made += len(AllChem.EmbedMultipleConfs(Chem.AddHs(Chem.MolFromSmiles(s)), args.gens, params))
    return made, time.perf_counter() - start


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--confgen", default=os.path.join(ROOT, "build", "confgen"))
    p.add_argument("--list", default=os.path.join(ROOT, "data", "geom_drugs_test.smi"))
    p.add_argument("--molecules", type=int, default=20)
    p.add_argument("--gens", type=int, default=16)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = p.parse_args()
    with open(args.list) as f:
        lines = f.read().splitlines()
    lines = lines[:: max(1, len(lines) // args.molecules)][: args.molecules]
    print(f"{len(lines)} molecules, {args.gens} conformers each, {args.threads} threads, "
          f"rdkit {rdkit.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        smi = os.path.join(folder, "in.smi")
        with open(smi, "w") as f:
            f.write("\n".join(lines) + "\n")
        for _ in range(args.rounds):
            n, s = run_confgen(args, smi, folder)
            m, t = run_etkdg(args, [line.split("\t")[0] for line in lines])
            print(f"confgen {n} in {s:.1f} s: {n / s:.2f}/s   ETKDGv3 {m} in {t:.1f} s: {m / t:.2f}/s"
                  f"   ratio {n / s / (m / t):.2f}", flush=True)


if __name__ == "__main__":
    main()
