# SPDX-License-Identifier: MIT
"""The cells of the notebook run, in order and in a clean folder, and give what they say."""
import ast
import json
import os
import tempfile
import unittest

import pandas

NOTEBOOK = os.path.join(os.environ["CONFGEN_SOURCE_ROOT"], "tools", "python", "example.ipynb")


def run_cell(source, names, where):
    """Runs the code of a cell; the value of its last expression, as Jupyter shows it."""
    body = ast.parse(source, where).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), where, "exec"), names)
    return eval(compile(ast.Expression(last.value), where, "eval"), names) if last else None


class Notebook(unittest.TestCase):
    def test_cells_run(self):
        with open(NOTEBOOK, encoding="utf-8") as f:
            notebook = json.load(f)
        self.assertEqual(notebook["nbformat"], 4)
        names, shown = {}, []
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for i, cell in enumerate(notebook["cells"]):
                if cell["cell_type"] != "code":
                    continue
                self.assertEqual((cell["outputs"], cell["execution_count"]), ([], None))
                shown.append(run_cell("".join(cell["source"]), names, f"cell {i}"))
                self.assertIsNotNone(shown[-1], f"cell {i}")
            os.chdir("/")
        version, ethanol, items, ensembles, files, table, mat_r, failure = shown
        self.assertRegex(version, r"^\d+\.\d+\.\d+$")
        self.assertEqual(ethanol[:2], (10, 9))
        self.assertEqual(list(items.generation), list(range(10)))
        self.assertTrue((items.minimized == "yes").all())
        self.assertEqual(list(ensembles.name), ["aspirin", "alanine", "butanol"])
        self.assertTrue(ensembles.conformers.between(1, 8).all())
        self.assertEqual(files, ({"aspirin": 4, "alanine": 4, "butanol": 4}, 12))
        self.assertIsInstance(table, pandas.DataFrame)
        self.assertEqual(list(table.generated), list(ensembles.conformers))
        self.assertEqual(list(table["checks.passed_all"]), list(ensembles.conformers))
        self.assertAlmostEqual(mat_r["mean"], table.mat_r.mean())
        self.assertIn("unclosed ring bond 1", failure)


if __name__ == "__main__":
    unittest.main()
