#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares confgen's stereo check with coordinates that RDKit from PyPI embedded.

    tests/data/chem/make_stereo.py BUILD/tests/tools/check_conformers LIST.smi >embedded.tsv
    compare_stereo.py BUILD/tests/tools/check_conformers embedded.tsv

Every conformer must pass; its mirror image, and the conformer with all double bonds inverted, must
fail unless RDKit says that they are the same molecule. Prints the disagreements and their number;
the exit status is 1 if there is one. Needs no module outside of Python's library.
"""
import subprocess
import sys


def mirrored(xyz):
    v = xyz.split()
    v[2::3] = ["%.2f" % -float(z) for z in v[2::3]]
    return " ".join(v)


def judge(program, lines):
    """For each "SMILES, tab, coordinates": pass, fail, unchecked or the error."""
    run = subprocess.run([program], input="".join(line + "\n" for line in lines), text=True,
                         capture_output=True, check=True)
    verdicts = []
    for answer in run.stdout.splitlines():
        done, outcome = answer.split("\t")[:2]
        if done == "error":
            verdicts.append(outcome)
        elif "stereo" in outcome.split(","):
            verdicts.append("fail")
        else:
            verdicts.append("pass" if "stereo" in done.split(",") else "unchecked")
    return verdicts


def main():
    program, path = sys.argv[1:]
    rows = [line.rstrip("\n").split("\t") for line in open(path)]
    rows = [row for row in rows if int(row[2]) + int(row[3])]
    tests = []
    for smiles, canonical, _, _, mirror_same, swapped_same, xyz, swapped in rows:
        tests.append((smiles, "as embedded", True, canonical + "\t" + xyz))
        tests.append((smiles, "mirrored", mirror_same == "1", canonical + "\t" + mirrored(xyz)))
        if swapped != "-":
            tests.append((smiles, "double bonds inverted", swapped_same == "1",
                          canonical + "\t" + swapped))
    wrong = 0
    for test, verdict in zip(tests, judge(program, [test[3] for test in tests])):
        if verdict != ("pass" if test[2] else "fail"):
            print("%s, %s: %s" % (test[0], test[1], verdict))
            wrong += 1
    print("%d molecules, %d stereocentres, %d double bonds: %d conformers, %d disagreements" % (
        len(rows), sum(int(row[2]) for row in rows), sum(int(row[3]) for row in rows), len(tests),
        wrong))
    return wrong != 0


sys.exit(main())
