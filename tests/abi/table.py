#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ABI of plugins and programs as tables: sizes, offsets, types and values of the public headers.

    table.py plugins INCLUDE CC...           prints the table of the headers of plugins in INCLUDE/confgen
    table.py library INCLUDE CC...           prints that of the other headers
    table.py check TABLES INCLUDE CC...      checks them against TABLES/1.*.txt and TABLES/library_*.txt

CC... is a C or C++ compiler with its flags. A line of a table is one of

    struct NAME SIZE
    member STRUCT.NAME OFFSET SIZE TYPE
    value NAME NUMBER                        of an enum or macro
    type NAME TYPE                           of a typedef
    function NAME TYPE

`check` fails if the headers lack a line of an older minor, or of the library's releases with one
major number, except that a struct whose first member is struct_size may grow and that names of
RENAMED are read as the newer ones; if a new member, not named reserved, lies in what an older
struct used as padding, because an older side does not clear it; if a struct that may grow ends in
padding, or has some in what was added to it; and if the headers of plugins differ from the table of
their own minor. Python 3 standard library only.
"""
import os
import re
import subprocess
import sys
import tempfile

# All that a plugin includes, and what only programs include.
PLUGINS = ["status", "version", "plugin", "tensor", "attention", "cache", "constraint"]
LIBRARY = ["limits", "report", "sampling", "confgen", "plugins", "results", "evaluation", "gpu", "build_info",
           "tokenizer"]
NOT_ABI = re.compile(r"CG_VERSION_|CG_PLUGIN_ABI_MINOR$")
# Names of 1.1 and before: layouts and meanings are unchanged.
RENAMED = {
    "cg_attention_problem.heads_together": "cg_attention_problem.kv_layout",
    "cg_automaton.capacity_columns": "cg_automaton.capacity_head_rows",
    "cg_automaton.column": "cg_automaton.head_row",
    "cg_automaton.column_token": "cg_automaton.head_token",
    "cg_program.n_columns": "cg_program.n_head_rows",
    "cg_program.span_start": "cg_program.forced_start",
    "cg_program.span_token": "cg_program.forced_token",
    "cg_template": "cg_literals",
    "cg_template.gap": "cg_literals.literal",
}


# ---- reading headers -------------------------------------------------------------------------


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def squeeze(text):
    """A type with one way to put its blanks."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s*\*\s*", " *", text)
    return re.sub(r"\s*([(),])\s*", r"\1", text).replace(",", ", ").replace("(*", " (*").strip()


