# SPDX-License-Identifier: MIT
"""Finds and loads libconfgen, and calls it."""
from __future__ import annotations

import os
import threading
from typing import Any, Union

import cffi

from ._declarations import TEXT
from ._errors import LibraryError, error_of

SONAME = "libconfgen.so.0"

ffi: Any = cffi.FFI()
ffi.cdef(TEXT)

_lock = threading.Lock()
_library: Any = None


def _candidates() -> list[str]:
    """What is tried, in order: $CONFGEN_LIBRARY alone, or the package's folder and the loader."""
    given = os.environ.get("CONFGEN_LIBRARY")
    if given:
        return [given]
    return [os.path.join(os.path.dirname(os.path.abspath(__file__)), SONAME), SONAME]


def _open() -> Any:
    tried = []
    for path in _candidates():
        if os.sep in path and not os.path.exists(path):
            tried.append(f"{path}: no such file")
            continue
        try:
            return ffi.dlopen(path, ffi.RTLD_NOW | ffi.RTLD_LOCAL)
        except OSError as e:
            tried.append(str(e))
    where = "CONFGEN_LIBRARY names no library that can be loaded" if os.environ.get(
        "CONFGEN_LIBRARY") else "set CONFGEN_LIBRARY to the file, or install confgen"
    raise LibraryError(f"libconfgen was not found: {where}. Tried: {'; '.join(tried)}")


def library() -> Any:
    """The loaded library. LibraryError names what was tried."""
    global _library
    with _lock:
        if _library is None:
            _library = _open()
        return _library


def call(name: str, *args: Any) -> None:
    """Calls a function that returns a status and takes a cg_error last; raises its error."""
    err = new("cg_error")
    try:
        function = getattr(library(), name)
    except AttributeError as e:
        raise LibraryError(f"libconfgen {version()} has no {name}(): it is older than this "
                           "package") from e
    status = function(*args, err)
    if status:
        raise error_of(status, text_of(err.msg))


def new(struct: str) -> Any:
    """A zeroed struct with its struct_size."""
    made = ffi.new(struct + " *")
    made.struct_size = ffi.sizeof(struct)
    return made


def text_of(chars: Any) -> str:
    """A text of the library; bytes that are not UTF-8 are replaced."""
    return str(ffi.string(chars).decode("utf-8", "replace"))


def chars_of(text: Union[str, bytes]) -> Any:
    """A text for the library, encoded as paths are, which the caller keeps alive."""
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError(f"{text!r} has a zero byte")
    return ffi.new("char[]", encoded)


def version() -> str:
    """Release of the loaded library."""
    return text_of(library().cg_version())
