"""Why a node took another time than the model said, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, seconds
from makespan_optimizer.measure.trials.pairs import appetite_of

if TYPE_CHECKING:
    from makespan.measurement import Measured, NodeProfile

_PYTHON = 0.5  # share of the GIL
_COMPUTES = 0.5
_LONG_S = 0.01
_MOST = 0.5  # of an excess: what it mostly is


def why_itself(node: NodeProfile, excess_s: float, alone_s: float, measured: Measured | None) -> str:
    """Say what of a node's own time changed."""
    if measured is None:
        how = "longer" if excess_s > 0 else "shorter"
        return f"takes {how} by itself, whatever runs beside it"
    computes_s = measured.gil_s + measured.native_s - min(node.cpu_s, alone_s)
    waits_s = measured.blocked_total_s - node.blocked_total_s
    if abs(waits_s) > abs(computes_s):
        kinds = sorted(
            {*measured.blocked_s, *node.blocked_s},
            key=lambda kind: (
                -abs(measured.blocked_s.get(kind, 0.0) - node.blocked_s.get(kind, 0.0)),
                kind,
            ),
        )
        what = {"io": "io", "sleep": "sleep", "lock": "a lock", "child": "a child process"}.get(
            kinds[0] if kinds else "", "something"
        )
        return (
            f"by itself: waits {seconds(measured.blocked_total_s)} (mostly for {what}), "
            f"{seconds(node.blocked_total_s)} in the profile"
        )
    now_s = measured.gil_s + measured.native_s
    return f"by itself: computes {seconds(now_s)}, {seconds(min(node.cpu_s, alone_s))} in the profile"


def why_beside(
    node: NodeProfile, other: NodeProfile, excess_s: float, alone_s: float, measured: Measured | None
) -> str:
    """Say by what a neighbour holds a node back more than the model said, or less."""
    name = clean(other.name, 40)
    if excess_s < 0:
        return f"held back by {name} less than the model said; {seconds(alone_s)} alone"
    a, b = appetite_of(node), appetite_of(other)
    by_gil = b.gil > 0.2 and (a.gil > 0.05 or a.chatty)
    if measured is not None:
        waited_s = measured.gil_wait_s + measured.run_delay_s
        if waited_s < _MOST * excess_s:
            return f"computes longer beside {name}: they share memory and caches; {seconds(alone_s)} alone"
        by_gil = by_gil and measured.gil_wait_s >= 0.3 * waited_s
    if by_gil and b.burst_s > _LONG_S and not a.gil > _PYTHON:
        return (
            f"held back by {name}, which keeps the GIL for up to {seconds(b.burst_s)} at a time; "
            f"{seconds(alone_s)} alone"
        )
    if by_gil and a.chatty:
        return f"takes the GIL often, and {name} holds it; {seconds(alone_s)} alone"
    if by_gil:
        return f"held back by {name}: both hold the GIL; {seconds(alone_s)} alone"
    if min(a.gil + a.native, b.gil + b.native) > _COMPUTES:
        return f"held back by {name}: both compute, on shared cores and memory; {seconds(alone_s)} alone"
    return f"takes longer beside {name}; {seconds(alone_s)} alone"
