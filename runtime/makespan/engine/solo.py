"""A brief run, worked on by its caller alone: what can be had without lock, queue and counts.

In a run with one worker the order is known beforehand. The caller takes the nodes from an iterator over that
order; whoever finds that it does not get on (`makespan.engine.watching`) takes all that are left from the
same iterator, in one step: each node goes to one of the two. By then the nodes before the caller's last one
have been dealt out, so what is ready follows, and from there on it is a run like any other
(`makespan.engine.plain`). The caller finds nothing left, asks under the lock why, and joins.
"""

from __future__ import annotations

import sys
from heapq import heappop, heappush
from threading import get_ident
from typing import TYPE_CHECKING

from makespan.engine.dealing import deal_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan.engine.tables import Tables
    from makespan.engine.workers import Workers

POSSIBLE: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""One step is what no other thread comes between: that takes the interpreter's lock."""


def order_of(tables: Tables) -> list[int]:
    """Return the order in which a lone worker runs the nodes."""
    waiting, ready, order = tables.waiting.copy(), tables.roots.copy(), []
    while ready:
        k = heappop(ready)
        order.append(k)
        for consumer in released(tables, waiting, k):
            heappush(ready, consumer)
    return order


def released(tables: Tables, waiting: list[int], k: int) -> list[int]:
    """Count the end of a node; return those that wait for nothing else."""
    ready = []
    consumers = [consumer for consumer, _ in tables.links[k]]
    if tables.orders is not None:
        consumers += tables.orders[k]
    for consumer in consumers:
        waiting[consumer] -= 1
        if not waiting[consumer]:
            ready.append(consumer)
    return ready


def take_over(run: Workers, left: Iterator[int]) -> None:
    """Make all that the caller has not begun a queue for any number of workers; under the lock."""
    rest = list(left)
    tables, waiting = run.tables, run.waiting
    order = tables.order
    run.taken = bool(rest)
    for k in order[: max(0, len(order) - len(rest) - 1)]:
        released(tables, waiting, k)
    # Roots that have begun wait for nothing either.
    run.ready[:] = sorted(k for k in rest if not waiting[k])


def work(run: Workers, left: Iterator[int]) -> bool:
    """Work alone, as the caller, until the run is over or somebody took over; return whether it is over.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C. The lock may still be held.
    """
    tables, trace = run.tables, run.trace
    n, nodes, links = tables.n, tables.nodes, tables.links
    calls, parts, inner = tables.calls, tables.parts, tables.inner
    slots = run.slots
    copy = run.base.copy
    if trace is not None:
        clock, start, end, ident, me = trace.clock, trace.start, trace.end, trace.ident, get_ident()
    last = n  # the node that was dealt out last
    try:
        for k in left:
            arguments = slots[k]
            slots[k] = None
            try:
                if trace is None or k in inner:  # the members of a part are noted by its call
                    value = copy().run(*arguments)
                else:
                    i = nodes[k]
                    ident[i] = me
                    start[i] = clock()
                    try:
                        value = copy().run(*arguments)
                    finally:
                        end[i] = clock()
            except BaseException as raised:
                arguments = None
                run.caught(nodes[k], raised, helping=False)
                last = n
                break
            last = k
            arguments = None
            for consumer, slot in links[k]:
                if slot:
                    slots[consumer][slot] = value
                else:
                    slots[consumer] = (calls[consumer], value)
            if parts and k in parts:
                deal_out(parts[k], slots, value)
            value = None
    except IndexError:
        if not run.over:  # abandoned, it has no slots
            raise
    with run.lock:
        if run.over:
            return True
        if not run.taken:
            run.pause(helping=False, over=True)
            return True
        if last != n and not run.stopped:
            for consumer in released(tables, run.waiting, last):
                heappush(run.ready, consumer)
    return False
