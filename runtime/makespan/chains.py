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

from makespan.failure import InMember
from makespan.parts import Made, Part
from makespan.straight_code import compile_chunks, crossings, failed_member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from makespan.executor import Trace
    from makespan.fit import Fit
    from makespan.parts import PartCode


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
    return straight_call(code, "chain", drop=True)


def straight_call(code: PartCode, what: str = "dag", *, drop: bool = False) -> Made:
    """Make the call of members that run one after the other; see `compile_chunks`."""
    chunks = compile_chunks(code, what, drop=drop)
    nodes = [member.node for member in code.members]
    many = crossings(code)
    traced_chunks: list[Any] = []  # compiled when they are first wanted

    def call(values: list[Any]) -> Any:
        crossing = [None] * many
        copy = copy_context().copy
        for chunk in chunks:
            try:
                results = chunk.call(copy, values, crossing)
            except BaseException as error:
                at = failed_member(chunk, sys.exc_info()[2])
                values.clear()
                crossing.clear()
                if at is None:
                    raise
                raise InMember(nodes[at], error) from None
        return results

    def traced(trace: Trace) -> Callable[[list[Any]], Any]:
        if not traced_chunks:
            traced_chunks[:] = compile_chunks(code, what, traced=True, drop=drop)
        clock, start, end, ident = trace.clock, trace.start, trace.end, trace.ident

        def call(values: list[Any]) -> Any:
            crossing = [None] * many
            copy = copy_context().copy
            me = get_ident()
            for chunk in traced_chunks:
                try:
                    results = chunk.call(copy, values, crossing, clock, start, end, ident, me)
                except BaseException as error:
                    at = failed_member(chunk, sys.exc_info()[2])
                    values.clear()
                    crossing.clear()
                    if at is None:
                        raise
                    if not isinstance(error, KeyboardInterrupt):  # else it did not come to its end
                        end[nodes[at]] = clock()
                    raise InMember(nodes[at], error) from None
            return results

        return call

    return Made(call, traced)
