#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the figures of benches as Markdown tables.

    tools/bench/bench_tables.py FILE...
    tools/bench/bench_tables.py --page FOLDER >tools/bench/TABLES.md
    tools/bench/bench_tables.py --compact FOLDER

A FILE is written by `confgen bench attention --json`, `confgen bench decode --json` or
`compare_hf.py --attention --out`; files with cells of the same table are shown as one. --page makes the page of all
tables from a folder of record_gpu.sh that is in this script's folder, --compact makes the JSON of such a folder shorter.

bench attention: by set and type, a table of times in ms with rates, and two of memory. Rates are TFLOP/s (CPU: GFLOP/s)
where sequences have several rows, else GB/s of keys and values, on a GPU with the share of its matrix rate or copy
bandwidth. The least time of a row is bold.

bench decode: by constraint, tokens/s of each attention over each cache by batch size, the largest bold, then which
pair is the fastest at which batch size, with the figures that tell why.

Cells that were refused have a number; the reasons follow.
"""
import glob
import json
import os
import re
import sys


def table(headings, rows):
    """Prints a Markdown table; all columns but the first are right-aligned."""
    print("| " + " | ".join(headings) + " |")
    print("| --- |" + " ---: |" * (len(headings) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


class Notes:
    """Numbers of reasons: those that differ only in figures have one number."""

    def __init__(self):
        self.reasons = {}

    def mark(self, reason):
        key = re.sub(r"[0-9.]+", "0", reason)
        self.reasons.setdefault(key, reason)
        return f"({list(self.reasons).index(key) + 1})"

    def show(self):
        for i, reason in enumerate(self.reasons.values()):
            print(f"- ({i + 1}) {reason}")
        if self.reasons:
            print()


def unique(values):
    return list(dict.fromkeys(values))


# ---- attention ----------------------------------------------------------------------------------

SLOW = "not measured: a call takes longer than about 0.15 s, by the rate on the shapes above"
NO_TIME = "not measured: no time was left"


def shape_of(cell):
    """The name of a shape, with the types and the layout where they are not the usual ones."""
    more = []
    if cell["kv_dtype"] != cell["dtype"]:
        more.append(cell["kv_dtype"])
    if cell["layout"] != "hnd":
        more.append(cell["layout"])
    return ", ".join([cell["shape"]] + more)


def with_machine(cells, machine):
    """Adds to cells the machine that they were measured on: what else their file has."""
    return [dict(cell, machine=machine) for cell in cells]


def rate(cell):
    """The rate of a cell; on a GPU with its share of the matrix rate, of the copy bandwidth for single rows."""
    machine, seconds = cell["machine"], cell["ms"] * 1e-3
    on_gpu = machine["device"] == "cuda"
    if cell["rows"] == 1:
        value, most = cell["bytes"] / seconds, machine.get("copy_bytes_per_second")
        text = f"{value / 1e9:.4g}"
    else:
        value, most = cell["flops"] / seconds, machine.get("matmul_flops")
        text = f"{value / (1e12 if on_gpu else 1e9):.4g}"
    return f"{text}, {100 * value / most:.0f} %" if on_gpu else text


def memory(cell):
    if "workspace_bytes" not in cell:
        return "-"
    return f"{(cell['workspace_bytes'] + cell['plan_bytes']) / 1e6:.4g}"


def is_pytorch(attention):
    return attention.startswith("PyTorch")


def best_of(cells):
    return min((c["ms"] for c in cells if "ms" in c), default=None)


def attention_table(cells):
    """One table of cells of confgen and PyTorch, which have the same members, and one of memory."""
    notes = Notes()
    cells = sorted(cells, key=lambda c: is_pytorch(c["attention"]))
    shapes = unique(shape_of(c) for c in cells)
    found = {}
    for c in cells:  # a cell that was measured counts more than one that was refused
        key = (shape_of(c), c["attention"], c["kv_cache"])
        if key not in found or "ms" in c:
            found[key] = c
    columns = unique((c["attention"], c["kv_cache"]) for c in cells)
    if len(shapes) > 1:  # columns without a figure become a line
        measured = {key[1:] for key, c in found.items() if "ms" in c}
        empty = [c for c in columns if c not in measured]
        columns = [c for c in columns if c in measured] or columns
        empty = [c for c in empty if c not in columns]
    else:
        empty = []

    def cell_text(shape, column, text, best):
        c = found.get((shape, *column))
        if c is None:
            return notes.mark(NO_TIME if is_pytorch(column[0]) else SLOW if column[0] in ("efficient", "eager") else
                              "not measured")
        if "ms" not in c:
            return notes.mark(c["refused"])
        return f"**{text(c)}**" if c["ms"] == best else text(c)

    def row(shape, text, compare):
        of_shape = [found[shape, *c] for c in columns if (shape, *c) in found]
        ours = best_of(c for c in of_shape if not is_pytorch(c["attention"]))
        theirs = best_of(c for c in of_shape if is_pytorch(c["attention"]))
        best = best_of(of_shape) if compare else None
        out = [shape] + [cell_text(shape, column, text, best) for column in columns]
        if compare and has_pytorch:
            out.append(f"{theirs / ours:.2f}" if ours and theirs else "-")
        return out

    has_pytorch = any(is_pytorch(a) for a, _ in columns)
    headings = ["shape"] + [f"{a}, {k}" if k else a for a, k in columns]
    unit = "TFLOP/s" if any(c["machine"]["device"] == "cuda" for c in cells) else "GFLOP/s"
    rates = unique("GB/s of keys and values" if c["rows"] == 1 else unit for c in cells)
    print(f"ms ({' or '.join(rates)}):\n")
    table(headings + (["PyTorch / ours"] if has_pytorch else []),
          [row(shape, lambda c: f"{c['ms']:.4g} ({rate(c)})", True) for shape in shapes])
    print("MB of workspace and plan:\n")
    table(headings, [row(shape, memory, False) for shape in shapes])
    notes.show()
    for column in empty:
        reason = next(c["refused"] for key, c in found.items() if key[1:] == column)
        print(f"- {', '.join(filter(None, column))}: refused on every shape, e.g. {reason}")
    if empty:
        print()
    caches = unique(c["kv_cache"] for c in cells if "kv_bytes" in c)
    kv = {(shape_of(c), c["kv_cache"]): f"{c['kv_bytes'] / 1e6:.4g}" for c in cells if "kv_bytes" in c}
    if caches:
        print("MB of keys and values:\n")
        table(["shape"] + caches, [[shape] + [kv.get((shape, k), "") for k in caches] for shape in shapes])


def attention_tables(cells):
    """A table for each set and type."""
    for name, dtype in unique((c["set"], c["dtype"]) for c in cells):
        print(f"### {name or 'shapes of the command line'}, {dtype}\n")
        attention_table([c for c in cells if (c["set"], c["dtype"]) == (name, dtype)])


# ---- decode -------------------------------------------------------------------------------------


def pair_of(cell, dtype):
    cache = cell["kv_cache"]
    if cell.get("kv_dtype", "auto") not in (dtype, "auto"):
        cache += " " + cell["kv_dtype"]
    return f"{cell['attention']} / {cache}"


def kv_share(cell):
    """The share of keys and values in the bytes that a step needs."""
    step = cell["step"]
    return f"{100 * step['attention']['bytes'] / step['bytes']:.0f} %" if step["bytes"] else "-"


def rival(cells, first, key):
    """`N times as fast as with NAME`: the fastest cell that differs from the first in attention or cache, which has the same other."""
    other = "kv_cache" if key == "attention" else "attention"
    rivals = [c for c in cells if c[key] != first[key] and c[other] == first[other]]
    if not rivals:
        return None
    best = max(rivals, key=lambda c: c["tokens_per_second"])
    return f"{first['tokens_per_second'] / best['tokens_per_second']:.2f} times as fast as with {best[key]}"


def reasons(cells, dtype):
    """Per batch size the winner, beside the best other attention and the best other cache."""
    for batch in sorted({c["batch"] for c in cells}):
        of = [c for c in cells if c["batch"] == batch]
        first = max(of, key=lambda c: c["tokens_per_second"])
        near = [pair_of(c, dtype) for c in of
                if c is not first and c["tokens_per_second"] > 0.98 * first["tokens_per_second"]]
        text = [f"keys and values are {kv_share(first)} of a step's bytes",
                "; ".join(filter(None, (rival(of, first, "attention"), rival(of, first, "kv_cache"))))]
        if near:
            text.append(f"within 2 %, which one run does not tell apart: {', '.join(near)}")
        print(f"- batch {batch}: {pair_of(first, dtype)}. " + ". ".join(t[0].upper() + t[1:] for t in text if t) + ".")
    print()


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


def decode_tables(found, title=True):
    """Tables of a file, or of several that were joined."""
    cells, dtype = found["cells"], found["dtype"]
    on_gpu = "gpu" in found
    if title:
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
                return "-"
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
        reasons([c for c in of if "tokens" in c], dtype)


def join_decode(files):
    """Files of the same model as one, in which a cell that was measured counts more than one that was not."""
    joined = dict(files[0], cells=[])
    by_key = {}
    for c in (c for found in files for c in found["cells"]):
        key = (c["batch"], c["constraint"], c["attention"], c["kv_cache"], c.get("kv_dtype"))
        if key not in by_key or "tokens" in c:
            by_key[key] = c
    joined["cells"] = list(by_key.values())
    return joined


# ---- files --------------------------------------------------------------------------------------

COMMON = ("set", "shape", "layout", "sequences", "heads", "kv_heads", "head_dim", "v_head_dim", "rows", "kv_min", "kv_max",
          "causal", "window", "latent", "dtype", "kv_dtype", "sets", "flops", "bytes")
COMPUTED = ("tflops", "kv_bytes_per_second", "of_copy", "of_matmul", "of_memory")


def shorter(value):
    """Numbers of five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: shorter(v) for k, v in value.items()}
    return value


