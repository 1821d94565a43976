#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the figures of benches as Markdown tables.

    tools/bench/bench_tables.py FILE...

A FILE is written by `confgen bench attention --json`, `confgen bench decode --json` or
`compare_hf.py --attention --out`.

bench attention: by set and type, a table of times, one of rates and two of memory. Rates are TFLOP/s (CPU: GFLOP/s)
where sequences have several rows, else GB/s of keys and values, on a GPU with the share of its matrix rate or copy
bandwidth. The least time of a row is bold.

bench decode: by constraint, tokens/s of each attention over each cache by batch size, the largest bold, then which
pair is the fastest at which batch size, with the figures that tell why.

Cells that were refused have a number; the reasons follow.
"""
import json
import os
import sys


def table(headings, rows):
    """Prints a Markdown table; all columns but the first are right-aligned."""
    print("| " + " | ".join(headings) + " |")
    print("| --- |" + " ---: |" * (len(headings) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


class Notes:
    """Numbers of reasons: equal ones have one number."""

    def __init__(self):
        self.reasons = []

    def mark(self, reason):
        if reason not in self.reasons:
            self.reasons.append(reason)
        return f"({self.reasons.index(reason) + 1})"

    def show(self):
        for i, reason in enumerate(self.reasons):
            print(f"- ({i + 1}) {reason}")
        if self.reasons:
            print()


def unique(values):
    return list(dict.fromkeys(values))


# ---- attention ----------------------------------------------------------------------------------


def shape_of(cell):
    """The name of a shape, with the types and the layout where they are not the usual ones."""
    more = []
    if cell["kv_dtype"] != cell["dtype"]:
        more.append(cell["kv_dtype"])
    if cell["layout"] != "hnd":
        more.append(cell["layout"])
    return ", ".join([cell["shape"]] + more)


def milliseconds(cell):
    return f"{cell['ms']:.4g}"


def rate(cell, machine):
    """The rate of a cell; on a GPU with its share of the matrix rate, of the copy bandwidth for single rows."""
    on_gpu = machine["device"] == "cuda"
    if cell["rows"] == 1:
        text, most = f"{cell['kv_bytes_per_second'] / 1e9:.4g}", machine.get("copy_bytes_per_second")
        share = cell["kv_bytes_per_second"]
    else:
        text, most = f"{cell['tflops'] * (1 if on_gpu else 1e3):.4g}", machine.get("matmul_flops")
        share = cell["tflops"] * 1e12
    return f"{text} ({100 * share / most:.0f} %)" if on_gpu else text


def memory(cell):
    if "workspace_bytes" not in cell:
        return "-"
    return f"{(cell['workspace_bytes'] + cell['plan_bytes']) / 1e6:.4g}"


def attention_tables(cells, machine):
    """Tables of the cells of confgen and PyTorch, which have the same members; machine: what else the file has."""
    unit = "TFLOP/s" if machine["device"] == "cuda" else "GFLOP/s"
    for name, dtype in unique((c["set"], c["dtype"]) for c in cells):
        of_set = [c for c in cells if (c["set"], c["dtype"]) == (name, dtype)]
        columns = unique((c["attention"], c["kv_cache"]) for c in of_set)
        shapes = unique(shape_of(c) for c in of_set)
        found = {(shape_of(c), c["attention"], c["kv_cache"]): c for c in of_set}
        notes = Notes()
        headings = ["shape"] + [f"{a}, {k}" if k else a for a, k in columns]

        def row(shape, text):
            out = [shape]
            of_shape = [found.get((shape, *column)) for column in columns]
            best = min((c["ms"] for c in of_shape if c and "ms" in c), default=None)
            for c in of_shape:
                if c is None:
                    out.append("")
                elif "ms" not in c:
                    out.append(notes.mark(c["refused"]))
                else:
                    mark = "**" if text is milliseconds and c["ms"] == best else ""
                    out.append(mark + text(c) + mark)
            return out

        print(f"### {name or 'shapes of the command line'}, {dtype}\n")
        for title, text in (("ms", milliseconds),
                            (f"{unit} of several rows, KV GB/s of single ones", lambda c: rate(c, machine)),
                            ("MB of workspace and plan", memory)):
            print(f"{title}:\n")
            table(headings, [row(shape, text) for shape in shapes])
        notes.show()
        caches = unique(c["kv_cache"] for c in of_set if "kv_bytes" in c)
        kv = {(shape_of(c), c["kv_cache"]): f"{c['kv_bytes'] / 1e6:.4g}" for c in of_set if "kv_bytes" in c}
        if caches:
            print("MB of keys and values:\n")
            table(["shape"] + caches, [[shape] + [kv.get((shape, k), "") for k in caches] for shape in shapes])


# ---- decode -------------------------------------------------------------------------------------


def pair_of(cell, dtype):
    cache = cell["kv_cache"]
    if cell.get("kv_dtype", "auto") not in (dtype, "auto"):
        cache += " " + cell["kv_dtype"]
    return f"{cell['attention']} / {cache}"


def winner_row(cells, dtype):
    """The fastest cell beside the second fastest."""
    cells = sorted(cells, key=lambda c: -c["tokens_per_second"])
    first, others = cells[0], cells[1:]
    row = [str(first["batch"]), pair_of(first, dtype), f"{first['tokens_per_second']:.0f}"]
    if others:
        row += [pair_of(others[0], dtype),
                f"{first['tokens_per_second'] / others[0]['tokens_per_second']:.2f}"]
    else:
        row += ["", ""]
    for key in ("time", "attention", "bound", "memory"):
        row.append(" / ".join(WHY[key](c) for c in cells[:2]))
    return row


def step_time(cell):
    seconds = cell["step"]["seconds"] or cell["decode_seconds"] / cell["steps"]
    return f"{1e3 * seconds:.3f}"


def attention_share(cell):
    if "attention_seconds" not in cell:
        return "-"
    return f"{100 * cell['attention_seconds'] / cell['decode_seconds']:.0f} %"


def of_bound(cell):
    step = cell["step"]
    if not step["seconds"] or not step["bound_seconds"]:
        return "-"
    return f"{100 * step['bound_seconds'] / step['seconds']:.0f} %"


WHY = {"time": step_time, "attention": attention_share, "bound": of_bound,
       "memory": lambda c: f"{(c['device_bytes'] or c['kv_bytes']) / 2**30:.2f}"}


def decode_tables(found):
    cells, dtype = found["cells"], found["dtype"]
    on_gpu = "gpu" in found
    print(f"### {os.path.basename(found['model'])}, {found.get('gpu', found['device'])}, {dtype}\n")
    for constraint in unique(c["constraint"] for c in cells):
        notes = Notes()
        of = [c for c in cells if c["constraint"] == constraint]
        batches = sorted({c["batch"] for c in of})
        best = {b: max((c["tokens_per_second"] for c in of if c["batch"] == b and "tokens" in c),
                       default=None) for b in batches}
        by_key = {(pair_of(c, dtype), c["batch"]): c for c in of}

        def text(pair, batch):
            c = by_key.get((pair, batch))
            if c is None:
                return ""
            if "tokens" not in c:
                return notes.mark(c["failure"])
            mark = "**" if c["tokens_per_second"] == best[batch] else ""
            return f"{mark}{c['tokens_per_second']:.0f}{'*' if c['halvings'] else ''}{mark}"

        print(f"`{constraint}`, tokens/s by batch size:\n")
        table(["attention / cache"] + [str(b) for b in batches],
              [[pair] + [text(pair, b) for b in batches]
               for pair in unique(pair_of(c, dtype) for c in of)])
        if any(c.get("halvings") for c in of):
            print("`*` out of memory: ran at half the batch size or less\n")
        notes.show()
        print(f"`{constraint}`, the fastest pair, and the second fastest behind each `/`:\n")
        table(["batch", "fastest", "tokens/s", "second", "ratio", "ms a step", "attention's share",
               "of bound", "GiB" if on_gpu else "GiB of cache"],
              [winner_row([c for c in of if c["batch"] == b and "tokens" in c], dtype)
               for b in batches if best[b]])


# ---- files --------------------------------------------------------------------------------------


def read(path):
    """The object of a JSON file, or the objects of JSON lines."""
    with open(path) as f:
        text = f.read()
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def show(found):
    if isinstance(found, list):
        ceilings = next(line for line in found if line.get("what") == "ceilings")
        attention_tables([line for line in found if line.get("what") == "attention"], ceilings)
    elif found["bench"] == "attention":
        attention_tables(found["cells"], found)
    elif found["bench"] == "decode":
        decode_tables(found)
    else:
        sys.exit(f"bench_tables.py: found the figures of bench {found['bench']}, wanted attention or decode")


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    for path in sys.argv[1:]:
        show(read(path))


if __name__ == "__main__":
    main()
