# SPDX-License-Identifier: MIT
"""The package's declarations are those of the public headers, and cffi lays structs out as C does."""
import logging
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ["CONFGEN_SOURCE_ROOT"]
COMPILER = sys.argv[1:]  # of C
INCLUDE = os.path.join(ROOT, "core", "include")

from confgen import __version__, version  # noqa: E402
from confgen._engine import _LEVELS, _MINIMIZE, _SORT  # noqa: E402
from confgen._errors import _CLASSES  # noqa: E402
from confgen._library import ffi, library  # noqa: E402


def structs():
    """Names of the structs that have members."""
    return [name for name in ffi.list_types()[0] if ffi.typeof(name).kind == "struct"
            and ffi.typeof(name).fields is not None]


def layout_by_compiler(names):
    """Lines 'struct size' and 'struct.member offset size', as the compiler has them."""
    program = "#include <confgen/confgen.h>\n#include <confgen/results.h>\n"
    program += "#include <confgen/evaluation.h>\n"
    program += "#include <confgen/build_info.h>\n#include <stdio.h>\nint main(void)\n{\n"
    for name in names:
        program += 'printf("%s %%zu\\n", sizeof(%s));\n' % (name, name)
        for member, _ in ffi.typeof(name).fields:
            program += 'printf("%s.%s %%zu %%zu\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s));\n' % (
                name, member, name, member, name, member)
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as f:
            f.write(program + "return 0;\n}\n")
        subprocess.run(COMPILER + ["-I", INCLUDE, "-o", binary, source], check=True)
        return subprocess.run([binary], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.split("\n")[:-1]


class Declarations(unittest.TestCase):
    def test_are_those_of_the_headers(self):
        subprocess.run([sys.executable, os.path.join(ROOT, "tools/python/make_declarations.py"),
                        "--check"] + COMPILER, check=True)

    def test_structs_are_laid_out_as_in_c(self):
        names, ours = structs(), []
        for name in names:
            ours.append("%s %d" % (name, ffi.sizeof(name)))
            ours += ["%s.%s %d %d" % (name, member, ffi.offsetof(name, member),
                                      ffi.sizeof(field.type))
                     for member, field in ffi.typeof(name).fields]
        self.assertIn("cg_run_options", names)
        self.assertIn("cg_report", names)
        self.assertEqual(ours, layout_by_compiler(names))

    def test_words_have_the_numbers_of_the_constants(self):
        lib = library()
        for prefix, words in (("CG_MINIMIZE_", _MINIMIZE), ("CG_SORT_", _SORT)):
            for number, word in enumerate(words):
                self.assertEqual(getattr(lib, prefix + word.upper()), number)
        with open(os.path.join(INCLUDE, "confgen", "plugin.h"), encoding="utf-8") as f:
            levels = re.findall(r"\bCG_LOG_(\w+) = (\d)", f.read())
        self.assertEqual([logging.getLevelName(level) for level in _LEVELS],
                         [name for name, _ in sorted(levels, key=lambda level: level[1])])

    def test_each_status_has_an_exception(self):
        codes = {getattr(library(), name) for name in dir(library()) if name.startswith("CG_ERR_")}
        self.assertEqual(set(_CLASSES), codes)

    def test_the_library_has_what_is_declared(self):
        lib = library()
        names = [name for name in dir(lib) if name.startswith("cg_")]
        self.assertIn("cg_engine_run", names)
        for name in names:
            self.assertIsNotNone(getattr(lib, name))

    def test_releases_are_equal(self):
        self.assertEqual(__version__, version())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
