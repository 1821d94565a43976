#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the structure of the tree: dependencies of the modules, cycles, names and vocabulary.

    tools/check_tree.py [BUILD]        BUILD: a finished build folder (build)

Each finding is a line "file:line: text"; exit status 1 if there is one. Checked are

  dependencies  a module includes headers of, and calls into, only the modules that MODULES lists
                for it
  cycles        no two source files call each other, directly or through others
  names         no two external symbols and no two types have the same name; no two files of core
                have the same base name
  vocabulary    fewer than MAX_AVOIDED lines contain one of the AVOIDED words, for which the field
                has better ones

  writing       only WRITERS create files or open them for writing

Calls are read with nm from the objects of BUILD, so sources that BUILD does not compile (CUDA
without nvcc) have only their includes checked. Python 3 standard library and binutils only.
"""
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The modules that each module may use. Every module may use its own headers and core/include.
ENGINE = "base chem check constraint cuda_loader decode eval forcefield format fsq io model plugin sequence template tokenizer"
MODULES = {
    "include": "",
    "base": "",
    "tokenizer": "base",
    "format": "base",
    "chem": "base format",
    "model": "base format",
    "plugin": "base",
    "ops": "base",
    "sequence": "base format",
    "constraint": "base",
    "decode": "base format model ops sequence",
    "fsq": "base model ops",
    "cuda_loader": "base decode forcefield fsq",
    "ptx": "",
    "cuda": "base forcefield format fsq model decode ptx sequence",
    "template": "base chem constraint format sequence tokenizer",
    "io": "base",
    "check": "base chem",
    "forcefield": "base chem",
    "eval": "base chem check forcefield io",
    "engine": ENGINE,
    "api": ENGINE + " engine",
    "conformance": "constraint",
    "plugins": "ptx",
    "tools": "base bench check chem conformance eval text",
    "text": "base check chem engine eval format fsq io model template tokenizer tools",
    "bench": "base check chem conformance cuda_loader eval forcefield io plugin tools",
}
MODULES = {module: set(uses.split()) | {"include", module} for module, uses in MODULES.items()}
# Modules whose headers may be included but whose functions may not be called: cuda implements an
# interface.
HEADERS = {"cuda": {"cuda_loader"}}
# Modules that link against the library: they may call whatever core/include declares.
CLIENTS = {"bench", "conformance", "text", "tools"}

PLUGIN_ENTRY = "cg_plugin_entry_v1"  # every plugin defines it
ALTERNATIVES = {"ivec", "lane_mask", "real", "scalar", "vec"}  # types that each instruction set or kind of number defines
AVOIDED = r"\b(mend(ed|ing)?|looked at|anew|begun|what is asked|told|hears?)\b"
MAX_AVOIDED = 20
# gen_conformers is a program of its own, which links RDKit alone
WRITERS = {"core/base/append_file.c", "core/base/whole_file.c", "tools/model/gen_conformers.cpp"}
WRITING = re.compile(r'\bO_(CREAT|TRUNC|APPEND)\b|\b(creat|mkstemp|mkostemp|rename|renameat|renameat2|tmpfile|freopen|'
                     r'json_dump_file|json_dumpfd)\(|\bfopen\([^;]*,\s*"([wa]|\w*\+)|\b[io]*fstream\b')
SOURCES = (".c", ".h", ".cu", ".cuh", ".cpp")


def module_of(path):
    """The module of a source file, None for files outside the modules."""
    part = path.split("/")
    if part[0] == "core":
        return part[1] if part[1] in MODULES else None
    if part[0] in ("tokenizer", "plugins"):
        return part[0]
    if part[:2] == ["tools", "confgen"]:
        return part[2] if part[2] in ("bench", "text") else "tools"
    return None


def sources(*tops):
    found = []
    for top in tops:
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                found.append(os.path.relpath(os.path.join(folder, name), ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def line_of(path, word):
    """The first line of a file that contains a word, 1 if none does."""
    for number, line in enumerate(read(path).split("\n"), 1):
        if re.search(r"\b%s\b" % re.escape(word), line):
            return number
    return 1


class Findings:
    def __init__(self):
        self.counts = collections.Counter()

    def add(self, kind, path, line, text):
        self.counts[kind] += 1
        print("%s:%d: %s" % (path, line, text))


# ---- includes --------------------------------------------------------------------------------


def resolve(path, name):
    """The file of the tree that an #include of `path` names, None for a system header."""
    for folder in (os.path.dirname(path), "core", "tokenizer", "core/include", "tools/confgen"):
        file = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(ROOT, file)):
            return file
    return None


