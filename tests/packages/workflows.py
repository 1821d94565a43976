#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the Nextflow process and the Snakemake rule of tools/packaging with the built program.

    workflows.py BUILD

Their script blocks are taken from the files and run by bash, with the values that the workflow would give them. Where
`snakemake` is in PATH, it runs the rule itself too. Also checked: conda/meta.yaml has the version of the project, and its
tests pass with the built program.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

TREE = Path(__file__).resolve().parents[2]
PACKAGING = TREE / "tools" / "packaging"
GOOD = "CCO\tethanol\t1\nOc1ccccc1\tphenol\t1\n"
ONE_BAD = GOOD + "C[Fe]\tiron\t1\n"
failures = 0


def verdict(text, passed, detail=""):
    global failures
    failures += not passed
    print(("ok - " if passed else "FAILED: ") + text + ("" if passed else f"\n{detail}"))


def shell(script, folder):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True)


def records(path):
    text = subprocess.run(["zstd", "-dc", path], capture_output=True, text=True).stdout
    return text.count("$$$$")


def nextflow_script():
    """The block of the process as Groovy makes it from `values`, and the files that the process declares."""
    text = (PACKAGING / "nextflow" / "confgen.nf").read_text()
    block = re.search(r'script:.*?"""\n(.*?)"""', text, re.S).group(1)
    values = {"molecules": "list.smi", "gens": "2", "task.cpus": "2", "args": "--seed 3", "prefix": "list",
              "task.process": "CONFGEN"}
    block = re.sub(r"(?<!\\)\$\{([\w.]+)\}", lambda m: values[m.group(1)], block)
    assert not re.search(r"(?<!\\)\$", block), "a variable without braces"
    block = re.sub(r"\\(.)", r"\1", block, flags=re.S)
    outputs = re.findall(r"path\(?\s*[\"']([^\"']+)[\"']", text[text.index("output:"):text.index("script:")])
    return block, [name.replace("${prefix}", "list") for name in outputs]


def snakemake_script():
    text = (PACKAGING / "snakemake" / "confgen.smk").read_text()
    block = re.search(r'shell:\s*"""\n(.*?)"""', text, re.S).group(1)
    outputs = dict(re.findall(r'(\w+)="\{name\}([^"]*)"', text[text.index("output:"):text.index("log:")]))
    outputs = {key: "list" + value for key, value in outputs.items()}
    return block.format(input="list.smi", threads=2, log="list.confgen.log", output=SimpleNamespace(**outputs),
                        params=SimpleNamespace(gens=2, options="--seed 3")), list(outputs.values())


def check_script(name, script, outputs):
    for molecules, n, title in (GOOD, 4, "two molecules"), (ONE_BAD, 4, "a molecule that fails"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "list.smi").write_text(molecules)
            done = shell(script, folder)
            missing = [output for output in outputs if not Path(folder, output).exists()]
            verdict(f"{name}: {title}", done.returncode == 0 and not missing and records(Path(folder, "list.sdf.zst")) == n,
                    f"status {done.returncode}, missing {missing}\n{done.stdout}{done.stderr}")
            if title.startswith("a ") and not missing:
                verdict(f"{name}: it is listed", "iron" in Path(folder, "list.failed.tsv").read_text())
    with tempfile.TemporaryDirectory() as folder:
        verdict(f"{name}: without its input it fails", shell(script, folder).returncode not in (0, 1))


build = Path(sys.argv[1]).resolve()
os.environ["PATH"] = f"{build}:{os.environ['PATH']}"
script, outputs = nextflow_script()
assert len(outputs) == 4, outputs
check_script("Nextflow's process", script, outputs)
script, outputs = snakemake_script()
assert len(outputs) == 3, outputs
check_script("Snakemake's rule", script, outputs)

if shutil.which("snakemake"):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "list.smi").write_text(GOOD)
        done = subprocess.run(["snakemake", "--snakefile", PACKAGING / "snakemake" / "confgen.smk", "--cores", "2",
                               "--config", "confgen={gens: 2}", "--", "list.sdf.zst"], cwd=folder, capture_output=True, text=True)
        verdict("snakemake runs the rule", done.returncode == 0 and records(Path(folder, "list.sdf.zst")) == 4, done.stderr)
else:
    print("# snakemake is not installed: its rule's block alone was run")

recipe = (PACKAGING / "conda" / "meta.yaml").read_text()
version = re.search(r"^  version: '(.*)'", (TREE / "meson.build").read_text(), re.M).group(1)
verdict("the recipe of conda has the project's version", f'set version = "{version}"' in recipe)
commands = re.findall(r"^    - (.*)$", recipe[recipe.index("  commands:"):recipe.index("about:")], re.M)
for command in commands:
    # the second name is made by the installation
    done = shell(command.replace("confgen-lm", "confgen"), TREE)
    verdict(f"the recipe's test: {command}", done.returncode == 0, done.stderr)
assert commands

sys.exit(failures > 0)
