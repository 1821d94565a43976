#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replaces libraries that a run on a GPU does not call by stubs, for a machine to which little can be carried.

    tools/stub_libraries.py LIBRARIES PROGRAMS

LIBRARIES: a folder of shared libraries, in which those named below are replaced. PROGRAMS: a folder whose programs and
libraries use them. A stub has the symbols that these and the other libraries need; a function that is called says its name
and aborts. So neither the CPU's executor, nor pictures, nor tests that compare with the CPU run there.
"""
import os
import re
import subprocess
import sys
import tempfile

# oneDNN, pictures and what they need; parts of RDKit that confgen links only through others
STUBBED = re.compile(r"lib(dnnl|OpenCL|X11|Xext|Xau|Xdmcp|Xrender|xcb|cairo|pixman|fontconfig|freetype|png16|expat|brotli|"
                     r"bsd|md|bz2|maeparser|coordgen|boost_iostreams|RDKit(ChemReactions|FilterCatalog|MolDraw2D|"
                     r"Fingerprints|Depictor))\b")

HEAD = """#include <stdio.h>
#include <stdlib.h>
static void called(const char *name)
{
    fprintf(stderr, "%s(): this library is a stub of tools/stub_libraries.py\\n", name);
    abort();
}
"""
# Called by `confgen doctor`: a version of zeros
VERSION = """static const struct { int numbers[3]; const char *hash; unsigned runtimes[2]; } zeros = { .hash = "stub" };
const void *dnnl_version(void) { return &zeros; }
"""


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def needed_symbols(paths):
    return {line.split()[-1].split("@")[0] for path in paths for line in lines_of("nm", "-D", "--undefined-only", path)}


def defined_symbols(path):
    """(name, is a function, size) of the symbols that a library exports."""
    for line in lines_of("readelf", "-W", "--dyn-syms", path):
        fields = line.split()
        if len(fields) == 8 and fields[0].rstrip(":").isdigit() and fields[6] not in ("UND", "ABS"):
            yield fields[7].split("@")[0], fields[3] in ("FUNC", "IFUNC"), int(fields[2], 0)


def write_stub(path, needed, source):
    text = HEAD
    for i, (name, is_function, size) in enumerate(sorted(set(defined_symbols(path)))):
        if name not in needed:
            continue
        if name == "dnnl_version":
            text += VERSION
        elif is_function:
            text += f'void f{i}(void) __asm__("{name}"); void f{i}(void) {{ called("{name}"); }}\n'
        else:
            text += f'extern char d{i}[] __asm__("{name}"); char d{i}[{max(size, 8)}] __attribute__((aligned(16)));\n'
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run(["gcc", "-w", "-shared", "-fPIC", "-Os", "-s", f"-Wl,-soname,{os.path.basename(path)}", "-o", path, source],
                   check=True)


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    libraries = [os.path.join(sys.argv[1], name) for name in sorted(os.listdir(sys.argv[1]))]
    stubbed = [path for path in libraries if STUBBED.match(os.path.basename(path))]
    users = [os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[2]) for name in names]
    users = [path for path in users if not os.path.islink(path) and is_elf(path)]
    needed = needed_symbols(users + [path for path in libraries if path not in stubbed])
    with tempfile.TemporaryDirectory() as folder:
        for path in stubbed:
            write_stub(path, needed, os.path.join(folder, "stub.c"))
    print("stubs:", " ".join(os.path.basename(path) for path in stubbed))


main()
