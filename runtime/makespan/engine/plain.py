"""The plain engine: what a worker does when nodes only wait for each other.

It decides as `makespan.dispatch.Dispatch` does, where there are no groups, exclusive nodes, nodes of the
calling thread, limits of time and runs that go on after failures. One mutex is taken once a node: the last
result is dealt out, the nodes that it made ready are queued, the next is taken from the queue, and whether
a further worker is worth calling is decided. Nodes are numbered by rank, so the queue holds the numbers.
Nothing is called in the loop but the heap, the lock and the node.

How many nodes run at once needs no counting: each worker runs one, and no more workers come than the budget
has places.
"""

from __future__ import annotations

from heapq import heappop, heappush, heappushpop
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.engine.crew import crew
from makespan.engine.dealing import deal_out

if TYPE_CHECKING:
    from makespan.engine.tables import Tables
    from makespan.engine.workers import Workers

STINT_S = 0.005
"""A helper stays so long with one run when others wait for one."""


def work(run: Workers, *, helping: bool) -> None:
    """Work on a run: as its caller until it is over, as a helper until nothing can be started.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, in the caller. The lock may still be held.
    """
    tables, trace = run.tables, run.trace
    n, nodes, links, worth = tables.n, tables.nodes, tables.links, tables.worth
    calls, parts, inner = tables.calls, tables.parts, tables.inner
    more_links = tables.orders is not None or bool(parts)
    ready, waiting, slots = run.ready, run.waiting, run.slots
    lock = run.lock
    take, give = lock.acquire, lock.release
    copy = run.base.copy
    queue: Any = ()
    begun, fresh = 0.0, True
    if helping:
        queue, begun = crew.queue, monotonic()
    if trace is not None:
        clock, start, end, ident, me = trace.clock, trace.start, trace.end, trace.ident, get_ident()
    k = n  # the number of the node that has just ended; n: none
    value = None
    while True:
        take()
        first = -1
        if not run.stopped:
            for consumer, slot in links[k]:
                if slot:
                    slots[consumer][slot] = value
                    left = waiting[consumer] - 1
                    if left:
                        waiting[consumer] = left
                        continue
                else:
                    slots[consumer] = (calls[consumer], value)
                if first < 0:
                    first = consumer
                else:
                    heappush(ready, consumer)
            if more_links:
                first = _deal_out(tables, slots, waiting, ready, k, value, first)
            if first >= 0:
                k = heappushpop(ready, first)
            elif ready:
                k = heappop(ready)
            else:
                k = n
        else:
            k = n
        if k == n or (queue and not fresh and monotonic() - begun > STINT_S and run.may_leave(k)):
            act = run.pause(helping=helping, over=run.stopped or not ready)
            give()
            value = None
            if act is not None:
                act()
            if helping or run.over:
                return
            run.wait()
            if run.over:
                return
            k = n
            continue
        arguments = slots[k]
        slots[k] = None
        if ready and run.spare and (worth is None or worth[k] or worth[ready[0]]):
            act = run.offer()
            give()
            if act is not None:
                act()
        else:
            give()
        fresh = False
        value = None  # not under the lock: what it was may have something to say at its end
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
            run.caught(nodes[k], raised, helping=helping)
            k = n
        arguments = None


def _deal_out(
    tables: Tables,
    slots: list[Any],
    waiting: list[int],
    ready: list[int],
    k: int,
    value: Any,
    first: int,
) -> int:
    """Deal out the results of a node that stands for several, and release what only waited for it."""
    if k in tables.parts:
        deal_out(tables.parts[k], slots, value)
    if tables.orders is not None:
        for consumer in tables.orders[k]:
            left = waiting[consumer] - 1
            waiting[consumer] = left
            if not left:
                if first < 0:
                    first = consumer
                else:
                    heappush(ready, consumer)
    return first