def line(value):
    return json.dumps(shorter(value), separators=(",", ":")) + "\n"


def compact(path):
    """Rewrites a file of bench attention or bench decode with a line a shape or cell."""
    with open(path) as f:
        found = json.load(f)
    if found.get("bench") not in ("attention", "decode"):
        return
    text = line(dict({k: v for k, v in found.items() if k != "cells"}, what="bench"))
    if found["bench"] == "decode":
        text += "".join(line(dict(c, what="cell")) for c in found["cells"])
    else:
        for common in unique(tuple(c[k] for k in COMMON) for c in found["cells"]):
            cells = [{k: v for k, v in c.items() if k not in COMMON + COMPUTED and v != 0}
                     for c in found["cells"] if tuple(c[k] for k in COMMON) == common]
            text += line(dict(zip(COMMON, common), what="shape", cells=[shorter(c) for c in cells]))
    with open(os.path.splitext(path)[0] + ".jsonl", "w") as f:
        f.write(text)
    os.remove(path)


def attention_cells(lines):
    """Cells of JSON lines of compare_hf.py or compact()."""
    machine, out = None, []
    for x in lines:
        if x["what"] in ("ceilings", "bench"):
            machine = x
        elif x["what"] == "attention":
            out += with_machine([x], machine)
        elif x["what"] == "shape":
            zero = {"workspace_bytes": 0, "plan_bytes": 0, "relative_error": 0}
            cells = [{**x, **(zero if "ms" in c else {}), **c} for c in x["cells"]]
            out += with_machine(cells, machine)
    return out


