#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the commands of the pages, in order, each page in a clean folder of its own.

    commands.py [--group suite|long|gpu] BUILD [PAGE...]

BUILD: the build's folder; without PAGE: all pages of the tree.

A block of a page is indented by four spaces or more, or fenced, and ends at a blank line. One whose first word is a program
is of commands (is_command()). Each command of it must end with status 0, or with the N of "# exit status N" behind it.
NOTES.md and the like record what was run: they are left out.

places.tsv lists the commands that do not run in the test docs_commands as they are: page, beginning of the command, place,
changes. A command with "# needs X" behind it, or below such a line of its block, must be among them. Places:

    suite           in docs_commands, with changes
    every           in each of the groups that the page has, for what later commands need
    long [NEED]     in docs_commands_long, `--group long`: commands that take minutes or need what not every machine has
    gpu [NEED]      in gpu_docs_commands, `--group gpu`, which tools/gpu_check.sh runs too; DEVICE=cpu in the environment
                    replaces the device, and all plugins by two, to test it without a GPU
    test NAME       another test runs the command
    ci PART         a part of .ci/run does
    gpu_check NAME  a program of tools/gpu_check.sh does

A change is "OLD => NEW", where OLD must occur, or "+ WORDS", which are appended: values for a page's metavariables, and
sizes of seconds. A NEED that is missing skips the command: see needs(). Of commands that other tests run the options are
checked, by the program's help or the text of the script.

In the pages of tools/docs/tutorials every other block is the output of the commands before it: each line must occur there,
numbers apart; "..." stands for lines that are left out. So must lines that begin with "confgen: " in other pages. The
other groups compare no output.

