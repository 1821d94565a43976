#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the commands of the pages, in order, each page in a clean folder of its own.

    commands.py BUILD [PAGE...]     BUILD: the build's folder; without PAGE: all pages of the tree

A block of a page is indented by four spaces or more, or fenced, and ends at a blank line. One whose first word is a program
is of commands (is_command()). Each command of it must end with status 0, or with the N of "# exit status N" behind it. A command with
"# needs X" behind it, or below such a line of its block, is not run: X is not there on every machine. A command that another test runs, or that is no
test's matter, stands in elsewhere.tsv: page, beginning of the command, what runs it. Of commands that are not run here the
options are checked, by the program's help or the text of the script. NOTES.md and the like record what was run: they are
left out.

In the pages of tools/docs/tutorials every other block is the output of the commands before it: each line must occur there,
numbers apart; "..." stands for lines that are left out. So must lines that begin with "confgen: " in other pages.

PREPARED lists the files that stand for a reader's own. Ends with status 77 if programs that pages use are missing and all
else passes; with 1, if JUDGE_REQUIRED=enabled is in the environment.
"""
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
    "pymol", "python3", "sbatch", "squeue", "zstd", "zstdcat", "PYTHON", "printf", "grep", "cut", "wc"}
# What a page's reader has: shell commands, run in the page's folder before its first command.
PREPARED = {
    "README.md": r"""
        printf 'CC(=O)Oc1ccccc1C(=O)O\taspirin\t1\nCCO\tethanol\t2\n' >geom.smi
        confgen --input geom.smi --gens 1 --seed 1 --quiet --output references.sdf.zst
        printf 'CCO\tethanol\nC1CC\tbad\nC[Fe]\tfe\n' >three.smi
        ln -s "$SOURCE/data/confgen-default" DIR""",
    TUTORIALS + "chemist.md": r"""
        printf 'CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O\tibuprofen\nCC(=O)Nc1ccc(O)cc1\tparacetamol\n' >l.smi
        confgen --input l.smi --seed 1 --gens 2 --quiet --output references.sdf""",
    TUTORIALS + "checkpoint.md": r"""
        cp -r "$SOURCE/data/confgen-default" my-model
        confgen CCO --quiet --output known.sdf""",
    TUTORIALS + "cluster.md": r"""
        printf 'CCO\tethanol\nOc1ccccc1\tphenol\nCC(=O)Nc1ccc(O)cc1\tparacetamol\n' >list.smi""",
}
BY_OTHER_TESTS = Path(__file__).with_name("elsewhere.tsv")


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


class Page:
    """A page that is read: its folder, its shell, what happened."""

    def __init__(self, name, build):
        self.name = name
        self.counts = {"run": 0, "by other tests": 0, "not run": 0}
        self.failures, self.missing = [], set()
        self.folder = Path(tempfile.mkdtemp(prefix="confgen-docs-"))
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "confgen").symlink_to(build / "confgen")
        for python in ("python3", "/usr/bin/python3"):  # one that has RDKit, if there is one
            path = shutil.which(python)
            if path and subprocess.run([path, "-c", "import rdkit"], capture_output=True).returncode == 0:
                (programs / "python3").symlink_to(path)
                break
        env = {k: v for k, v in os.environ.items() if not k.startswith("CONFGEN_")}
        env |= {"PATH": f"{programs}:{env['PATH']}", "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "SOURCE": str(ROOT),
                "PKG_CONFIG_PATH": str(build / "meson-uninstalled")}
        (self.folder / "work").mkdir()
        self.bash = subprocess.Popen(["bash", "-o", "pipefail"], cwd=self.folder / "work", env=env, stdin=subprocess.PIPE,
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
        print(f"{self.name}:{number}: {time.monotonic() - started:.1f} s: {command}", flush=True)
        missing = re.search(r": (\S+): command not found|No module named '(\w+)'", output)
        if status and missing:
            self.missing.add(missing[1] or missing[2])
            return None
        self.counts["run"] += 1
        if status != wanted:
            self.fail(number, f"found status {status}, wanted {wanted}: {command}", output)
        return output

    def not_run(self, number, command, need):
        """Counts a command that is not run here; its options must be in the help of confgen, or in the script's text."""
        self.counts["by other tests" if not need.startswith(("needs", "none")) else "not run"] += 1
        print(f"{self.name}:{number}: {need}: {command}")
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


def read_page(name, build, elsewhere):
    with Page(name, build) as page:
        status, output = page.shell(PREPARED.get(name, ""))
        if status:
            page.fail(0, "the files that stand for a reader's own", output)
        shown = ""  # output of the last block of commands; None: not run
        for number, block in blocks(name):
            if not is_command(block[0]):
                for line in block:
                    wanted = name.startswith(TUTORIALS) or line.startswith("confgen: ")
                    if wanted and shown is not None and line.strip() not in ("", "...") and not occurs(line, shown):
                        page.fail(number, f"not in the output of the commands above: {line}", shown)
                continue
            shown, need = "", None
            for command in commands(block):
                found = re.search(r"# needs (.+)$", command, re.M)
                if command.startswith("#"):
                    need = found[1] if found else need
                    continue
                there = next((e for e in elsewhere if e[0] == name and command.startswith(e[1])), None)
                if found or need:
                    page.not_run(number, command, "needs " + (found[1] if found else need))
                    output = None
                elif there:
                    there[3] = True
                    page.not_run(number, command, there[2])
                    output = None
                else:
                    output = page.run(number, command)
                shown = None if output is None or shown is None else shown + output
        return page


def main():
    build = Path(sys.argv[1]).resolve()
    tree = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True,
                          check=True)
    names = sys.argv[2:] or sorted(n for n in tree.stdout.split() if not re.search(r"(NOTES|TABLES|CHANGELOG|_table)\.md$", n))
    if not names:
        sys.exit(f"{ROOT}: git lists no page")
    elsewhere = [[*line.split("\t"), False] for line in BY_OTHER_TESTS.read_text(encoding="utf-8").split("\n")
                 if line and not line.startswith("#")]
    tests = {t["name"] for t in json.loads((build / "meson-info" / "intro-tests.json").read_text())}
    for file in (ROOT / "tests").glob("*/meson.build"):  # also those that options of the build leave out
        tests |= set(re.findall(r"^ *test\('(\w+)'", file.read_text(encoding="utf-8"), re.M))
    failures = [f"{BY_OTHER_TESTS.name}: no such test: {e[2]}" for e in elsewhere
                if e[2].startswith("test ") and e[2].split(",")[0][5:] not in tests]
    missing, counts = set(), {}
    for name in names:
        page = read_page(name, build, elsewhere)
        failures += page.failures
        missing |= page.missing
        for key, value in page.counts.items():
            counts[key] = counts.get(key, 0) + value
    failures += [f"{BY_OTHER_TESTS.name}: no such command: {e[0]}: {e[1]}" for e in elsewhere if not e[3] and e[0] in names]
    print(", ".join(f"{value} {key}" for key, value in counts.items()))
    print("\n".join("FAILED: " + f for f in failures))
    if not failures and missing:
        print("skipped: commands of " + ", ".join(sorted(missing)) + "; tools/setup.sh --with-judge installs them")
        return 1 if os.environ.get("JUDGE_REQUIRED") == "enabled" else 77
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
