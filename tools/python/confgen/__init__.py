# SPDX-License-Identifier: MIT
"""confgen: SMILES to 3D conformers with a small language model.

    import confgen
    mols = confgen.generate("CCO", n=50, minimize="mmff94")   # RDKit molecules with conformers
    for mol in confgen.read("geom.sdf.zst"): ...              # those of a file
    table = confgen.evaluate("ref.sdf.zst", "geom.sdf.zst")   # COV and MAT, a pandas table

A package over libconfgen, which makes the conformers. Errors are exceptions with its texts.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Optional, Union

from ._engine import Engine, Progress, Report
from ._errors import (ConfgenWarning, CudaError, DeviceMemoryError, Error, FileError, FormatError,
                      InputError, InternalError, InterruptedRunError, LibraryError, LimitError,
                      MismatchError, MoleculeError, OutOfMemoryError, PluginError,
                      UnsupportedError, UsageError)
from ._evaluate import evaluate
from ._library import version
from ._records import energies, read
from ._version import VERSION as __version__

__all__ = ["ConfgenWarning", "CudaError", "DeviceMemoryError", "Engine", "Error", "FileError",
           "FormatError", "InputError", "InternalError", "InterruptedRunError", "LibraryError",
           "LimitError", "MismatchError", "MoleculeError", "OutOfMemoryError", "PluginError",
           "Progress", "Report", "UnsupportedError", "UsageError", "__version__", "energies",
           "evaluate", "generate", "read", "version"]

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_RUN = ("ensemble", "minimize", "energies", "prune", "energy_window", "max_conformers", "sort",
        "core")


def generate(molecules: Union[str, "Mol", Iterable[Union[str, "Mol"]]], n: int = 1, *,
             names: Optional[Iterable[str]] = None, add_hs: Optional[bool] = None,
             ensemble: Optional[str] = None, minimize: Optional[str] = None,
             energies: Optional[bool] = None, prune: Optional[float] = None,
             energy_window: Optional[float] = None, max_conformers: Optional[int] = None,
             sort: Optional[str] = None, core: Optional[str] = None, on_failure: str = "raise",
             progress: Optional[Progress] = None, engine: Optional[Engine] = None,
             **settings: Any) -> list[Any]:
    """Generates n conformers of each molecule; returns RDKit molecules, one for each argument.

    molecules       a SMILES, an RDKit molecule, or several
    n               conformers of each
    names           of the molecules, all different; None: those of RDKit molecules that are
                    different, else mol_000000, ...
    add_hs          with hydrogens; None: yes, or as the ensemble has it
    ensemble        "raw", "standard" or "thorough"; what else is given replaces its values
    minimize        "none", "hydrogens", "mmff94", "mmff94s", or without electrostatic terms
                    "mmff94_noestat", "mmff94s_noestat"
    energies        MMFF94 energies, or UFF's, without minimisation
    prune           Å: of conformers nearer than that one is kept
    energy_window   kcal/mol above the molecule's lowest
    max_conformers  kept of a molecule
    sort            "generation" or "energy"
    core            a .sdf or .mol file: its heavy atoms keep their coordinates in all conformers
    on_failure      "raise": MoleculeError if a molecule has no conformer; "none": None in its place
                    and a ConfgenWarning. Fewer conformers than n are a ConfgenWarning.
    progress        called with the numbers of finished and of requested conformers; what it raises
                    ends the run
    engine          an open Engine; None: one is opened for this call, with `settings`
    settings        of Engine: model, device, seed, threads, ...

    Atoms are in the order of the canonical SMILES, hydrogens last. Data items of the records
    (energy, generation, seed, ...) are properties of the conformers.
    """
    run = dict(zip(_RUN, (ensemble, minimize, energies, prune, energy_window, max_conformers,
                          sort, core)))
    options: dict[str, Any] = dict(names=names, add_hs=add_hs, on_failure=on_failure,
                                   progress=progress, **run)
    if engine is not None:
        if settings:
            raise UsageError(f"{next(iter(settings))}: a setting of the engine, which is given")
        return engine.generate(molecules, n, **options)
    with Engine(**settings) as opened:
        return opened.generate(molecules, n, **options)