PREPARED lists the files that stand for a reader's own. In the group `long` all pages have one folder, a copy of the tree with
the build in `build`. Ends with status 77 if something that commands need is missing and all else passes; with 1, if
JUDGE_REQUIRED=enabled is in the environment.
"""
import argparse
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = "tools/docs/tutorials/"
PROGRAMS = {
    "apptainer", "apt-get", "cat", "cd", "cmake", "cp", "docker", "export", "gcovr", "head", "less", "make", "meson", "mkdir", "ninja", "obabel", "pip",
    "pymol", "python3", "sbatch", "sed", "squeue", "zstd", "zstdcat", "PYTHON", "printf", "grep", "cut", "wc"}
# What a page's reader has: shell commands, run in the page's folder before its first command, by group and page.
MODEL = 'cp -r "$SOURCE/data/confgen-default" my-model'
LIST = r"printf 'CCO\tethanol\nOc1ccccc1\tphenol\nCC(=O)Nc1ccc(O)cc1\tparacetamol\n' >list.smi"
SAMPLE_PLUGIN = 'ln -s "$BUILT/tests/sdk/attention_example.so" attention_mine.so'
SDK = 'rm -rf mine && confgen plugins new {kind} mine && cd mine'
PREPARED = {
    "suite": {
        "README.md": r"""
            printf 'CC(=O)Oc1ccccc1C(=O)O\taspirin\t1\nCCO\tethanol\t2\n' >geom.smi
            confgen --input geom.smi --gens 1 --seed 1 --quiet --output references.sdf.zst
            printf 'CCO\tethanol\nC1CC\tbad\nC[Fe]\tfe\n' >three.smi
            ln -s "$SOURCE/data/confgen-default" DIR""",
        TUTORIALS + "chemist.md": r"""
            printf 'CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O\tibuprofen\nCC(=O)Nc1ccc(O)cc1\tparacetamol\n' >l.smi
            confgen --input l.smi --seed 1 --gens 2 --quiet --output references.sdf""",
        TUTORIALS + "checkpoint.md": MODEL + "; confgen CCO --quiet --output known.sdf",
        TUTORIALS + "cluster.md": LIST,
        "tools/bench/README.md": 'ln -s "$SOURCE/tools" tools',
    },
    "long": {
        "core/fsq/README.md": r"""
            code=3DMolGen/src/molgen3D/data_processing
            mkdir -p $code MODEL && printf 'VOCAB = ["[C]", "[O]", "="]\n' >$code/smiles_encoder_decoder_fsq.py
            make_checkpoint() {
                python3 -c 'import sys; sys.path.insert(0, "tools"); import torch; from check_fsq import Decoder; torch.save(
                    {"state_dict": {"model." + k: v for k, v in Decoder(3, [2] * 12, 64, 1, 48, 128).state_dict().items()}},
                    "last.ckpt")'
            }""",
        "data/confgen-default/MODEL_CARD.md": "printf 'CCO\n' | zstd -q >train.smi.zst",
        "data/sdk/attention/README.md": SDK.format(kind="attention"),
        "data/sdk/cache/README.md": SDK.format(kind="cache"),
        "data/sdk/constraint/README.md": SDK.format(kind="constraint"),
        "tests/README.md": r"""
            mkdir -p tiny && build/tests/tools/write_model tiny --like llama
            cp data/confgen-default/{tokenizer,tokenizer_config,confgen}.json tiny
            printf 'C\tmethane\n' >FILE""",
        "tests/fuzz/README.md": "mkdir -p build-fuzz/fuzzing/config && printf '{' >build-fuzz/fuzzing/config/crash-made",
        "tools/bench/README.md": "export COMMIT=of_the_test",
        "tools/study/README.md": r"""
            cp tests/data/eval/bioactive_ref.sdf.zst REF.sdf.zst && cp tests/data/eval/bioactive_gen.sdf.zst GEN.sdf.zst
            zstd -qdf REF.sdf.zst GEN.sdf.zst
            confgen eval --ref REF.sdf --gen GEN.sdf --bioactive --json EVAL.json >/dev/null""",
        TUTORIALS + "chemist.md": "confgen CCO --quiet --output list.sdf",
        TUTORIALS + "checkpoint.md": MODEL + " && zstd -qd --rm my-model/*.zst",  # as save_pretrained() writes it
        TUTORIALS + "cluster.md": LIST + r"""
            . "$SOURCE/tests/nightly/cluster.sh"
            if command -v slurmctld >/dev/null; then
                trap cluster_stop EXIT
                CLUSTER_CPUS=64 CLUSTER_MEMORY=128000 CLUSTER_GPUS=1 cluster_start "$PWD/cluster"
            fi""",
    },
    "gpu": {
        "README.md": r"printf 'CC(=O)Oc1ccccc1C(=O)O\taspirin\t1\nCCO\tethanol\t2\n' >geom.smi",
        "plugins/README.md": 'ln -s "$BUILT/tests/sdk/attention_example.so" FILE.so',
        "tests/README.md": 'ln -s "$SOURCE/tools" tools; ln -s "$BUILT" build-gpu',
        "tools/bench/README.md": 'ln -s "$SOURCE/tools" tools; ln -s "$SOURCE/data" data',
        TUTORIALS + "checkpoint.md": MODEL,
        TUTORIALS + "cluster.md": LIST,
        TUTORIALS + "plugin.md": SAMPLE_PLUGIN,
    },
}
PLACES = Path(__file__).with_name("places.tsv")
GROUPS = ("suite", "long", "gpu")


def is_command(line):
    words = line.split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    word = words[0] if words else line.split("=")[0]
    return bool(re.match(r"(confgen|tools/|build/|tests/|build-\w+/)", word) and not word.endswith(":")) or word in PROGRAMS


def blocks(page):
    """Yields (line number, lines) of the code blocks of a Markdown page, without their indentation."""
    lines = (ROOT / page).read_text(encoding="utf-8").split("\n") + [""]
    block, start, fenced = [], 0, False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            if fenced:
                yield start, block
            block, start, fenced = [], number + 1, not fenced
        elif fenced or line.startswith("    ") and (block or not lines[number - 2].strip()):
            start = start if block else number
            block.append(line)
        elif block:
            indent = min(len(b) - len(b.lstrip()) for b in block)
            yield start, [b[indent:] for b in block]
            block = []


def commands(block):
    """Yields the commands of a block: lines joined until bash finds them complete."""
    command = ""
    for line in block:
        command += line + "\n"
        found = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True)
        if found.returncode == 0 and not found.stderr and not line.endswith("\\"):
            if command.strip():
                yield command.rstrip("\n")
            command = ""
    if command:
        yield command.rstrip("\n")


class Place:
    """A line of places.tsv."""

    def __init__(self, line):
        self.page, self.beginning, place, *self.changes = line.split("\t")
        self.kind, _, self.name = place.partition(" ")
        self.used = False

    def __str__(self):
        return f"{PLACES.name}: {self.page}: {self.beginning}"

    def error(self, tests):
        """Why this is no place, or None; tests: the names of all tests."""
        name = self.name.split(",")[0]
        if self.kind in (*GROUPS, "every"):
            return None
        if self.kind == "test":
            return None if name in tests else f"no such test: {name}"
        if self.kind == "ci":
            file, beginning = ".ci/run", f'part "{name}"'
        elif self.kind == "gpu_check":
            file, beginning = "tools/gpu_check.sh", f"program {name} "
        else:
            return f"'{self.kind}' is no place"
        lines = (ROOT / file).read_text(encoding="utf-8").split("\n")
        return None if any(line.startswith(beginning) for line in lines) else f"{file} has no line '{beginning}...'"

    def changed(self, command):
        """The command with the changes of the line."""
        if self.changes and "\n" not in command:
            command = re.sub(r"\s+#\s.*$", "", command)
        for change in self.changes:
            if change.startswith("+ "):
                command += change[1:]
                continue
            old, new = change.split(" => ")
            if old not in command:
                raise ValueError(f"'{old}' does not occur in: {command}")
            command = command.replace(old, new)
        if os.environ.get("DEVICE") == "cpu":
            command = re.sub(r"--device cuda(:all)?", "--device cpu", command)
            command = command.replace("--attention all", "--attention flash").replace("--kv-cache all", "--kv-cache paged")
        return command


class Needs:
    """What commands need that not every machine has."""

    def __init__(self, build, folder):
        self.build, self.folder, self.venvs = build, folder, {}

    def missing(self, need):
        """What is missing of a NEED of places.tsv, or None."""
        first, *packages = need.split() or [""]
        if first == "pip":
            return self.venv(packages)[1]
        if first == "cuda":
            return None if (self.build / "core/cuda/confgen_cuda.so").exists() else "a build with CUDA"
        if first == "emulated_gpu":
            return None if (self.build / "tests/emulated_cuda/confgen_cuda.so").exists() else "a build with the emulated GPU"
        if first == "compute-sanitizer" and list(Path("/usr/local").glob("cuda*/bin/compute-sanitizer")):
            return None
        return None if not first or shutil.which(first, path=os.environ["PATH"] + ":/usr/sbin") else first

    def programs(self, need):
        """A folder that comes first in PATH for a NEED, or None."""
        first, *packages = need.split() or [""]
        return self.venv(packages)[0] if first == "pip" else None

    def venv(self, packages):
        """The folder of a python3 that has packages of PyPI, and what is missing: one of PYTHONS, else a new environment."""
        key = " ".join(packages)
        if key not in self.venvs:
            self.venvs[key] = self.find_venv(packages)
        return self.venvs[key]

    def find_venv(self, packages):
        test = "import importlib.metadata as m, sys; [m.version(name) for name in sys.argv[1:]]"
        for python in os.environ.get("PYTHONS", "").split(":") if packages else []:
            if subprocess.run([python, "-c", test, *packages], capture_output=True).returncode == 0:
                return Path(python).parent, None
        folder = self.folder / f"venv{len(self.venvs)}"
        made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)
        if made.returncode:
            return None, "python3 -m venv"
        pip = [folder / "bin" / "python3", "-m", "pip", "install", "--quiet", "--retries", "1"]
        made = subprocess.run([*pip, *(packages or ["--dry-run", "wheel"])], capture_output=True, text=True)
        if made.returncode:
            return None, f"pip install {' '.join(packages)} ({(made.stderr.strip().splitlines() or ['?'])[-1][:200]})"
        return folder / "bin", None


@functools.cache
def python_with_rdkit():
    """The path of a python3 that has RDKit, or None."""
    for python in ("python3", "/usr/bin/python3"):
        path = shutil.which(python)
        if path and subprocess.run([path, "-c", "import rdkit"], capture_output=True).returncode == 0:
            return path
    return None


class Page:
    """A page that is read: its folder, its shell, what happened."""

    def __init__(self, name, group, build, needs, work=None):
        self.name, self.group, self.needs = name, group, needs
        self.counts = {"run": 0, "in other groups": 0, "by other tests": 0, "not run": 0}
        self.failures, self.missing = [], set()
        self.folder = Path(tempfile.mkdtemp(prefix="confgen-docs-"))
        programs = self.folder / "bin"
        programs.mkdir()
        launcher = os.environ.get("CONFGEN") if group == "gpu" else None  # of tools/gpu_check.sh
        (programs / "confgen").symlink_to(Path(launcher or build / "confgen").resolve())
        python = python_with_rdkit()
        if python:
            (programs / "python3").symlink_to(python)
        # A packed build is told by these where its parts are.
        env = {k: v for k, v in os.environ.items() if group == "gpu" or not k.startswith("CONFGEN_")}
        env |= {"PATH": f"{programs}:{env['PATH']}", "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "SOURCE": str(ROOT),
                "BUILT": str(build), "PKG_CONFIG_PATH": str(build / "meson-uninstalled")}
        env.pop("BUILD", None)
        (self.folder / "work").mkdir()
        self.bash = subprocess.Popen(["bash", "-o", "pipefail"], cwd=work or self.folder / "work", env=env, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bash.communicate("exit\n")
        shutil.rmtree(self.folder)

    def shell(self, command):
        """Runs a command in the page's shell; returns its status and output."""
        (self.folder / "command").write_text(command + "\n", encoding="utf-8")
        self.bash.stdin.write(f". {self.folder}/command </dev/null; printf '\\nend of command %d\\n' $?\n")
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            found = re.fullmatch(r"end of command (\d+)\n", line)
            if found:
                return int(found[1]), output[:-1]
            output += line
        return -1, output

    def fail(self, number, text, output=""):
        self.failures.append(f"{self.name}:{number}: {text}" + "".join(f"\n    | {v}" for v in output.split("\n")[-15:] if v))

    def run(self, number, command):
        """Runs a command of line `number`; returns its output, None if a program is missing."""
        wanted = re.search(r"# exit status (\d+)$", command)
        wanted = int(wanted[1]) if wanted else 0
        started = time.monotonic()
        status, output = self.shell(command)
        result = "" if status == wanted else f"status {status}: "
        print(f"{self.name}:{number}: {time.monotonic() - started:.1f} s: {result}{command}", flush=True)
        missing = re.search(r": (\S+): command not found|No module named '(\w+)'", output)
        if status != wanted and missing:
            self.missing.add(missing[1] or missing[2])
            self.counts["not run"] += 1
            return None
        self.counts["run"] += 1
        if status != wanted:
            self.fail(number, f"found status {status}, wanted {wanted}: {command}", output)
        return output

    def run_changed(self, number, command, place):
        """Runs a command that places.tsv changes, if what it needs is there; returns its output or None."""
        try:
            command = place.changed(command)
        except ValueError as e:
            self.fail(number, f"{place}: {e}")
            return None
        missing = self.needs.missing(place.name)
        if missing:
            print(f"{self.name}:{number}: skipped: needs {missing}: {command}")
            self.missing.add(missing)
            self.counts["not run"] += 1
            return None
        programs = self.needs.programs(place.name)
        if programs:
            self.shell(f'PATH_WITHOUT=$PATH PATH={shlex.quote(str(programs))}:$PATH')
        output = self.run(number, command)
        if programs:
            self.shell("PATH=$PATH_WITHOUT")
        return output

    def run_elsewhere(self, number, command, place):
        """Counts a command that another test runs; its options must be in the help of confgen, or in the script's text."""
        self.counts["in other groups" if place.kind in GROUPS else "by other tests"] += 1
        print(f"{self.name}:{number}: {place.kind} {place.name}: {command}")
        for part in re.split(r"[|;&]+", command):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                return  # a quotation with such a character
            if words and words[0] == "confgen":
                names = " ".join(w for w in words[1:3] if re.fullmatch("[a-z]+|--compare", w))
                status, text = self.shell(f"confgen {names} --help")
                if status:
                    self.fail(number, f"confgen {names} --help: {text}")
            elif words and (ROOT / words[0]).is_file() and not words[0].startswith("build"):
                text = (ROOT / words[0]).read_text(encoding="utf-8")
            elif words and words[0].startswith("tools/"):
                self.fail(number, f"no such file: {words[0]}")
                continue
            else:
                continue
            for word in words[1:]:
                option = word.partition("=")[0].strip("[]")
                if option == "--":
                    break
                if re.match("--?[a-z]", option) and not re.search(rf"(?<![\w-]){option}\b", text):
                    self.fail(number, f"{option}: not an option of {words[0]}: {command}")


