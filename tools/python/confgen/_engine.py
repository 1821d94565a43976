# SPDX-License-Identifier: MIT
"""The engine: opens a model, runs molecules through it."""
from __future__ import annotations

import logging
import os
import re
import threading
import warnings
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterable, Optional, Sequence, Union

from ._errors import (ConfgenWarning, InternalError, InterruptedRunError, MoleculeError, UsageError,
                      require)
from ._library import call, chars_of, ffi, library, new, text_of
from ._records import molecules_of, split_records

if TYPE_CHECKING:
    from rdkit.Chem import Mol

Progress = Callable[[int, int], None]
Report = dict[str, Union[int, float, list[int]]]

_LOG = logging.getLogger("confgen")
_LEVELS = [logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG]  # by CG_LOG_*
_MINIMIZE = ["none", "hydrogens", "mmff94", "mmff94s", "mmff94_noestat", "mmff94s_noestat"]  # by CG_MINIMIZE_*
_SORT = ["generation", "energy"]                                         # by CG_SORT_*
_INPUT = "molecules"                                                     # in messages, before the line


def _word(name: str, value: str, words: Sequence[str]) -> int:
    """The number of a word."""
    if value not in words:
        raise UsageError(f"{name} '{value}': wanted one of {', '.join(words)}")
    return words.index(value)


class _Calls:
    """What the library calls back, and the exception that ends a run.

    An exception in a callback, KeyboardInterrupt included, stops the run at the next step; it is
    raised when the library returns.
    """

    def __init__(self) -> None:
        self.stop = ffi.new("int *")
        self.raised: Optional[BaseException] = None
        self.failures: list[str] = []
        self.progress: Optional[Progress] = None
        self.log = ffi.callback("void(void *, int32_t, const char *)", self._log,
                                onerror=self._raised)
        self.on_progress = ffi.callback("void(void *, const cg_report *, int64_t)", self._progress,
                                        onerror=self._raised)
        self.on_failure = ffi.callback("void(void *, const char *)", self._failure,
                                       onerror=self._raised)

    def begin(self, progress: Optional[Progress]) -> None:
        self.stop[0] = 0
        self.raised = None
        self.failures = []
        self.progress = progress

    def end(self) -> None:
        """Raises what a callback raised."""
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised

    def _raised(self, kind: Any, error: BaseException, trace: Optional[TracebackType]) -> None:
        self.raised = self.raised or error
        self.stop[0] = 1

    def _log(self, ctx: Any, level: int, text: Any) -> None:
        _LOG.log(_LEVELS[min(max(level, 0), 3)], "%s", text_of(text))

    def _progress(self, ctx: Any, report: Any, done: int) -> None:
        # Also without a function of the caller: this is where Python handles ctrl-C.
        if self.progress and not self.stop[0]:
            self.progress(report.sequences + report.conformers_resumed, report.total_conformers)

    def _failure(self, ctx: Any, text: Any) -> None:
        self.failures.append(text_of(text))


def _close(engine: Any, calls: _Calls) -> None:
    library().cg_engine_close(engine)