def check_includes(found, files):
    for path in files:
        module = module_of(path)
        if not module:
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            file = match and resolve(path, match.group(1))
            used = file and module_of(file)
            if used and used not in MODULES[module] | HEADERS.get(module, set()):
                found.add("dependency", path, number, "%s includes %s of %s" % (module, file, used))


# ---- calls -----------------------------------------------------------------------------------


class Object:
    """The symbols of one source file, as compiled for one target."""

    def __init__(self, path, target, defined, undefined):
        self.path, self.target, self.defined, self.undefined = path, target, defined, undefined


def read_objects(build):
    """The objects of core, plugins, tokenizer and tools/confgen."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    objects = []
    for entry in commands:
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        output = os.path.join(entry["directory"], entry["output"])
        if not module_of(path) or entry["output"].startswith("tests/") or not os.path.exists(output):
            continue
        symbols = subprocess.run(["nm", "-P", "-g", output], check=True, text=True,
                                 capture_output=True).stdout
        defined, undefined = set(), set()
        for symbol in symbols.splitlines():
            name, kind = symbol.split()[:2]
            if kind in "Uw":
                undefined.add(name)
            elif kind not in "Vv" and not (kind in "Ww" and name.startswith("_Z")):
                defined.add(name)  # C++ templates are in every object that uses them
        objects.append(Object(path, entry["output"].rsplit(".p/", 1)[0], defined, undefined))
    return objects


def link(objects):
    """Calls between source files: {caller: {callee: [symbol, ...]}}."""
    definers = collections.defaultdict(list)
    calls = collections.defaultdict(lambda: collections.defaultdict(list))
    for o in objects:
        for name in o.defined:
            definers[name].append(o)
    for o in objects:
        for name in sorted(o.undefined):
            candidates = definers.get(name, [])
            own = [d for d in candidates if d.target == o.target]
            for d in own or candidates[:1]:
                if d.path != o.path:
                    calls[o.path][d.path].append(name)
    return calls


def check_calls(found, calls):
    public = " ".join(read(path) for path in sources("core/include"))
    for caller, callees in sorted(calls.items()):
        module = module_of(caller)
        for callee, symbols in sorted(callees.items()):
            used = module_of(callee)
            if used in MODULES[module]:
                continue
            if module in CLIENTS:
                symbols = [s for s in symbols if not re.search(r"\b%s\(" % re.escape(s), public)]
            if symbols:
                found.add("dependency", caller, line_of(caller, symbols[0]),
                          "%s calls %s of %s (%s)" % (module, ", ".join(symbols), used, callee))


def cycles(calls):
    """Strongly connected components of more than one file (Tarjan)."""
    index, low, stack, result = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in calls.get(node, {}):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                result.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(calls):
        if node not in index:
            visit(node)
    return result


def check_cycles(found, calls):
    for cycle in cycles(calls):
        first = cycle[0]
        symbol = next(calls[first][f][0] for f in cycle if f in calls[first])
        links = ["%s -> %s (%s)" % (os.path.basename(a), os.path.basename(b), calls[a][b][0])
                  for a in cycle for b in cycle if b in calls.get(a, {})]
        found.add("cycle", first, line_of(first, symbol), "cycle: " + ", ".join(links))


# ---- names -----------------------------------------------------------------------------------


def without_comments(text):
    """C text with comments, strings and preprocessor lines blanked; lines stay in place."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"', blank, text, flags=re.S)
    return re.sub(r"^[ \t]*#(\\\n|[^\n])*", blank, text, flags=re.M)


