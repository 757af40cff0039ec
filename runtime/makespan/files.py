"""Files that are old or new, never torn, and never somebody else's.

A writer puts the bytes into a temporary file of the same folder, flushes it to the disk and renames it over
the old one. What the bytes mean is the business of `makespan.jsontext`.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from makespan.errors import MakespanError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

# How a file of each kind begins. A file that begins otherwise is somebody's own, and is not overwritten.
_BEGINS = {
    "html": (b"<!doctype html", b"<html"),
    "png": (b"\x89PNG",),
    "svg": (b"<svg", b"<?xml"),
    "pdf": (b"%PDF",),
    "text": (b"makespan report",),
    "csv": (b"name,",),
    "tawazi": (b'{\n "nodes"',),
    "dask": (b'{\n "format": "makespan-dask/',),
    "networkx": (b'{"directed"',),
    "dot": (b"digraph",),
    "mermaid": (b"flowchart",),
}
# What writes the files that a verb reads unless another one is named.
_WRITERS = {
    "profile.json": "'makespan profile' writes one",
    "plan.json": "'makespan optimize' writes one",
    "run.json": "'makespan run' writes one",
}


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file by `data`, or leave it as it was.

    A link is followed, and the permissions of an old file are kept. What is no file (``/dev/stdout``, a named
    pipe) is written to as it is.

    Raises
    ------
    OptionError
        The folder is missing or cannot be written, the disk is full, the path is a folder.
    """
    try:
        target = os.path.realpath(path)
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as file:
                file.write(data)
            return
        # A short name that nobody else has: other threads and processes may write the same file now.
        scratch = os.path.join(os.path.dirname(target), f".makespan-{os.urandom(8).hex()}.tmp")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with open(descriptor, "wb") as file:
                if mode is not None:
                    os.fchmod(descriptor, stat.S_IMODE(mode))
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(scratch, target)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        raise OptionError(f"cannot write: {_reason(error)}", where=str(path)) from error


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the folder of `path` against other writers (read, merge, write), without leaving a lock file.

    Raises
    ------
    OptionError
        The folder is missing or cannot be locked.
    """
    import fcntl

    folder = Path(path).parent
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise OptionError(f"cannot write: {_reason(error)}", where=str(path)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise OptionError(f"cannot lock the folder: {error.strerror}", where=str(path)) from error
        yield
    finally:
        os.close(descriptor)


def ensure_replaceable(path: str | os.PathLike[str], kind: str, *, force: bool = False) -> None:
    """Refuse to overwrite a file of another kind, or to write where nothing can be written.

    Parameters
    ----------
    path : path
        Where something is about to be written.
    kind : str
        ``"makespan-plan"`` (the word before the slash of a file's ``format``), ``"html"``, ``"png"`` …
    force : bool
        Overwrite whatever is there.

    Raises
    ------
    OptionError
        The path is a folder, lies in no folder, or holds a file of another kind.
    """
    target = Path(path)
    try:
        mode = _mode(str(target)) if "\x00" not in str(target) else None
    except (OSError, ValueError) as error:  # half a character: no name of a file
        raise OptionError(f"cannot be written: {_reason(error)}", where=str(path)) from error
    if "\x00" in str(target):
        raise OptionError("holds a null character", where=str(path), hint="name a file")
    if mode is not None and stat.S_ISDIR(mode):
        raise OptionError("is a folder", where=str(path), hint="name a file")
    if mode is not None and not stat.S_ISREG(mode):
        return  # a pipe or a device: nothing is replaced
    if not target.parent.is_dir():
        raise OptionError("its folder does not exist", where=str(path), hint=f"mkdir -p {target.parent}")
    if not os.access(target.parent, os.W_OK) or (mode is not None and not os.access(target, os.W_OK)):
        raise OptionError("cannot be written: permission denied", where=str(path))
    if force or mode is None:
        return
    try:
        with target.open("rb") as file:
            head = file.read(400)
    except OSError as error:
        raise OptionError(f"cannot be read: {_reason(error)}", where=str(path)) from error
    if not head.strip():
        return
    same = (
        re.search(rb'^\s*\{\s*"format":\s*"' + re.escape(kind.encode()) + b"/", head) is not None
        if kind.startswith("makespan-")
        else head.lstrip().lower().startswith(tuple(begin.lower() for begin in _BEGINS.get(kind, ())))
    )
    if not same:
        raise OptionError(
            f"holds something other than a {kind} file", where=str(path), hint="-f overwrites it"
        )


def read_bytes(path: str | os.PathLike[str], error_type: type[MakespanError]) -> bytes:
    """Return the content of a file, or of standard input for ``-``.

    Raises
    ------
    MakespanError
        As `error_type`: the file is missing or cannot be read.
    """
    if not str(path):
        raise error_type("a file is needed, not an empty name")
    try:
        if str(path) == "-":
            if sys.stdin is None:
                raise OSError("there is no standard input")  # noqa: TRY301 (reported as any other)
            return sys.stdin.buffer.read()
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        hint = _hint_at(Path(path)) if isinstance(error, FileNotFoundError) else None
        raise error_type(f"cannot be read: {_reason(error)}", where=str(path), hint=hint) from error


def _hint_at(missing: Path) -> str | None:
    """Return which file may be meant, or which verb writes it."""
    from difflib import get_close_matches

    try:
        there = {its.stem: its.name for its in missing.parent.iterdir() if its.suffix == missing.suffix}
    except OSError:
        there = {}
    near = get_close_matches(missing.stem, there, n=1)
    return f"did you mean {there[near[0]]!r}?" if near else _WRITERS.get(missing.name)