def read(path):
    """("attention", cells) or ("decode", file) of a file."""
    with open(path) as f:
        text = f.read()
    try:
        found = json.loads(text)
    except ValueError:
        lines = [json.loads(line) for line in text.splitlines()]
        if lines[0].get("bench") == "decode":
            return "decode", dict(lines[0], cells=[x for x in lines if x["what"] == "cell"])
        return "attention", attention_cells(lines)
    if found.get("bench") == "attention":
        return "attention", with_machine(found["cells"], found)
    if found.get("bench") == "decode":
        return "decode", found
    sys.exit(f"bench_tables.py: {path}: found no figures of bench attention or bench decode")


def show(paths):
    files = [read(path) for path in paths]
    attention_tables([c for kind, cells in files if kind == "attention" for c in cells])
    decode = [found for kind, found in files if kind == "decode"]
    for model in unique((f["model"], f["device"], f["dtype"]) for f in decode):
        decode_tables(join_decode([f for f in decode if (f["model"], f["device"], f["dtype"]) == model]))


# ---- the page -----------------------------------------------------------------------------------


def usual(cell):
    return cell["kv_dtype"] == cell["dtype"] and cell["layout"] == "hnd"


def of_set(name):
    return lambda c: c["set"] == name and usual(c)


def of_record(*names):
    return lambda c: c["record"] in names


