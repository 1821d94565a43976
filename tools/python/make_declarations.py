#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes confgen/_declarations.py: what the package calls, as the public headers declare it.

    tools/python/make_declarations.py [--check] [COMPILER...]      COMPILER: a C compiler (cc)

The compiler preprocesses the headers; their declarations are kept, without inline functions and
attributes. --check compares instead of writing: exit status 1 if the file is out of date.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.normpath(os.path.join(HERE, "..", "..", "core", "include"))
FILE = os.path.join(HERE, "confgen", "_declarations.py")
# In this order: each uses those before it.
HEADERS = ["limits", "status", "version", "build_info", "sampling", "report", "confgen", "results", "evaluation"]

TOP = '''# SPDX-License-Identifier: MIT
# Made by make_declarations.py from the public headers. Do not edit.
"""Declarations of libconfgen, for cffi."""

TEXT = """
'''


def preprocess(compiler):
    """The lines of HEADERS after preprocessing, by header."""
    text = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n#define __attribute__(x)\n"
    text += "".join("#include <confgen/%s.h>\n" % header for header in HEADERS)
    done = subprocess.run(compiler + ["-E", "-I", INCLUDE, "-x", "c", "-"], input=text, text=True,
                          stdout=subprocess.PIPE, check=True)
    lines = {header: [] for header in HEADERS}
    current = None
    for line in done.stdout.split("\n"):
        marker = re.match(r'# \d+ "(.*)"', line)
        if marker:
            stem, ending = os.path.splitext(os.path.relpath(marker.group(1), INCLUDE + "/confgen"))
            current = lines[stem] if ending == ".h" and stem in lines else None
        elif current is not None and line.strip():
            current.append(line.rstrip())
    return lines


def without_inline(text):
    """The text without its inline functions."""
    while True:
        start = text.find("static inline")
        if start < 0:
            return text
        end = text.index("{", start)
        depth = 1
        while depth:
            end += 1
            depth += {"{": 1, "}": -1}.get(text[end], 0)
        text = text[:start] + text[end + 1:]


def indented(text):
    """The lines of the text without empty ones, indented by their braces and parentheses."""
    out, depth = "", 0
    for line in filter(None, map(str.strip, text.split("\n"))):
        out += "  " * (depth - (line[0] in "})")) + line + "\n"
        depth += sum({"{": 1, "(": 1, "}": -1, ")": -1}.get(c, 0) for c in line)
    return out


def make(compiler):
    """The contents of _declarations.py."""
    out = TOP
    for header, lines in preprocess(compiler).items():
        text = without_inline("\n".join(lines))
        text = re.sub(r" +([,;)])", r"\1", re.sub(r"[ \t]+", " ", text))
        out += "/* %s.h */\n%s" % (header, indented(text))
    return out + '"""\n'


def main():
    compiler = [word for word in sys.argv[1:] if word != "--check"] or ["cc"]
    made = make(compiler)
    if "--check" not in sys.argv[1:]:
        with open(FILE, "w", encoding="utf-8") as f:
            f.write(made)
        return 0
    with open(FILE, encoding="utf-8") as f:
        if f.read() == made:
            return 0
    print("%s differs from the public headers: run tools/python/make_declarations.py"
          % os.path.relpath(FILE))
    return 1


if __name__ == "__main__":
    sys.exit(main())
