#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Profiles the kernels of some decode steps on a GPU: times, bytes of memory, shares (development only;
needs Nsight Compute's ncu).

    tools/bench/profile_step.py [--shape llama380m] [--batch 512] [--attention flash]
                                [--kv-cache static] [--skip N] [--count N] [--csv FILE]
    tools/bench/profile_step.py --read RAW.csv [--csv FILE]

Runs a short `confgen bench decode` under ncu, which times --count kernels of the replayed graphs one by
one, after skipping --skip of them (counted from the start of the program) so that sequences have grown.
Only whole steps are kept; a step starts with gather_kernel. Kernels timed alone take longer than
concurrent ones, so the sum exceeds the time of a step that `bench decode` prints. ncu does not change
the clocks. DRAM and SM are shares of the hardware's peaks, not of the measured ceilings. --read prints
the figures of an earlier run.
"""
import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MARKER = "gather_kernel"
TIME, READ, WRITTEN = "gpu__time_duration.sum", "dram__bytes_read.sum", "dram__bytes_write.sum"
MEMORY = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
# Layers, and the approximate number of kernels per layer; the default of --skip follows from them
LAYERS = {"default": 10, "llama380m": 16, "qwen3-0.6b": 28}
KERNELS = 11
STEPS_BEFORE = 330  # by then the first sequences of the warm-up have ended and lengths are mixed


def take(args, path):
    kernels = LAYERS[args.shape] * KERNELS + 10
    skip = kernels * STEPS_BEFORE if args.skip is None else args.skip
    count = args.count or 3 * kernels
    command = ["ncu", "--clock-control", "none", "--cache-control", "none", "--graph-profiling",
               "node", "--launch-skip", str(skip), "--launch-count", str(count), "--metrics",
               ",".join([TIME, READ, WRITTEN, MEMORY, SM]), "--csv", "--page", "raw",
               "--print-units", "base", "--log-file", path, "--kill", "yes",
               args.confgen, "bench", "decode", "--device", "cuda", "--shape", args.shape, "--batch",
               str(args.batch), "--constraint", args.constraint, "--attention", args.attention,
               "--kv-cache", args.kv_cache, "--molecules", args.molecules, "--gens", "2",
               "--max-length", str(args.max_length), "--temperature", "1"]
    if args.tokenizer:
        command += ["--tokenizer", args.tokenizer]
    print(" ".join(command), file=sys.stderr, flush=True)
    # --kill ends the program after the last kernel: ignore its status
    subprocess.run(command, stdout=sys.stderr, timeout=args.timeout)


def number(text):
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


def read_kernels(path):
    """Returns the rows of ncu's file in the order of the launches."""
    with open(path, newline="") as f:
        lines = [line for line in f if line.startswith('"')]  # other lines are messages
    rows = [r for r in csv.DictReader(lines) if r.get("ID")]  # a row of units has no ID
    if not rows:
        sys.exit(f"{path}: contains no kernel; see the messages in it")
    return [dict(name=short(r["Kernel Name"]), ns=number(r[TIME]), read=number(r[READ]),
                 written=number(r[WRITTEN]), memory=number(r.get(MEMORY, "")),
                 sm=number(r.get(SM, ""))) for r in rows]


def short(name):
    """A kernel's name without arguments and template parameters."""
    name = name.replace("(anonymous namespace)::", "")
    for mark in ("(", "<"):
        name = name.split(mark)[0]
    return name.replace("void ", "").strip()[:60]


def whole_steps(rows):
    starts = [i for i, r in enumerate(rows) if MARKER in r["name"]]
    if len(starts) < 2:
        print(f"no whole step among {len(rows)} kernels, printing all of them", file=sys.stderr)
        return rows, 1
    return rows[starts[0]: starts[-1]], len(starts) - 1


def table(rows, steps):
    """Times, calls and bytes per step by kernel name, longest first."""
    names = {}
    for r in rows:
        names.setdefault(r["name"], []).append(r)
    total = sum(r["ns"] for r in rows)
    out = []
    for name, calls in names.items():
        ns = sum(r["ns"] for r in calls)
        moved = sum(r["read"] + r["written"] for r in calls)
        out.append({
            "kernel": name, "calls": len(calls) / steps, "us": ns / steps / 1e3,
            "share_percent": 100 * ns / total, "mb": moved / steps / 1e6,
            "gb_per_second": moved / ns if ns else 0,
            "memory_percent_of_peak": sum(r["memory"] * r["ns"] for r in calls) / ns if ns else 0,
            "sm_percent_of_peak": sum(r["sm"] * r["ns"] for r in calls) / ns if ns else 0,
        })
    return sorted(out, key=lambda r: -r["us"]), total / steps / 1e3


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--confgen", default=os.path.join(ROOT, "build", "confgen"))
    p.add_argument("--shape", default="llama380m", choices=LAYERS)
    p.add_argument("--tokenizer", help="directory (default for llama380m: the test tokenizer)")
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--attention", default="flash")
    p.add_argument("--kv-cache", default="static")
    p.add_argument("--constraint", default="grammar")
    p.add_argument("--max-length", type=int, default=1280)
    p.add_argument("--molecules", default=os.path.join(ROOT, "data", "geom_drugs_test.smi"))
    p.add_argument("--skip", type=int, help="kernels to skip (default: those of about 330 steps)")
    p.add_argument("--count", type=int, help="kernels to time (default: those of about three steps)")
    p.add_argument("--timeout", type=float, default=400, help="seconds")
    p.add_argument("--raw", help="keep ncu's file under this name")
    p.add_argument("--read", help="ncu's file of an earlier run")
    p.add_argument("--csv", help="write the table to this file")
    args = p.parse_args()
    if not args.tokenizer and args.shape == "llama380m":
        args.tokenizer = os.path.join(ROOT, "tests", "data", "tokenizers", "llama3_test")
    if args.read:
        rows = read_kernels(args.read)
    else:
        if not shutil.which("ncu"):
            sys.exit("ncu not found in PATH; `confgen bench decode` prints the time of a step without it")
        with tempfile.TemporaryDirectory() as folder:
            path = args.raw or os.path.join(folder, "raw.csv")
            take(args, path)
            rows = read_kernels(path)
    rows, steps = whole_steps(rows)
    names, total = table(rows, steps)
    print(f"{steps} step{'s' if steps > 1 else ''}, {len(rows) / steps:.0f} kernels and {total:.1f} us "
          f"per step\n\n{'kernel':60} {'calls':>6} {'us':>8} {'share':>7} {'MB':>8} {'GB/s':>7} "
          f"{'DRAM':>6} {'SM':>6}")
    for r in names:
        print(f"{r['kernel']:60} {r['calls']:6.1f} {r['us']:8.2f} {r['share_percent']:6.1f}% "
              f"{r['mb']:8.2f} {r['gb_per_second']:7.1f} {r['memory_percent_of_peak']:5.1f}% "
              f"{r['sm_percent_of_peak']:5.1f}%")
    if args.csv:
        with open(args.csv, "w", newline="") as f:
            w = csv.DictWriter(f, names[0])
            w.writeheader()
            w.writerows(names)


if __name__ == "__main__":
    main()
