"""Files that are old or new, never torn; JSON that is read strictly.

A writer puts the bytes into a temporary file of the same folder, flushes it to the disk and renames it over
the old one. A reader refuses duplicate keys, NaN and infinity, too deep nesting and truncation, and names the
place as a JSON pointer (RFC 6901). Nothing that is read is ever imported, evaluated or unpickled.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from makespan.errors import MakespanError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

# How a file of each kind begins. A file that begins otherwise is somebody's own, and is not overwritten.
_BEGINS = {
    "html": (b"<!doctype html", b"<html"),
    "png": (b"\x89PNG",),
    "svg": (b"<svg", b"<?xml"),
    "pdf": (b"%PDF",),
    "text": (b"makespan report",),
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
    except OSError as error:
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
    try:
        if str(path) == "-":
            if sys.stdin is None:
                raise OSError("there is no standard input")  # noqa: TRY301 (reported as any other)
            return sys.stdin.buffer.read()
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise error_type(f"cannot be read: {_reason(error)}", where=str(path)) from error


class _NotFinite:
    """Stands for NaN or infinity in parsed JSON, so that `convert` refuses it at its place."""


_NotFinite.__name__ = _NotFinite.__qualname__ = "a number that is not finite"


def strict_json(data: bytes, where: str, error_type: type[MakespanError], *, typed: bool = False) -> Any:
    """Parse JSON; refuse duplicate keys, NaN, infinity, deep nesting, lone surrogates and trailing text.

    With `typed`, NaN, infinity and numbers beyond the range of a float come out as an object of a type of
    their own, which `convert` refuses and names by its place.

    Raises
    ------
    MakespanError
        As `error_type`, with the line and column of the fault.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise error_type(f"the key {key[:80]!r} stands twice in one object", where=where)
        return found

    def finite(text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else refuse(text)

    def refuse(text: str) -> Any:
        if typed:
            return _NotFinite()
        raise error_type(f"{text[:40]} is not a number that JSON can hold", where=where)

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=once,
            parse_float=finite,
            parse_constant=refuse,
        )
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except json.JSONDecodeError as error:
        raise error_type(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", where=where
        ) from error
    except UnicodeDecodeError as error:
        raise error_type(f"is not UTF-8 text (byte {error.start})", where=where) from error
    except UnicodeEncodeError as error:
        raise error_type("holds half a character (a lone surrogate)", where=where) from error
    except RecursionError as error:
        raise error_type("is nested too deeply", where=where) from error
    except ValueError as error:  # an integer of thousands of digits
        raise error_type(f"is not JSON: {error}", where=where) from error
    return value


def convert(value: Any, type_: type[T], where: str, error_type: type[MakespanError], pointer: str = "") -> T:
    """Turn parsed JSON into a struct; a wrong field is named by its JSON pointer.

    Raises
    ------
    MakespanError
        As `error_type`.
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        raise error_type(problem, where=f"{where}#{pointer}{_pointer(path)}") from error
    except (OverflowError, RecursionError) as error:
        raise error_type(
            f"holds a value that is out of range: {error}", where=f"{where}#{pointer}"
        ) from error


def format_of(value: Any, expected: str, where: str, error_type: type[MakespanError]) -> None:
    """Check the ``format`` key of a parsed file: ``makespan-plan/1``.

    Raises
    ------
    MakespanError
        As `error_type`: not an object, another kind of file, a newer version.
    """
    kind = expected.partition("/")[0]
    found = value.get("format") if isinstance(value, dict) else None
    if found == expected:
        return
    if isinstance(found, str) and found.partition("/")[0] == kind:
        raise error_type(f"has format {found[:80]!r}; this version reads {expected!r}", where=where)
    what = (
        f"it is a {found.partition('/')[0][:80]} file"
        if isinstance(found, str)
        else "it has no such 'format'"
    )
    raise error_type(f"is not a {kind} file: {what}", where=where)


def canonical(value: Any) -> bytes:
    """Return the one compact byte form of JSON data (sorted keys), for hashing."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def readable(value: dict[str, Any]) -> bytes:
    """Return JSON that people read and diff: a line for each key, and for each item of a list of objects.

    Keys keep the order in which they are given.

    >>> print(readable({"format": "x/1", "nodes": [{"name": "a"}, {"name": "b"}]}).decode(), end="")
    {
     "format": "x/1",
     "nodes": [
      {"name": "a"},
      {"name": "b"}
     ]
    }
    """
    return (_lines(value, "") + "\n").encode()


def _lines(value: dict[str, Any], indent: str) -> str:
    parts = []
    for key, item in value.items():
        rows = item if isinstance(item, list | tuple) and item and isinstance(item[0], dict) else ()
        if rows:
            text = "[\n" + ",\n".join(f"{indent}  {_line(row)}" for row in rows) + f"\n{indent} ]"
        elif isinstance(item, dict) and "nodes" in item:  # a plan within a run
            text = _lines(item, indent + " ")
        else:
            text = _line(item)
        parts.append(f"{indent} {_line(key)}: {text}")
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def _line(item: Any) -> str:
    return json.dumps(item, ensure_ascii=False, allow_nan=False)


def _pointer(path: str) -> str:
    """Turn msgspec's ``$.nodes[3].rank`` into ``/nodes/3/rank``; it does not say which key of a mapping."""
    known = path.strip("`").removeprefix("$").partition("[...]")[0]
    return re.sub(r"\[(\d+)\]", r"/\1", known).replace(".", "/")