class Engine:
    """A model that is ready to generate. Opening one reads the weights: keep it for many calls.

    One call at a time runs; others wait. Used with `with`, or closed with close(), or by the
    garbage collector.

    model        directory of a Hugging Face checkpoint; None: the model shipped with confgen
    device       "auto", "cpu", "cuda", "cuda:0,1", "cuda:all"
    seed         of all random numbers
    threads      of the decoder and of chemistry; 0: the processors
    preset       of sampling, e.g. "recall"; temperature, top_k, top_p, min_p and greedy replace its
                 values, or the model's own
    settings     all other members of cg_engine_options, by their names: batch_size=64,
                 geometry="off", constraint="template", dtype="bf16", check=1, retry=2, ...
    """

    def __init__(self, model: Union[str, os.PathLike[str], None] = None, *, device: str = "auto",
                 seed: int = 0, threads: int = 0, preset: Optional[str] = None,
                 temperature: Optional[float] = None, top_k: Optional[int] = None,
                 top_p: Optional[float] = None, min_p: Optional[float] = None,
                 greedy: bool = False, plugins: Iterable[Union[str, os.PathLike[str]]] = (),
                 **settings: Union[int, str]):
        self._lock = threading.Lock()
        self._runner: Optional[int] = None  # thread that runs molecules
        self._calls = _Calls()
        options = new("cg_engine_options")
        keep: list[Any] = []  # texts that options point to
        sampling = new("cg_sampling")
        files = [chars_of(os.fspath(p)) for p in plugins]
        array = ffi.new("const char *[]", files)

        sampling.greedy = 1 if greedy else -1
        sampling.temperature = -1 if temperature is None else temperature
        sampling.top_k = -1 if top_k is None else top_k
        sampling.top_p = -1 if top_p is None else top_p
        sampling.min_p = -1 if min_p is None else min_p
        options.sampling = sampling
        options.plugins, options.n_plugins = array, len(files)
        options.log = self._calls.log
        options.threads = options.template_workers = threads
        options.seed = seed
        set_members(options, keep, {"model": model, "device": device, "preset": preset, **settings})
        made = ffi.new("cg_engine **")
        call("cg_engine_open", options, made)
        self._engine = made[0]
        self._close = weakref.finalize(self, _close, self._engine, self._calls)
        self._close.atexit = False  # a thread may still use the engine
        self._calls.end()

    def close(self) -> None:
        """Frees the model. The engine cannot be used afterwards."""
        with self._use():
            self._close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def info(self) -> dict[str, Any]:
        """The settings in effect, with reasons: members of cg_engine_info."""
        with self._use():
            return _members(library().cg_engine_get_info(self._open()))

    def generate(self, molecules: Union[str, "Mol", Iterable[Union[str, "Mol"]]], n: int = 1, *,
                 names: Optional[Iterable[str]] = None, add_hs: Optional[bool] = None,
                 on_failure: str = "raise", progress: Optional[Progress] = None,
                 **settings: Any) -> list[Any]:
        """Generates conformers; see confgen.generate()."""
        require("rdkit.Chem", "rdkit", "generate()")
        _word("on_failure", on_failure, ["raise", "none"])
        smiles, own_names = _smiles_of(molecules)
        if not smiles:
            return []
        titles = _default_names(own_names) if names is None else _check_names(names, len(smiles))
        text = "".join(f"{s}\t{t}\n" for s, t in zip(smiles, titles)).encode()
        add = add_hs if add_hs is not None or settings.get("ensemble") else True
        # Not to be closed on exec: the library writes only to descriptors that are inherited.
        with open(os.memfd_create("confgen", 0), "r+b") as file:
            failures = self._run(_INPUT, f"/dev/fd/{file.fileno()}", n, progress, format="sdf",
                                 molecules=text, header=library().CG_HEADER_NO, add_hs=add,
                                 **settings)[1]
            file.seek(0)
            found = {}
            for mol in molecules_of(split_records(_INPUT, file.read())):
                found[mol.GetProp("_Name")] = mol
        mols = [found.get(title) for title in titles]
        return _judge(mols, failures, on_failure)

    def run(self, input: Union[str, os.PathLike[str]],
            output: Union[str, os.PathLike[str], None] = None, gens: Union[int, str] = 1, *,
            progress: Optional[Progress] = None, on_failure: Optional[Callable[[str], None]] = None,
            **settings: Any) -> Report:
        """Runs from file to file, as `confgen --input`; returns the report.

        gens        conformers of a molecule; "2k": twice its number of reference conformers
        output      None: <stem of the input>.sdf.zst
        on_failure  receives a sentence for each molecule that has fewer conformers
        settings    as those of generate(), and members of cg_run_options: resume=1, overwrite=1,
                    shard=0, shards=4, limit=10, failed="failed.tsv", ...
        """
        where = None if output is None else os.fspath(output)
        report, failures = self._run(os.fspath(input), where, gens, progress, **settings)
        for text in failures if on_failure else ():
            on_failure(text)  # type: ignore[misc]
        return report

    def _use(self) -> threading.Lock:
        """The lock to be held while the engine is used."""
        if self._runner == threading.get_ident():
            raise UsageError("the engine runs: a function that it calls cannot use it")
        return self._lock

    def _open(self) -> Any:
        if not self._close.alive:
            raise UsageError("the engine is closed")
        return self._engine

    def _run(self, input: str, output: Optional[str], gens: Union[int, str],
             progress: Optional[Progress], **settings: Any) -> tuple[Report, list[str]]:
        """cg_engine_run(); its report and the texts of failures."""
        options = new("cg_run_options")
        report = new("cg_report")
        keep: list[Any] = []
        calls = self._calls

        _set_run(options, keep, settings)
        number = re.fullmatch(r"(\d+)(k?)", str(gens))
        if not number:
            raise UsageError(f"gens '{gens}': wanted a number of conformers, or as 2k")
        options.gens, options.gens_per_reference = int(number[1]), bool(number[2])
        set_members(options, keep, {"input": input, "output": output})
        with self._use():
            self._runner = threading.get_ident()
            calls.begin(progress)
            options.stop = calls.stop
            options.progress = calls.on_progress
            options.on_failure = calls.on_failure
            try:
                call("cg_engine_run", self._open(), options, report)
            except InterruptedRunError:
                calls.end()
                raise
            finally:
                self._runner = None
            calls.end()
            return _members(report), calls.failures