PROMPTS = "Whole sequences: as many rows as cached tokens."
LAYERS = ("Attention of one layer over whole sequences, without the layer's products, by kind: every head with its own keys "
          "and values (`mha`), 8 of them (`gqa`), one (`mqa`), latent attention over one head of 512 + 64 elements that "
          "holds the values (`latent`), and latent attention multiplied out to heads of 192 and values of 128 elements "
          "(`latent_heads`).")

# title, text, which cells
ATTENTION = [
    ("A100 and H100 main sweep: B8 H32 d64, S 512 to 8192",
     PROMPTS + " `_full`: without a mask, the others causal.", of_set("main")),
    ("B16 S512 H32 d64", PROMPTS, of_set("b16_s512")),
    ("B4 H16 S2048 d64", PROMPTS, of_set("b4_s2048")),
    ("A10G sweep (24 GB): B4 H32 d64, S 512 to 8192", PROMPTS, of_set("main_b4")),
    ("Four prompts", PROMPTS + " Causal.", of_set("prefill")),
    ("Prompts by sequence length: B1 and B128, H32 d128, S 128 to 8192", PROMPTS + " Causal.", of_set("prompt")),
    ("Prompts by batch: S128 H32 d128, B 1 to 2048", PROMPTS + " Causal.", of_set("prompt_batch")),
    ("Generator by sequence length: B128 H32 d128, L 128 to 8192", "One row a sequence.", of_set("generator")),
    ("Generator by batch: L128 H32 d128, B 1 to 2048", "One row a sequence.", of_set("generator_batch")),
    ("Time of a token: B1 H32 d128, L 512 to 32768", "One row.", of_set("token")),
    ("Steps of a run: H16/8, d64 and d128", "One row a sequence.", of_set("decode")),
    ("DeepSeek-V3: B2 H128 S2048 d56", LAYERS, of_set("deepseek_v3")),
    ("Llama 3 70B: B1 H64 S4096 d128", LAYERS, of_set("llama_70b")),
    ("Llama 3 405B: B1 H128 S2048 d128", LAYERS, of_set("llama_405b")),
    ("Types of keys and values", "The shapes of *Steps of a run* and *Four prompts*; the first row of a shape has the type "
     "of the queries.", lambda c: c["record"] in ("kv_types", "kv_types_prefill") or
     (c["record"] in ("decode", "prefill") and usual(c))),
    ("Order of tokens and heads", "`nhd`: the heads of a token follow each other; else the tokens of a head.",
     lambda c: c["record"] == "layouts" or (c["record"] == "decode" and usual(c))),
    ("Head sizes", "One row a sequence.", of_record("head_sizes")),
    ("Windows", "One row a sequence, of 4096 cached tokens; `_w`: the tokens of the window.", of_record("windows")),
    ("Latent attention of single rows", "The absorbed form: one head of 512 + 64 elements, which holds the values.",
     of_record("latent", "latent_slow")),
]

DECODE = [
    ("The default model", "default"),
    ("Llama-380M", "llama380m"),
    ("Qwen3-0.6B", "qwen3-0.6b"),
    ("Llama 3.2 1B", "llama1b"),
    ("Llama 2 7B", "llama7b"),
    ("GPT-2's sizes", "gpt2"),
]


