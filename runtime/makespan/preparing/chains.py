"""Chains: nodes that one worker runs back to back, as one straight-line function.

The plan says which: handing over between them costs more than it can win. Between two nodes of a chain
nothing is locked, counted or decided, and their values never leave local variables.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from itertools import groupby
from threading import get_ident
from typing import TYPE_CHECKING, Any

from makespan.engine.cancelling import Cancels, inside
from makespan.engine.failure import InMember
from makespan.preparing.parts import Made, Part
from makespan.preparing.straight_code import compile_chunks, crossings, failed_member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextvars import Context

    from makespan.engine.executor import Trace
    from makespan.preparing.fit import Fit
    from makespan.preparing.parts import PartCode
    from makespan.preparing.straight_code import Chunk

_NOBODY = Cancels()  # stops no run


def chains_of(fitted: Fit, apart: Collection[int]) -> list[Part]:
    """Return the chains of a plan as parts; nodes of `apart` run by themselves.

    So do nodes that are left out, that run elsewhere than in any thread, or that are exclusive. Only
    neighbours with the same locks and groups are joined: a part holds its own throughout.
    """
    structure = fitted.structure
    held: dict[int, list[int]] = {}
    for number, (nodes, _) in enumerate(fitted.groups):
        for i in nodes:
            held.setdefault(i, []).append(number)

    def holds(i: int) -> Any:
        if i in apart or i in fitted.vacant or i in fitted.modes or structure.exclusive[i]:
            return None
        return structure.locks[i], held.get(i)

    pieces = [
        tuple(piece) for chain in fitted.chains for what, piece in groupby(chain, holds) if what is not None
    ]
    return [Part(piece, chain_call) for piece in pieces if len(piece) > 1]


def chain_call(code: PartCode) -> Made:
    """Make the call of a chain: each member in its own copy of the context variables."""
    line = Line(code, "chain", beside=True)
    run = line.run

    def call(values: list[Any]) -> Any:
        return run(copy_context().copy, values)

    def traced(trace: Trace) -> Callable[[list[Any]], Any]:
        return lambda values: line.run_traced(copy_context().copy, values, trace)

    return Made(call, traced, bare=code.bare)


class Line:
    """Members that run one after the other in one thread, as straight-line code.

    `run` and `run_traced` return the tuple of results, or raise `InMember`; they empty the given values then.
    They return None when their run is to stop.

    Parameters
    ----------
    code, what, beside
        As `compile_chunks` takes them.
    """

    __slots__ = ("_beside", "_chunks", "_code", "_crossings", "_traced", "_what")

    def __init__(self, code: PartCode, what: str, *, beside: bool) -> None:
        self._code, self._what, self._beside = code, what, beside
        self._crossings = crossings(code)
        self._chunks: list[Chunk] = []
        self._traced: list[Chunk] = []  # both are compiled when they are first wanted

    def run(self, copy: Callable[[], Context], values: list[Any]) -> Any:
        """Run; `copy` makes a fresh copy of the context for each member."""
        chunks = self._chunks
        if not chunks:
            self._chunks = chunks = compile_chunks(self._code, self._what, beside=self._beside)
        crossing = [None] * self._crossings
        watch = inside.get() or _NOBODY
        for chunk in chunks:
            try:
                results = chunk.call(copy, values, crossing, watch)
            except BaseException as error:
                raise self._blamed(chunk, error, values, crossing) from None
        return results

    def run_traced(self, copy: Callable[[], Context], values: list[Any], trace: Trace) -> Any:
        """Run, and note starts, ends and this thread."""
        chunks = self._traced
        if not chunks:
            self._traced = chunks = compile_chunks(self._code, self._what, traced=True, beside=self._beside)
        clock, start, end, ident, me = trace.clock, trace.start, trace.end, trace.ident, get_ident()
        crossing = [None] * self._crossings
        watch = inside.get() or _NOBODY
        for chunk in chunks:
            try:
                results = chunk.call(copy, values, crossing, watch, clock, start, end, ident, me)
            except BaseException as error:
                blamed = self._blamed(chunk, error, values, crossing)
                if type(blamed) is InMember and not isinstance(error, KeyboardInterrupt):
                    end[blamed.node] = clock()  # after Ctrl-C it did not come to its end
                raise blamed from None
        return results

    def _blamed(
        self, chunk: Chunk, error: BaseException, values: list[Any], crossing: list[Any]
    ) -> BaseException:
        """Return what to raise in place of an error; nothing that was computed is held any more."""
        at = failed_member(chunk, sys.exc_info()[2])
        values.clear()
        crossing.clear()
        return error if at is None else InMember(self._code.members[at].node, error)
