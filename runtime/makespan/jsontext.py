"""JSON that is read strictly and written so that people can read and diff it.

A reader refuses duplicate keys, NaN and infinity, too deep nesting and truncation, and names the place as a
JSON pointer (RFC 6901). Nothing that is read is ever imported, evaluated or unpickled.
"""

from __future__ import annotations

import json
import math
import os
import re
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from makespan.errors import MakespanError

T = TypeVar("T")

# What a file of another kind is for.
_TAKEN_BY = {
    "makespan-profile": "makespan optimize, what-if, profile show and export take it",
    "makespan-plan": "makespan run --plan, report, explain, compare and export take it",
    "makespan-run": "makespan report, compare and export take it",
}


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


_known: set[object] = set()
_looking = allocate_lock()


def known(type_: type[T]) -> type[T]:
    """Return a type that msgspec has looked at, which it does when the type is first read.

    Only one thread may do that at a time: msgspec 0.22 shows other threads what is not filled in yet, and the
    interpreter crashes.
    """
    if type_ not in _known:
        with _looking:
            msgspec.json.Decoder(type_)
            _known.add(type_)
    return type_


def _after_fork() -> None:
    global _looking  # noqa: PLW0603 (another thread may have held it)
    _looking = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def convert(value: Any, type_: type[T], where: str, error_type: type[MakespanError], pointer: str = "") -> T:
    """Turn parsed JSON into a struct; a wrong field is named by its JSON pointer.

    Raises
    ------
    MakespanError
        As `error_type`.
    """
    try:
        return msgspec.convert(value, known(type_), strict=True)
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
    if not isinstance(found, str):
        raise error_type(f"is not a {kind} file: it has no such 'format'", where=where)
    its = found.partition("/")[0]
    raise error_type(f"is not a {kind} file: it is a {its[:80]} file", where=where, hint=_TAKEN_BY.get(its))


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
    found = path.strip("`").removeprefix("$").partition("[...]")[0]
    return re.sub(r"\[(\d+)\]", r"/\1", found).replace(".", "/")