def occurs(line, output):
    """Whether a shown line is one of the output's, numbers and the width of columns apart."""
    def plain(text):
        return re.sub(r"\s+", " ", re.sub(r"-?\d+(\.\d+)?", "#", text)).strip()
    return plain(line) in {plain(v) for v in output.split("\n")}


def read_page(page, places):
    """Runs the commands of a page that belong to its group."""
    status, output = page.shell(PREPARED[page.group].get(page.name, ""))
    if status:
        page.fail(0, "the files that stand for a reader's own", output)
    shown = ""  # output of the last block of commands; None: not run
    for number, block in blocks(page.name):
        if not is_command(block[0]):
            for line in block:
                wanted = page.name.startswith(TUTORIALS) or line.startswith("confgen: ")
                if wanted and page.group == "suite" and shown is not None and line.strip() not in ("", "...") and \
                        not occurs(line, shown):
                    page.fail(number, f"not in the output of the commands above: {line}", shown)
            continue
        shown, need = "", None
        for command in commands(block):
            found = re.search(r"# needs (.+)$", command, re.M)
            if command.startswith("#"):
                need = found[1] if found else need
                continue
            place = next((p for p in places if p.page == page.name and command.startswith(p.beginning)), None)
            output = None
            if place:
                place.used = True
                if place.kind in (page.group, "every"):
                    output = page.run_changed(number, command, place)
                elif page.group == "suite":
                    page.run_elsewhere(number, command, place)
            elif found or need:
                need = found[1] if found else need
                page.fail(number, f"{PLACES.name} has no line for this command, which needs {need}: {command}")
            elif page.group == "suite":
                output = page.run(number, command)
            shown = None if output is None or shown is None else shown + output