class Folder:
    """The logs and figures of a call of record_gpu.sh."""

    def __init__(self, path):
        self.path = path.rstrip("/")
        self.link = os.path.relpath(self.path, os.path.dirname(os.path.abspath(__file__)))
        self.cells, self.decode = [], {}
        for file in sorted(glob.glob(f"{self.path}/*.json*")):
            name = os.path.splitext(os.path.basename(file))[0]
            if name.startswith("attention_") or name == "torch":
                self.cells += [dict(c, record=name.removeprefix("attention_")) for c in read(file)[1]]
            elif name.startswith(("table_", "prompts_")):
                self.decode[name] = read(file)[1]
        heads = [self.head(os.path.basename(f)[:-4]) for f in sorted(glob.glob(f"{self.path}/*.txt"))]
        self.commits, self.machine = unique(h[0] for h in heads), max((h[1] for h in heads), key=[h[1] for h in heads].count)

    def head(self, name):
        """Commit, machine and command of a log."""
        with open(f"{self.path}/{name}.txt") as f:
            return [line[2:].strip().removeprefix("commit ") for line in f.readlines()[:3]]

    def body(self, name):
        """The output of a command; None without it."""
        if not os.path.exists(f"{self.path}/{name}.txt"):
            return None
        with open(f"{self.path}/{name}.txt") as f:
            return "".join(line for line in f if not line.startswith("# "))

    def commands(self, names):
        for name in names:
            if os.path.exists(f"{self.path}/{name}.txt"):
                print(f"- [`{name}`]({self.link}/{name}.txt): `{self.head(name)[2]}`")
        print()

    def json(self, name):
        try:
            with open(f"{self.path}/{name}.json") as f:
                return json.load(f)
        except FileNotFoundError:
            return None


def attention_page(folder):
    missing = []
    for title, text, chosen in ATTENTION:
        cells = [c for c in folder.cells if chosen(c)]
        names = unique(c["record"] for c in cells)
        if not cells:
            missing.append(title)
            continue
        print(f"## {title}\n\n{text}\n")
        folder.commands(n if n == "torch" else f"attention_{n}" for n in names)
        order = unique(c["shape"] for c in cells)
        attention_table(sorted(cells, key=lambda c: order.index(c["shape"])))
    return missing


def decode_page(folder):
    missing = []
    if not any(name.startswith("table_") for name in folder.decode):
        return [title for title, _ in DECODE]
    print("""## Full models

`bench decode`: tokens/s of whole generations under the grammar by attention, cache and batch size; random weights of these
shapes but for the default model. Each cell opens the model, generates a batch to warm up, and then about one more batch, of
molecules of 12 to 14 heavy atoms of `data/geom_drugs_test.smi` (""" + f"[{folder.link}/table_molecules.smi]"
          f"({folder.link}/table_molecules.smi)" + """): sequences of nearly
one length, about half of the list's mean, so that a cell takes seconds. Contexts are shorter than in a run over the list,
and the share of attention smaller. `-`: not measured, to save time: efficient, eager, the dynamic cache and the larger models
have a part of the grid. One measurement each: differences of 2 % show nothing.
""")
    for title, name in DECODE:
        files = {n: f for n, f in folder.decode.items() if n == f"table_{name}" or n.startswith(f"table_{name}_")}
        if not files:
            missing.append(title)
            continue
        print(f"### {title}\n")
        folder.commands(files)
        decode_tables(join_decode(list(files.values())), title=False)
    return missing


def tune_page(folder):
    report, tunings = folder.json("tune"), folder.json("tunings")
    if not report or not tunings:
        return ["What `--tune` selects"]
    print("## What `--tune` selects\n\nThe default model. Whole jobs of two batches of three molecules, the quantity of the "
          "table of this model (`tune`):\n")
    jobs = sorted((f for f in report["engine"]["tuning"]["figures"] if f.get("conformers")),
                  key=lambda f: -f["tokens_per_second"])
    table(["attention / cache", "batch", "tokens/s"],
          [[f"{f['attention']} / {f['kv_cache']}", str(f["batch_size"]), f"{f['tokens_per_second']:.0f}"] for f in jobs])
    print("Selections; without jobs the rate is that of a second of decoding. They, or those of a later recording, are shipped as "
          "[data/tunings.json](../../data/tunings.json), so that a run on this GPU measures nothing:\n")
    table(["`--geometry`", "`--deterministic`", "jobs", "attention / cache", "batch", "tokens/s"],
          [[c["key"]["geometry"], c["key"]["deterministic"], "yes" if any(f.get("conformers") for f in c["figures"]) else "no",
            f"{c['attention']} / {c['kv_cache']}", str(c["batch_size"]), f"{c['tokens_per_second']:.0f}"]
           for c in tunings["choices"]])
    folder.commands(n for n in ("tune", "tune_off", "tune_off_deterministic", "tune_repair_deterministic"))
    return []