def split(text, separator):
    """Parts of a text, without those inside of brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "({[") - (c in ")}]")
        if c == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def parameter_types(text):
    """The types of a parameter list, without names."""
    types = []
    for p in split(text, ","):
        p = re.sub(r"\bCG_PRINTF.*", "", p)
        if "(" in p:
            types.append(declare(p)[0][1])
            continue
        match = re.match(r"(.*[\s*])(\w+)((?:\[\w*\])*)$", p)
        named = match and match.group(1).strip() not in ("", "const")
        types.append(squeeze(match.group(1) + match.group(3) if named else p))
    return ", ".join(types)


def declare(text):
    """[(name, type)] of a declaration."""
    text = re.sub(r"\bCG_PRINTF\(.*?\)", "", text).strip()
    match = re.match(r"(.*?)\(\s*\*\s*(\w+)\s*\)\s*\((.*)\)$", text, re.S)
    if match:
        return [(match.group(2), squeeze("%s (*)(%s)" % (match.group(1), parameter_types(match.group(3)))))]
    match = re.match(r"(.*?)\(\s*\*\s*(\w+)\s*\)\s*((?:\[\w+\])+)$", text, re.S)
    if match:
        return [(match.group(2), squeeze("%s (*)%s" % (match.group(1), match.group(3))))]
    base, found = None, []
    for part in split(text, ","):
        match = re.match(r"(.*?)(\w+)\s*((?:\[\w*\])*)$", part, re.S)
        base = base if base is not None else match.group(1)
        found.append((match.group(2), squeeze(base + match.group(3))))
    return found


def read_headers(include, headers):
    structs, values, types, functions = {}, [], {}, {}
    for header in headers:
        with open(os.path.join(include, "confgen", header + ".h"), encoding="utf-8") as f:
            text = strip_comments(f.read())
        for name, number in re.findall(r"^#define (CG_\w+)[ \t]+(\(?-?\d[\w<() ]*|\"[^\"]*\")[ \t]*$", text, re.M):
            if not NOT_ABI.match(name):
                values.append((name, number))
        text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.M)
        for body in re.findall(r"\benum\s*\{(.*?)\}", text, re.S):
            values += [(re.split(r"\s*=", e)[0].strip(), None) for e in split(body, ",")]
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, re.S):
            structs[name] = [d for part in split(body, ";") for d in declare(part)]
        for body in re.findall(r"^typedef (?!struct\b)([^;{]*);", text, re.M | re.S):
            name, declared = declare(re.sub(r"\s+", " ", body))[0]
            types[name] = declared
        for result, name, parameters in re.findall(r"^CG_EXPORT ([^;{]*?)(\w+)\(([^;{]*)\);", text, re.M | re.S):
            functions[name] = squeeze("%s(%s)" % (result, parameter_types(parameters)))
    return structs, values, types, functions


# ---- tables ----------------------------------------------------------------------------------


def make_table(include, headers, compiler):
    structs, values, types, functions = read_headers(include, headers)
    lines = ["#include <stdio.h>"] + ["#include <confgen/%s.h>" % h for h in headers] + ["int main(void) {"]
    for name, members in structs.items():
        lines.append('printf("struct %s %%zu\\n", sizeof(%s));' % (name, name))
        for member, declared in members:
            lines.append('printf("member %s.%s %%zu %%zu %s\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s));'
                         % (name, member, declared, name, member, name, member))
    for name, number in values:
        text = number is not None and number.startswith('"')
        lines.append('printf("value %s %s\\n", %s);' % (name, "%s" if text else "%ld", name if text else "(long)" + name))
    for name, declared in types.items():
        lines.append('printf("type %s %s\\n");' % (name, declared))
    for name, declared in functions.items():
        lines.append('printf("function %s %s\\n");' % (name, declared))
    lines += ["return 0; }"]
    cpp = any(re.search(r"(\+\+|-xc\+\+)", word) for word in compiler)
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "table.cpp" if cpp else "table.c"), os.path.join(folder, "table")
        with open(source, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        subprocess.run(compiler + ["-I" + include, source, "-o", program], check=True)
        return subprocess.run([program], check=True, text=True, capture_output=True).stdout.splitlines()


class Table:
    def __init__(self, lines):
        self.lines = [line for line in lines if line]
        self.structs, self.members, self.rest = {}, {}, {}
        for line in self.lines:
            kind, name, what = line.split(" ", 2)
            if kind == "struct":
                self.structs[name] = int(what)
            elif kind == "member":
                self.members[name] = what
            else:
                self.rest[kind + " " + name] = what


def renamed(name):
    if name in RENAMED:
        return RENAMED[name]
    struct, dot, member = name.partition(".")
    return RENAMED.get(struct, struct) + dot + member


def with_new_types(text):
    return re.sub(r"\w+", lambda m: RENAMED.get(m.group(0), m.group(0)), text)


def compare(old, new, release):
    """What the new table breaks for users of the old one."""
    found = []
    for name, size in old.structs.items():
        newer = renamed(name)
        grows = name + ".struct_size" in old.members
        if newer not in new.structs:
            found.append("struct %s of %s is missing" % (name, release))
        elif new.structs[newer] < size or (new.structs[newer] != size and not grows):
            found.append("struct %s: found %d bytes, %s has %d%s" % (
                newer, new.structs[newer], release, size, "" if grows else ", and no struct_size by which to grow"))
        else:
            kept = {renamed(m) for m in old.members if m.startswith(name + ".")}
            for member, what in new.members.items():
                if (member.startswith(newer + ".") and member not in kept and int(what.split()[0]) < size
                        and not member.startswith(newer + ".reserved")):
                    found.append("member %s lies at %s, inside of the %d bytes that the struct has in %s: put a "
                                 "reserved member in front of it" % (member, what.split()[0], size, release))
    for name, what in old.members.items():
        found += differs("member " + renamed(name), with_new_types(what), new.members.get(renamed(name)), release)
    for name, what in old.rest.items():
        kind, word = name.split(" ")
        found += differs(kind + " " + renamed(word), with_new_types(what), new.rest.get(kind + " " + renamed(word)), release)
    return found


def differs(name, wanted, there, release):
    if there is None:
        return ["%s of %s is missing" % (name, release)]
    return [] if there == wanted else ["%s: found '%s', %s has '%s'" % (name, there, release, wanted)]


def minor_of(include):
    with open(os.path.join(include, "confgen", "version.h"), encoding="utf-8") as f:
        return int(re.search(r"CG_PLUGIN_ABI_MINOR (\d+)", f.read()).group(1))


def read_table(path):
    with open(path, encoding="utf-8") as f:
        return Table(f.read().splitlines())


def held_by_value(table):
    """Structs that may grow must not be members of others, whose later members they would move."""
    sized = {name[:-len(".struct_size")] for name in table.members if name.endswith(".struct_size")}
    return ["member %s holds a %s by value, which may grow: wanted a pointer" % (name, what.split(" ", 2)[2])
            for name, what in table.members.items() if re.sub(r" \[.*", "", what.split(" ", 2)[2]) in sized]


def padding(table, releases):
    """Bytes that a side does not set, in what the other side may take for members of its own."""
    found = []
    for name, size in table.structs.items():
        members = sorted((int(w.split()[0]), int(w.split()[1]), m) for m, w in table.members.items()
                         if m.startswith(name + "."))
        known = max([0] + [s for old in releases for n, s in old.structs.items() if renamed(n) == name])
        if members[0][2] != name + ".struct_size":
            continue
        ends = [offset + length for offset, length, _ in members]
        for end, begin in zip(ends, [m[0] for m in members[1:]] + [size]):
            if end < begin and (begin == size or end >= known):
                found.append("struct %s: bytes %d to %d are padding: put a reserved member there" % (name, end, begin - 1))
    return found


def check_library(tables, include, compiler):
    new = Table(make_table(include, LIBRARY, compiler))
    releases = {n: read_table(os.path.join(tables, n)) for n in os.listdir(tables) if re.match(r"library_[\d.]+\.txt", n)}
    found = held_by_value(new) + padding(new, releases.values())
    for name, old in sorted(releases.items()):
        broken = compare(old, new, "release " + name[8:-4])
        found += broken
        if broken:
            found.append("programs of this release break: raise the library's soversion and remove %s, or, if it was not "
                         "released, write it again: tests/abi/table.py library core/include cc" % name)
    return found


def check_plugins(tables, include, compiler):
    minor, lines = minor_of(include), make_table(include, PLUGINS, compiler)
    new = Table(lines)
    known = {int(re.match(r"1\.(\d+)\.txt", n).group(1)) for n in os.listdir(tables) if re.match(r"1\.\d+\.txt", n)}
    releases = {number: read_table(os.path.join(tables, "1.%d.txt" % number)) for number in known}
    found = held_by_value(new) + padding(new, [old for number, old in releases.items() if number < minor])
    for number, old in sorted(releases.items()):
        if number < minor:
            found += compare(old, new, "1.%d" % number)
        elif number > minor:
            found.append("there is a table of 1.%d, but CG_PLUGIN_ABI_MINOR is %d" % (number, minor))
        elif old.lines != new.lines:
            found += ["1.%d.txt lacks: %s" % (minor, line) for line in lines if line not in old.lines]
            found += ["the headers lack: %s" % line for line in old.lines if line not in lines]
            found.append("the headers differ from the table of their minor: if 1.%d was released, raise "
                         "CG_PLUGIN_ABI_MINOR and add tests/abi/1.%d.txt; otherwise write 1.%d.txt again. Both: "
                         "tests/abi/table.py plugins core/include cc" % (minor, minor + 1, minor))
    if minor not in known:
        found.append("there is no table tests/abi/1.%d.txt: write it by tests/abi/table.py plugins core/include cc" % minor)
    return found


def main():
    words = sys.argv[1:]
    if len(words) >= 3 and words[0] in ("plugins", "library"):
        print("\n".join(make_table(words[1], PLUGINS if words[0] == "plugins" else LIBRARY, words[2:])))
        return 0
    if len(words) >= 4 and words[0] == "check":
        found = check_plugins(*words[1:3], words[3:]) + check_library(*words[1:3], words[3:])
        print("\n".join(found or ["the headers of plugin ABI 1.%d keep all that was released" % minor_of(words[2])]))
        return 1 if found else 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