def types_of(text):
    """(name, offset) of each type that C text defines: tags with a body, and typedef names other
    than their tag's."""
    found = [(m.group(1), m.start())
             for m in re.finditer(r"\b(?:struct|union|enum|class)\s+(?:\w+\s+)?(\w+)\s*\{", text)]
    for m in re.finditer(r"\btypedef\b", text):
        depth, end = 0, m.end()
        while end < len(text) and (depth or text[end] != ";"):
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        body = re.sub(r"\{.*\}|__attribute__\s*\(\([^;]*\)\)", " ", text[m.end():end], flags=re.S)
        name = re.search(r"\(\s*\*\s*(\w+)", body) or re.search(r"(\w+)\s*(?:\(|\[|$)", body.strip())
        if not name:
            continue
        tag = re.match(r"\s*(?:struct|union|enum)\s+(\w+)", body)
        if not tag or tag.group(1) != name.group(1):
            found.append((name.group(1), m.start()))
    return found


def check_names(found, files, objects):
    functions = collections.defaultdict(set)
    for o in objects:
        for name in o.defined:
            functions[name].add(o.path)
    types = collections.defaultdict(list)
    for path in files:
        if path.endswith(SOURCES):
            text = without_comments(read(path))
            for name, offset in types_of(text):
                types[name].append((path, text.count("\n", 0, offset) + 1))
    for name, paths in sorted(functions.items()):
        if len(paths) > 1 and name != PLUGIN_ENTRY:
            for path in sorted(paths):
                found.add("name", path, line_of(path, name), "external symbol %s is defined in %d files"
                          % (name, len(paths)))
    for name, definitions in sorted(types.items()):
        if name not in ALTERNATIVES and len({path for path, _ in definitions}) > 1:
            for path, line in definitions:
                found.add("name", path, line, "type %s is defined %d times" %
                          (name, len(definitions)))
    names = collections.defaultdict(list)
    for path in files:
        if path.startswith("core/") and path.endswith(SOURCES):
            names[os.path.basename(path)].append(path)
    for name, paths in sorted(names.items()):
        if len(paths) > 1:
            for path in paths:
                found.add("name", path, 1, "%d files of core are called %s" % (len(paths), name))


def check_writing(found, files):
    for path in files:
        if not path.endswith(SOURCES) or path in WRITERS:
            continue
        text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), read(path), flags=re.S)
        for number, line in enumerate(text.split("\n"), 1):
            if WRITING.search(line):
                found.add("writing", path, number, "opens a file for writing, wanted cg_append_file_open() or "
                          "cg_file_write_whole(): " + line.strip())


def check_vocabulary(found, files):
    lines = []
    for path in files:
        if path.endswith((".c", ".h", ".cu", ".cuh", ".md")):
            for number, line in enumerate(read(path).split("\n"), 1):
                if re.search(AVOIDED, line, re.I):
                    lines.append((path, number, line.strip()))
    if len(lines) >= MAX_AVOIDED:
        for path, number, line in lines:
            found.add("vocabulary", path, number, line)
    return len(lines)


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build"))
    files = sources("core", "plugins", "tokenizer", "tools")
    found = Findings()
    objects = read_objects(build)
    if not objects:
        sys.exit("check_tree: '%s': contains no objects, wanted a finished build" % build)
    calls = link(objects)
    check_includes(found, [f for f in files if f.endswith(SOURCES)])
    check_calls(found, calls)
    check_cycles(found, calls)
    check_names(found, files, objects)
    check_writing(found, files)
    avoided = check_vocabulary(found, files)
    print("%d objects, %d names twice, %d lines with avoided words" %
          (len(objects), found.counts["name"], avoided))
    print("%d cycles, %d calls or includes against the order" % (found.counts["cycle"], found.counts["dependency"]))
    return 1 if found.counts else 0


if __name__ == "__main__":
    sys.exit(main())