def set_members(struct: Any, keep: list[Any], values: dict[str, Any]) -> None:
    """Sets members of a struct, texts too; None leaves the default."""
    known = {name for name, _ in ffi.typeof(struct).item.fields}
    for name, value in values.items():
        if name not in known:
            raise TypeError(f"unknown setting '{name}'")
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, (str, bytes)):
            value = chars_of(value)
            keep.append(value)
        if value is None:
            continue
        try:
            setattr(struct, name, value)
        except (OverflowError, TypeError) as e:
            raise UsageError(f"{name} {values[name]!r}: {e}") from e


def _set_run(options: Any, keep: list[Any], settings: dict[str, Any]) -> None:
    """Sets what a run does to conformers: a preset, then what replaces its values."""
    values = {name: value for name, value in settings.items() if value is not None}
    if "report" in values:
        raise TypeError("unknown setting 'report': Engine.run() returns the report")
    preset = values.pop("ensemble", None)
    if preset is not None:
        call("cg_run_ensemble_preset", chars_of(preset), options)
    for name, words in (("minimize", _MINIMIZE), ("sort", _SORT)):
        if name in values:
            values[name] = _word(name, values[name], words)
    set_members(options, keep, values)


def _members(struct: Any) -> dict[str, Any]:
    """Numbers and texts of a struct."""
    values = {}
    for name, field in ffi.typeof(struct).item.fields:
        value = getattr(struct, name)
        if name in ("struct_size", "reserved") or field.type.kind == "pointer" and (
                field.type.item.cname != "char"):
            continue
        if field.type.kind == "pointer":
            value = text_of(value) if value else None
        elif field.type.kind == "array":
            value = list(value)
        values[name] = value
    return values


def _smiles_of(molecules: Any) -> tuple[list[str], list[str]]:
    """SMILES of what a caller gives, texts or RDKit molecules, one or several; and their names."""
    chem = require("rdkit.Chem", "rdkit", "generate()")
    if molecules is None or isinstance(molecules, (str, chem.Mol)):
        molecules = [molecules]
    smiles, names = [], []
    for i, molecule in enumerate(molecules):
        name = ""
        if isinstance(molecule, chem.Mol):
            name = molecule.GetProp("_Name") if molecule.HasProp("_Name") else ""
            molecule = chem.MolToSmiles(chem.RemoveHs(molecule))
        if molecule is None:
            raise TypeError(f"molecule {i}: found None, as RDKit returns for a text that it cannot "
                            "read, wanted a SMILES or an RDKit molecule")
        if not isinstance(molecule, str):
            raise TypeError(f"molecule {i}: found {type(molecule).__name__}, wanted a SMILES or "
                            "an RDKit molecule")
        molecule = molecule.strip()
        # One line of a list; a CXSMILES extension may follow the SMILES.
        if not re.fullmatch(r"[^\s#]\S*( \|[^\t\n\r]*\|)?", molecule):
            raise UsageError(f"molecule {i}: found {molecule!r}, wanted a SMILES without blanks; "
                             "names are given by names=")
        smiles.append(molecule)
        names.append(name)
    return smiles, names


def _is_name(name: str) -> bool:
    """Whether a line of a list gives this name back."""
    return bool(name) and name == name.strip() and not re.search(r"[\t\n\r]", name)


def _default_names(own_names: list[str]) -> list[str]:
    """Names that are all different: by them records are assigned.

    A molecule keeps its own if no earlier one has it.
    """
    names: dict[str, None] = {}
    for i, name in enumerate(own_names):
        if not _is_name(name) or name in names:
            name = f"mol_{i:06d}"
            while name in names:
                name += "_"
        names[name] = None
    return list(names)


def _check_names(names: Iterable[str], n: int) -> list[str]:
    """The names that a caller gives n molecules."""
    given = [names] if isinstance(names, str) else list(names)
    if len(given) != n:
        raise UsageError(f"names: found {len(given)}, wanted {n}, one for each molecule")
    seen: set[str] = set()
    for i, name in enumerate(given):
        if not _is_name(name):
            raise UsageError(f"names: {name!r} of molecule {i}: wanted a text without tabs and "
                             "line ends, and without blanks around it")
        if name in seen:
            raise UsageError(f"names: '{name}' is given twice")
        seen.add(name)
    return given


def _judge(mols: list[Any], failures: list[str], on_failure: str) -> list[Any]:
    """Raises or warns of failures; returns the molecules."""
    lost = {}
    for text in failures:
        line = re.match(rf"{_INPUT}:(\d+): ", text)
        i = int(line[1]) - 1 if line else -1
        if line and mols[i] is None:
            lost[i] = text
        else:
            warnings.warn(text, ConfgenWarning, stacklevel=4)
    for i, mol in enumerate(mols):
        if mol is None and i not in lost:
            raise InternalError(f"{_INPUT}:{i + 1}: found neither conformers nor a failure")
    if lost and on_failure == "raise":
        raise MoleculeError(lost, mols)
    for text in lost.values():
        warnings.warn(text, ConfgenWarning, stacklevel=4)
    return mols
