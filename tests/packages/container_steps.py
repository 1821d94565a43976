#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the steps of a container's definition as shell calls, for a root in which packages.sh runs them.

    container_steps.py Dockerfile|FILE.def

    copy SOURCE DESTINATION    SOURCE: relative to the folder of the build
    run COMMAND                as the root's shell runs it; the next is run if it succeeds
    start COMMANDS             what a started container runs; its arguments follow
"""
import json
import re
import shlex
import sys


def dockerfile(text):
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.split("\n"))):
        instruction, rest = line.split(None, 1)
        if instruction == "COPY":
            yield "copy", *rest.split()
        elif instruction == "RUN":
            yield from (("run", command.strip()) for command in rest.split("&&"))
        elif instruction == "ENTRYPOINT":
            yield "start", shlex.join(json.loads(rest)) + ' "$@"'
        elif instruction not in ("ARG", "FROM", "WORKDIR", "CMD"):
            sys.exit(f"{instruction}: no step is known for this instruction")


def definition(text):
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    sections = re.split(r"^%(\w+)\n", text, flags=re.M)[1:]
    for name, body in zip(sections[::2], sections[1::2]):
        lines = [line.strip() for line in body.strip().split("\n")]
        if name == "files":
            yield from (("copy", *line.split()) for line in lines)
        elif name in ("post", "test"):
            yield from (("run", line) for line in lines)
        elif name == "runscript":
            yield "start", "\n".join(lines)
        else:
            sys.exit(f"%{name}: no step is known for this section")


path = sys.argv[1]
with open(path, encoding="utf-8") as f:
    for step in (definition if path.endswith(".def") else dockerfile)(f.read()):
        print(shlex.join(step))
