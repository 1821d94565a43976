# SPDX-License-Identifier: MIT
"""SDF records to RDKit molecules with all their conformers."""
from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Iterable, Iterator, NamedTuple, Union

from ._errors import Error, FormatError, require
from ._library import call, ffi, library, new, text_of

if TYPE_CHECKING:
    from rdkit.Chem import Mol


class Record(NamedTuple):
    """A record of an SDF."""

    where: str             # file and number of the record, for messages
    title: str
    block: str             # atoms, bonds and coordinates
    items: dict[str, str]  # data items


def split_records(name: str, data: bytes, first: int = 1) -> Iterator[Record]:
    """The records of an SDF; their numbers begin with `first`."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    for i, part in enumerate(re.split(r"^\$\$\$\$.*\n?", text, flags=re.M)):
        if not part.strip():
            continue
        block, end, rest = part.partition("\nM  END\n")  # a title may be M  END
        items = {match[1]: match[2].rstrip("\n") for match in re.finditer(
            r"^>[^\n<]*<([^>\n]+)>[^\n]*\n(.*?)(?=^>|\Z)", rest, flags=re.M | re.S)}
        yield Record(f"{name}: record {first + i}", part.split("\n", 1)[0].strip(), block + end,
                     items)


def _graph(mol: Any) -> tuple[Any, ...]:
    """Atoms and bonds without orders."""
    return (tuple((a.GetAtomicNum(), a.GetFormalCharge()) for a in mol.GetAtoms()),
            frozenset(frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))
                      for b in mol.GetBonds()))


def _molecule(record: Record, raw: Any) -> Any:
    """The molecule of a record without conformers.

    It is that of the item SMILES, whose stereo was asked for, if its atoms are in the order of the
    record; else that of the block, with the stereo of its coordinates.
    """
    chem = require("rdkit.Chem", "rdkit", "reading molecules")
    mol = chem.MolFromSmiles(record.items["SMILES"]) if "SMILES" in record.items else None
    if mol is not None and mol.GetNumAtoms() < raw.GetNumAtoms():
        mol = chem.AddHs(mol)
    if mol is None or _graph(mol) != _graph(raw):
        mol = chem.MolFromMolBlock(record.block, removeHs=False)
        if mol is None:
            raise FormatError(f"{record.where}: RDKit cannot make a molecule of it")
        mol.RemoveAllConformers()
    mol.SetProp("_Name", record.title)
    if "SMILES" in record.items:
        mol.SetProp("SMILES", record.items["SMILES"])
    return mol


# Items that are numbers with a fraction, whatever their digits
_DOUBLES = ("energy", "energy_released", "gradient")
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?")


def _add_conformer(mol: Any, raw: Any, items: dict[str, str]) -> None:
    """Adds the coordinates of a record; its items are properties of the conformer."""
    conformer = mol.GetConformer(mol.AddConformer(raw.GetConformer(), assignId=True))
    for name, value in items.items():
        if name in ("name", "SMILES"):
            continue  # of the molecule
        if name in _DOUBLES and _NUMBER.fullmatch(value):
            conformer.SetDoubleProp(name, float(value))
        elif re.fullmatch(r"-?(0|[1-9]\d{0,8})", value):
            conformer.SetIntProp(name, int(value))
        elif re.search(r"[.eE]", value) and _NUMBER.fullmatch(value):
            conformer.SetDoubleProp(name, float(value))
        else:
            conformer.SetProp(name, value)


def molecules_of(records: Iterable[Record]) -> Iterator[Any]:
    """Molecules with conformers: consecutive records of one title and molecule are one.

    What was read before an error is yielded before it is raised.
    """
    chem = require("rdkit.Chem", "rdkit", "reading molecules")
    rd_base = require("rdkit.rdBase", "rdkit", "reading molecules")
    mol, last = None, None
    try:
        for record in records:
            with rd_base.BlockLogs():  # RDKit warns of planar conformers
                raw = chem.MolFromMolBlock(record.block, sanitize=False, removeHs=False)
            if raw is None or not raw.GetNumConformers():
                raise FormatError(f"{record.where}: RDKit cannot read its atoms")
            key = (record.title, record.items.get("SMILES"), _graph(raw))
            if key != last:
                if mol is not None:
                    yield mol
                mol, last = None, key
                mol = _molecule(record, raw)
            _add_conformer(mol, raw, record.items)
    except Error:
        if mol is not None:
            yield mol
        raise
    if mol is not None:
        yield mol


class _Results:
    """An open output file."""

    def __init__(self, path: str):
        self.path = path
        made = ffi.new("cg_results **")
        call("cg_results_open", os.fsencode(path), made)
        self._results = ffi.gc(made[0], library().cg_results_close)

    def records(self) -> Iterator[Record]:
        frame = new("cg_results_frame")
        data, size = ffi.new("const char **"), ffi.new("size_t *")
        first = 1
        for i in range(library().cg_results_count(self._results)):
            call("cg_results_get", self._results, i, frame)
            call("cg_results_read", self._results, i, data, size)
            yield from split_records(self.path, ffi.buffer(data[0], size[0])[:], first)
            first += frame.records
        note = text_of(library().cg_results_note(self._results))
        if note:
            raise FormatError(f"'{self.path}': {note}")


def read(path: Union[str, os.PathLike[str]]) -> Iterator["Mol"]:
    """Reads the molecules of an SDF, one after the other, each with all its conformers.

    path  .sdf, also as .gz and .zst, of a run or of another program. Consecutive records of one
          title and one molecule are conformers of it.

    Data items are properties of the conformers, e.g. `conformer.GetDoubleProp("energy")`. Raises
    FileError, FormatError with file and record. A file with a defect, such as a truncated end, is
    read up to it; then FormatError says what it is.
    """
    require("rdkit.Chem", "rdkit", "read()")
    return molecules_of(_Results(os.fspath(path)).records())


def energies(mol: "Mol") -> list[float]:
    """Energies (MMFF94, or UFF) of the conformers in their order, kcal/mol. KeyError if one has none."""
    return [conformer.GetDoubleProp("energy") for conformer in mol.GetConformers()]
