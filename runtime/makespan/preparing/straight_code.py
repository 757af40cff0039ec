"""Calls one after the other as straight-line Python: results in local variables, no loop, no bookkeeping.

::

    def dag(c, a, x):
        v0 = c().run(f0, a[0])  # 'load'
        v0 = c().run(f1, v0, k2)  # 'clean'
        v1 = c().run(f3, v0)  # 'count'
        return (v0, v1, )

``c`` makes a fresh copy of the run's context variables, ``a`` has the values from outside, ``x`` those that
go from one function to the next (there are several when there is much to do). A variable is overwritten or
deleted by the line that uses it last, so values live as long as in any other way of running. A chain, beside
which others run, looks before each call whether its run is to stop: ``if q.stopping: return``.

Each call has its line, so a traceback says which one failed (`failed_member`), and shows its name: the source
with the names in comments is made when a traceback is printed, and never compiled. What is compiled consists
of numbers and the words above.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.preparing.parts import Constant, Given, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from makespan.preparing.parts import Member, PartCode

CHUNK = 400
"""Calls in one function: compiling takes longer than in proportion for longer ones."""

_PARAMETERS = "c, a, x, q"
_TRACED = "c, a, x, q, t, s, e, i, m"
_numbers = count(1)


class Chunk(NamedTuple):
    """A function, the number of members that come before its own, and how many lines each of these has."""

    call: Callable[..., Any]
    before: int
    step: int


def compile_chunks(code: PartCode, what: str, *, traced: bool = False, beside: bool = True) -> list[Chunk]:
    """Return functions to call in turn as ``call(c, a, x, q)``; the last one returns the results.

    Parameters
    ----------
    code : PartCode
    what : str
        How a traceback calls it: an identifier.
    traced : bool
        The functions also take the clock, the lists of starts, ends and thread ids, and this thread's id.
    beside : bool
        Whether others run beside it: it returns None as soon as ``q.stopping``, and takes values out of ``a``
        after their last use.
    """
    members = code.members
    writer = _Writer(code, traced=traced, drop=beside)
    guard = [" if q.stopping: return"] if beside else []
    chunks = []
    for start in range(0, max(1, len(members)), CHUNK):
        some = members[start : start + CHUNK]
        names = writer.begin()
        lines = [f"def {what}({_TRACED if traced else _PARAMETERS}):"]
        for at, member in enumerate(some, start):
            lines += [*guard, writer.line(at, member)]
        if start + CHUNK >= len(members):
            lines.append(writer.end())
        told = [name for member in some for name in [*(None for _ in guard), member.name]]
        chunks.append(Chunk(_compiled(what, lines, names, told), start, 1 + len(guard)))
    return chunks


def crossings(code: PartCode) -> int:
    """Return how long the list ``x`` has to be."""
    return len(_crossing(code))


def failed_member(chunk: Chunk, traceback: TracebackType | None) -> int | None:
    """Return the position of the member that raised, given the traceback that the chunk's caller caught.

    None: it was raised outside of any. Values that the failed function held are dropped.
    """
    inner = traceback.tb_next if traceback is not None else None
    if inner is None or inner.tb_frame.f_code is not chunk.call.__code__:
        return None
    with suppress(RuntimeError):  # one exception raised in two threads: the frame is the other's
        inner.tb_frame.clear()
    return chunk.before + (inner.tb_lineno - 2) // chunk.step


def _crossing(code: PartCode) -> dict[int, int]:
    """Return the members whose results leave their function, each with its place in ``x``."""
    found = {
        argument.member
        for at, member in enumerate(code.members)
        for argument in member.arguments
        if type(argument) is Result and argument.member // CHUNK != at // CHUNK
    }
    last = (len(code.members) - 1) // CHUNK
    found.update(at for at in code.outside if at // CHUNK != last)
    return {at: place for place, at in enumerate(sorted(found))}


class _Writer:
    """Writes one line for each member, in order, and one that returns."""

    def __init__(self, code: PartCode, *, traced: bool, drop: bool) -> None:
        self._traced, self._drop = traced, drop
        self._crossing = _crossing(code)
        # Results by their member's position, values from outside by -1 - slot.
        self._last: dict[int, int] = {}
        for at, member in enumerate(code.members):
            for argument in member.arguments:
                if type(argument) is Result:
                    self._last[argument.member] = at
                elif type(argument) is Given:
                    self._last[-1 - argument.slot] = at
        self._last |= dict.fromkeys(code.outside, len(code.members))
        self._outside, self._bare = code.outside, code.bare

    def begin(self) -> dict[str, Any]:
        """Begin a function; return what it will know by name, added to by each line."""
        self._variable: dict[int, str] = {}
        self._free: list[str] = []
        self._made = 0
        self._known: dict[int, str] = {}
        self._names: dict[str, Any] = {}
        return self._names

    def line(self, at: int, member: Member) -> str:
        """Return the line of a member."""
        given, gone, after = [self._named("f", member.call)], [], []
        for argument in member.arguments:
            if type(argument) is Constant:
                given.append(self._named("k", argument.value))
                continue
            key = argument.member if type(argument) is Result else -1 - argument[0]
            given.append(place := self._place(key))
            if self._last.get(key) == at:
                del self._last[key]
                if key in self._variable:
                    gone.append(place)
                elif key >= 0 or self._drop:
                    after.append(f"{place} = None")
        for key in [key for key, place in self._variable.items() if place in gone]:
            del self._variable[key]
        text = f"c().run({', '.join(given)})"
        if at in self._crossing:
            text = f"x[{self._crossing[at]}] = {text}"
        elif at in self._last:
            self._variable[at] = target = self._take(gone)
            text = f"{target} = {text}"
        if self._traced:
            node = member.node
            text = f"i[{node}] = m; s[{node}] = t(); {text}; e[{node}] = t()"
        if gone:
            after.append(f"del {', '.join(gone)}")
            self._free += gone
        return " " + "; ".join([text, *after])

    def end(self) -> str:
        """Return the line that returns the results."""
        if self._bare:
            return f" return {self._place(self._outside[0])}"
        return f" return ({''.join(f'{self._place(at)}, ' for at in self._outside)})"

    def _place(self, key: int) -> str:
        if key < 0:
            return f"a[{-1 - key}]"
        if key in self._crossing:
            return f"x[{self._crossing[key]}]"
        return self._variable[key]

    def _take(self, gone: list[str]) -> str:
        """Return a variable for a result: best one whose value this line uses last."""
        if gone:
            return gone.pop()
        if self._free:
            return self._free.pop()
        self._made += 1
        return f"v{self._made - 1}"

    def _named(self, prefix: str, value: Any) -> str:
        """Return the name of a function or a constant."""
        name = self._known.get(id(value))
        if name is None:
            self._known[id(value)] = name = f"{prefix}{len(self._known)}"
            self._names[name] = value  # and kept alive, so that no other thing has its id
        return name


class _Source:
    """What a traceback prints, made when it is printed; forgotten with the function."""

    def __init__(self, file: str, lines: list[str], names: list[str | None]) -> None:
        self._file, self._lines, self._names = file, lines, names

    def get_source(self, _: str) -> str:
        """Return the source, each line with the name of its node."""
        head, *body = self._lines
        told = [
            line if name is None else f"{line}  # {str.__repr__(name)}"
            for line, name in zip(body, self._names, strict=False)
        ]
        return "\n".join([head, *told, *body[len(told) :], ""])

    def __del__(self) -> None:
        if (linecache := sys.modules.get("linecache")) is not None:
            linecache.cache.pop(self._file, None)


def _compiled(
    what: str, lines: list[str], names: dict[str, Any], told: list[str | None]
) -> Callable[..., Any]:
    # Begins with "<", which tools that look for files leave alone, and does not end with ">", so that
    # tracebacks ask the loader of the function's module for its lines.
    file = f"<makespan> {what} {next(_numbers)}"
    names["__name__"] = file
    names["__loader__"] = _Source(file, lines, told)
    # Numbers and words of this module only: nothing of the user's is in the text.
    exec(compile("\n".join(lines), file, "exec", dont_inherit=True), names)  # noqa: S102
    made: Callable[..., Any] = names.pop(what)
    return made