def prompts_page(folder):
    names = [n for n in folder.decode if n.startswith("prompts_")]
    if not names:
        return ["Prompts of 1,000 molecules"]
    print("## Prompts of 1,000 molecules\n\nSeconds of a round over the list by `--prompt-step-tokens`; `prompts_default` "
          "and `prompts_llama` compute the prompts and one token each, `prompts_run` the prompts and one conformer each.\n")
    profiles = [f"prompts_profile_{rows}" for rows in ("off", "auto")]
    folder.commands(names + profiles)
    rows = []
    for name in names:
        c = folder.decode[name]["cells"][0]
        if "tokens" not in c:
            continue
        n = c["rounds"]
        steps = c["prompt_steps"]
        rows.append([name, str(c["prompt_tokens"] // n), str(steps // n),
                     f"{1e3 * c['prompt_step_seconds'] / steps:.3f}" if steps else "-", f"{c['seconds'] / n:.3f}",
                     f"{c['requested'] / c['seconds']:.0f}"])
    table(["record", "prompt tokens", "prompt steps", "ms each", "seconds", "molecules/s"], rows)
    for name in profiles:
        kernels = re.findall(r"^ +(?:void )?(\w+).*Context", folder.body(name) or "", re.M)
        if kernels:
            print(f"Kernels in `{name}`: " + ", ".join(f"{kernels.count(k)} `{k}`" for k in unique(kernels)) + ".\n")
    return []


def quality_page(folder):
    missing = []
    for title, text, names in (
            ("Quality by type of the KV cache", "Two conformers for each reference of 200 molecules.",
             ["kv_run_bf16", "kv_run_fp8", "kv_run_int8", "kv_bf16", "kv_fp8", "kv_int8", "kv_compare_fp8",
              "kv_compare_int8"]),
            ("Quality: repair", "The same molecules.", ["quality_run_off", "quality_run_repair", "quality_compare"]),
            ("Quality: constraints", "The same molecules.",
             ["constraint_run_none", "constraint_run_template", "constraint_run_grammar", "constraint_compare"])):
        if folder.body(names[-1]) is None:
            missing.append(title)
            continue
        print(f"## {title}\n\n{text}\n")
        folder.commands(names)
        counts = []
        for name in names:
            report = folder.json(name) if "_run_" in name else None
            if report:
                c, checks = report["counts"], report.get("checks") or {}
                failures = c["failures"]
                counts.append([name, str(c["requested"]), str(c["conformers"])] + [str(failures[k]) for k in FAILURES] +
                              [str(checks.get("passed_all", "-"))])
        if counts:
            table(["run", "requested", "delivered"] + [k.replace("_", " ") for k in FAILURES] + ["passed `--check`"], counts)
        for name in names:
            if "compare" in name:
                print(f"`{name}`:\n\n```\n{folder.body(name).strip()}\n```\n")
    return missing


FAILURES = ("wrong_molecule", "parse_failure", "unfinished", "invalid_geometry")


def page(path):
    folder = Folder(path)
    print(f"""# Tables

Made by `bench_tables.py --page {folder.link}` of what `record_gpu.sh` recorded: commit {' and '.join(folder.commits)},
{folder.machine}. The first lines of a log are its commit, machine and command. [README.md](README.md) says what is computed.
No A100 and no A10G is to be had here: their tables have these GPUs' shapes, measured on the machine above.

Cells are ms, in brackets the rate and its share of the bf16 matrix rate (several rows) or of the copy bandwidth (single rows)
that were measured in the same process; a cell has at least five rounds of 4 ms, a slow call fewer. The least time of a row is
bold. `PyTorch / ours`: PyTorch's best time over ours. `PyTorch NAME, lengths` is its function of lengths in device memory,
which all of our plugins have; its other columns have one length, which is part of the call.
""")
    missing = (attention_page(folder) + decode_page(folder) + tune_page(folder) + prompts_page(folder) +
               quality_page(folder))
    if missing:
        print("bench_tables.py: not in this folder: " + "; ".join(missing), file=sys.stderr)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    if sys.argv[1] in ("--page", "--compact") and len(sys.argv) != 3:
        sys.exit(f"bench_tables.py: {sys.argv[1]}: wanted one folder")
    if sys.argv[1] == "--page":
        page(sys.argv[2])
    elif sys.argv[1] == "--compact":
        for path in sorted(glob.glob(f"{sys.argv[2]}/*.json")):
            compact(path)
    else:
        show(sys.argv[1:])


if __name__ == "__main__":
    main()
