# SPDX-License-Identifier: MIT
"""Exceptions: one class for each status of the library, with the library's text."""
from __future__ import annotations

from typing import Any


class Error(Exception):
    """A call failed. The text is the library's: where, what was found, what was wanted."""

    code: int = 0
    """Status, CG_ERR_* of confgen/status.h; 0: the failure is the package's own."""


class LibraryError(Error, ImportError):
    """libconfgen cannot be loaded."""


class UsageError(Error, ValueError):
    """An argument is wrong."""

    code = 100


class UnsupportedError(Error, ValueError):
    """What is asked for is valid and not supported."""

    code = 101


class InputError(Error, ValueError):
    """A molecule, line or record is bad."""

    code = 200


class FormatError(Error, ValueError):
    """A file is not what it claims to be."""

    code = 201


class LimitError(Error, ValueError):
    """A size exceeds a stated bound."""

    code = 202


class MismatchError(Error, ValueError):
    """Two things that must agree do not."""

    code = 203


class FileError(Error, OSError):
    """A file cannot be opened, read or written."""

    code = 300


class OutOfMemoryError(Error, MemoryError):
    """The host's memory does not suffice."""

    code = 301


class PluginError(Error):
    """A plugin cannot be loaded or violates its contract."""

    code = 302


class InterruptedRunError(Error):
    """A run was stopped. Its output can be resumed."""

    code = 303


class CudaError(Error):
    """A CUDA call failed."""

    code = 400


class DeviceMemoryError(Error, MemoryError):
    """The GPU's memory does not suffice."""

    code = 401


class InternalError(Error):
    """A bug in confgen."""

    code = 500


class MoleculeError(InputError):
    """Molecules have no conformer.

    failures: texts by the molecule's index among the arguments of generate().
    mols: what generate() would have returned, None in the place of these molecules.
    """

    def __init__(self, failures: dict[int, str], mols: list[Any]):
        first = next(iter(failures.values()))
        more = len(failures) - 1
        super().__init__(first + (f" (and {more} more: .failures has all)" if more else ""))
        self.failures = failures
        self.mols = mols

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures, self.mols)


class ConfgenWarning(UserWarning):
    """A molecule has fewer conformers than were asked for."""


_CLASSES = {c.code: c for c in (UsageError, UnsupportedError, InputError, FormatError, LimitError,
                                MismatchError, FileError, OutOfMemoryError, PluginError,
                                InterruptedRunError, CudaError, DeviceMemoryError, InternalError)}


def error_of(code: int, text: str) -> Error:
    """The exception of a status."""
    error = _CLASSES.get(code, Error)(text)
    error.code = code
    return error


def require(module: str, package: str, purpose: str) -> Any:
    """Imports an optional package.

    Raises ImportError that names the package and what it is needed for.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise ImportError(f"{purpose} needs {package}, which cannot be imported ({e}): install it "
                          f"with 'pip install {package}' or 'apt install python3-{package}'") from e