def copy_tree(build, folder):
    """Copies the files of the tree, changes included, with the build as `build`."""
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-zco", "--exclude-standard"], capture_output=True, check=True).stdout
    folder.mkdir()
    for name in names.decode().split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / "build").symlink_to(build)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", choices=GROUPS, default="suite")
    parser.add_argument("build")
    parser.add_argument("pages", nargs="*")
    args = parser.parse_args()
    build = Path(args.build).resolve()
    if args.group == "gpu" and os.environ.get("DEVICE") != "cpu":
        doctor = subprocess.run([build / "confgen", "doctor"], capture_output=True, text=True)
        none = re.search(r"^GPUs +none: (.*)", doctor.stdout, re.M)
        if none:
            print("skipped: " + none[1])
            return 77
    places = [Place(line) for line in PLACES.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
    if args.pages:
        names = args.pages
    elif args.group == "suite":
        tree = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True,
                              text=True, check=True)
        names = sorted(n for n in tree.stdout.split() if not re.search(r"(NOTES|TABLES|CHANGELOG|_table)\.md$", n))
        if not names:
            sys.exit(f"{ROOT}: git lists no page")
    else:
        names = sorted({p.page for p in places if p.kind == args.group})
    failures = []
    if args.group == "suite":
        tests = {t["name"] for t in json.loads((build / "meson-info" / "intro-tests.json").read_text())}
        for file in (ROOT / "tests").glob("*/meson.build"):  # also those that options of the build leave out
            tests |= set(re.findall(r"^ *test\('(\w+)'", file.read_text(encoding="utf-8"), re.M))
        failures += [f"{p}: {p.error(tests)}" for p in places if p.error(tests)]
        failures += [f"{p}: no such page" for p in places if not args.pages and p.page not in names]
    missing, counts = set(), {}
    with tempfile.TemporaryDirectory(prefix="confgen-docs-") as folder:
        work = copy_tree(build, Path(folder) / "tree") if args.group == "long" else None
        needs = Needs(build, Path(folder))
        for name in names:
            with Page(name, args.group, build, needs, work) as page:
                read_page(page, places)
            failures += page.failures
            missing |= page.missing
            for key, value in page.counts.items():
                counts[key] = counts.get(key, 0) + value
    failures += [f"{p}: no such command" for p in places if not p.used and p.page in names]
    print(", ".join(f"{value} {key}" for key, value in counts.items() if value))
    print("\n".join("FAILED: " + f for f in failures))
    if not failures and missing:
        print("skipped: commands that need " + "; ".join(sorted(missing)))
        return 1 if os.environ.get("JUDGE_REQUIRED") == "enabled" else 77
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
