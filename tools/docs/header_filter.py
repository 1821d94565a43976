#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Doxygen's input filter: prints a public header with its comments marked as documentation.

    header_filter.py HEADER

In the headers a comment behind a member, an enumerator, a macro or a declaration describes it, and
one on lines of its own what follows. Both become comments of Doxygen. A line "Since 1.2" applies to
the members up to the end of the struct. Bodies of functions are left as they are.
"""
import re
import sys

SIZE = "bytes of the struct: CG_SIZED()"
RESERVED = "0"


def marked(lines):
    in_body = in_comment = False
    since = ""
    for line in lines:
        if in_comment:
            in_comment = "*/" not in line
            yield line
            continue
        if line in ("{", "}"):
            in_body = line == "{"
        if line.startswith("}"):
            since = ""
        if in_body or line.startswith("/* SPDX") or line.startswith("/* ----"):
            yield line
            continue
        code, mark, comment = line.partition("/*")
        in_comment = bool(mark) and "*/" not in comment
        found = re.match(r" (Since \d+\.\d+)\b", comment)
        if mark and not code.strip() and found:
            since = found.group(1).lower()
            if not in_comment and comment.strip() == found.group(1) + " */":
                yield ""  # it says nothing else
                continue
        # a member of a struct or, with a comma, an enumerator; not a function's parameters
        member = re.match(r"    .*;\s*$|    \w[^()]*,\s*$", code)
        if not mark:
            name = re.search(r"\b(struct_size|reserved\w*);$", code)
            text = (SIZE if name.group(1) == "struct_size" else RESERVED) if name else ""
            text = since + (": " if since and text else "") + text
            yield line + (" /**< " + text + " */" if member and text else "")
        elif comment.startswith(("*", "<")):
            yield line
        elif code.strip():
            text = re.sub("<(?=/?[a-z])", r"\\<", comment.lstrip())  # no HTML
            yield code + "/**< " + (since + ": " if since and member and "ince 1." not in text else "") + text
        else:
            yield code + "/**" + comment


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        for line in marked(f.read().split("\n")):
            print(line)


if __name__ == "__main__":
    main()
