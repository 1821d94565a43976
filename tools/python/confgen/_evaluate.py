# SPDX-License-Identifier: MIT
"""Evaluation of generated conformers against references."""
from __future__ import annotations

import json
import os
import threading
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Iterable, Union

from ._engine import set_members
from ._errors import ConfgenWarning, UsageError, require
from ._library import call, ffi, library, new, text_of

if TYPE_CHECKING:
    from pandas import DataFrame
    from rdkit.Chem import Mol

Conformers = Union[str, "os.PathLike[str]", "Mol", Iterable["Mol"]]


def _file_of(conformers: Any, files: ExitStack) -> str:
    """The path of an SDF; molecules are written to one in memory, which `files` closes."""
    if isinstance(conformers, (str, os.PathLike)):
        return os.fspath(conformers)
    chem = require("rdkit.Chem", "rdkit", "evaluate() of molecules")
    if isinstance(conformers, chem.Mol):
        conformers = [conformers]
    file = files.enter_context(open(os.memfd_create("confgen"), "w", encoding="utf-8"))
    with chem.SDWriter(file) as writer:
        for mol in conformers:
            if mol is None:
                continue  # generate() found no conformer
            for conformer in mol.GetConformers():
                writer.write(mol, confId=conformer.GetId())
    file.flush()
    return f"/proc/self/fd/{file.fileno()}"


def _run(options: Any, texts: list[Any], files: ExitStack) -> tuple[Any, str]:
    """The parsed result of cg_evaluation_run() and its warning; `texts` are those that options point to.

    It runs on a thread of its own, so that ctrl-C is handled at once; the library then ends its work
    in the background. The thread closes `files`.
    """
    outcome: list[Any] = []

    def work(texts: list[Any], files: ExitStack) -> None:
        made = ffi.new("cg_evaluation **")
        try:
            call("cg_evaluation_run", options, made)
            outcome.append((text_of(library().cg_evaluation_json(made[0])),
                            text_of(library().cg_evaluation_warning(made[0]))))
            library().cg_evaluation_free(made[0])
        except BaseException as e:  # raised below, on the caller's thread
            outcome.append(e)
        finally:
            files.close()

    thread = threading.Thread(target=work, args=(texts, files), name="confgen.evaluate",
                              daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    result, warning = outcome[0]
    return json.loads(result), warning


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Members of members by names with points."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def evaluate(ref: Conformers, gen: Conformers, *, delta: float = 0.75, missing: str = "zero",
             on_mismatch: str = "error", rmsd: str = "best", symmetry: str = "conjugated",
             max_matches: int = 10000, time_limit: float = 0, threads: int = 0,
             check: bool = False, bioactive: bool = False, relaxation: bool = False) -> "DataFrame":
    """Compares generated conformers with references, as `confgen eval`; returns a pandas table.

    ref, gen     SDF (.sdf, .gz, .zst) of any program, or RDKit molecules with conformers and names;
                 if no name is in both, molecules are those of equal canonical SMILES
    delta        threshold of COV, Å
    missing      a molecule without output covers nothing ("zero") or is left out ("drop")
    on_mismatch  references of one name and several molecules: refused ("error"), or one of them is
                 evaluated ("drop")
    rmsd         "best": least over the automorphisms; "plain": atom by atom
    symmetry     "conjugated": terminal O and N of a conjugated group are equal; "plain"
    max_matches  automorphisms per molecule; time_limit: seconds per molecule, 0: none
    check        check every generated conformer by itself: columns checks.*
    bioactive    the protocol for experimental references: columns bioactive.*
    relaxation   MMFF94 energies that conformers release on the way to their minima, kcal/mol

    A row is a reference molecule; cov_r, mat_r, cov_p, mat_p; ref_min and gen_min have the distances
    of its conformers to the nearest one of the other side, Å. table.attrs has "summary" (means and
    medians over molecules), "settings" and "mismatches". A ConfgenWarning counts the records that
    were not scored or show another stereoisomer; another one says that, without a common name, molecules
    were matched by canonical SMILES.
    """
    pandas = require("pandas", "pandas", "evaluate()")
    options = new("cg_evaluation_options")
    keep: list[Any] = []

    if not delta > 0:
        raise UsageError(f"delta {delta}: wanted a distance in Å")
    with ExitStack() as files:
        ref_file, gen_file = _file_of(ref, files), _file_of(gen, files)
        set_members(options, keep, {
            "ref": ref_file, "gen": gen_file, "delta": delta,
            "missing": missing, "on_mismatch": on_mismatch, "rmsd": rmsd, "symmetry": symmetry,
            "max_matches": max_matches, "time_limit": time_limit, "threads": threads,
            "check": check, "bioactive": bioactive, "relaxation": relaxation})
        result, warning = _run(options, keep, files.pop_all())
    table: "DataFrame" = pandas.DataFrame([_flat(molecule) for molecule in result["molecules"]])
    for name in ("settings", "summary", "mismatches"):
        table.attrs[name] = result[name]
    if warning:
        for name, given, file in (("ref", ref, ref_file), ("gen", gen, gen_file)):
            if not isinstance(given, (str, os.PathLike)):  # a file in memory
                warning = warning.replace(f"'{file}'", name)
        warnings.warn(warning, ConfgenWarning, stacklevel=2)
    if result["mismatches"]:
        warnings.warn(_mismatches(result["mismatches"]), ConfgenWarning, stacklevel=2)
    return table


def _mismatches(mismatches: list[dict[str, Any]]) -> str:
    """A sentence with the numbers of records by their faults."""
    counts: dict[str, int] = {}
    for m in mismatches:
        counts[m["fault"]] = counts.get(m["fault"], 0) + m["records"]
    listed = ", ".join(f"{n} {fault}" for fault, n in counts.items())
    return f"records that do not match: {listed}; .attrs['mismatches'] has all"
