"""The general engine: what a worker does when `makespan.dispatch.Dispatch` decides.

For runs with groups, locks, exclusive nodes, nodes of the calling thread, limits of time, or that go on after
failures. Otherwise it does what `makespan.engine.plain` does.
"""

from __future__ import annotations

from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.engine.crew import crew
from makespan.engine.dealing import deal_out
from makespan.engine.plain import STINT_S

if TYPE_CHECKING:
    from makespan.dispatch import Dispatch
    from makespan.engine.workers import Workers


def work(run: Workers, *, helping: bool) -> None:
    """Work on a run: as its caller until it is over, as a helper until nothing can be started.

    The caller of a run that others work on runs its own nodes until none is due.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, in the caller. The lock may still be held.
    """
    tables, trace, core, watch = run.tables, run.trace, run.core, run.watch
    n, links, parts, worth = tables.n, tables.links, tables.parts, tables.worth
    slots = run.slots
    lock = run.lock
    take, give = lock.acquire, lock.release
    copy = run.base.copy
    own = run.coordinated and not helping
    dealing = run.deals
    queue: Any = ()
    begun, fresh = 0.0, True
    me = get_ident()
    if helping:
        queue, begun = crew.queue, monotonic()
    if trace is not None:
        clock, start, end, ident = trace.clock, trace.start, trace.end, trace.ident
    i = n  # the node that has just ended; n: none
    value: Any = None
    while True:
        take()
        chosen: int | None
        if i != n and watch is not None and run.returned(i):
            i = n  # it was given up: its result comes too late
        if i != n:
            if not run.stopped:
                for consumer, slot in links[i]:
                    slots[consumer][slot] = value
                if i in parts:
                    deal_out(parts[i], slots, value)
            if own:
                core.finish(i)
                chosen = _next_own(core)
            else:
                chosen = core.advance(i, helping=helping)
        elif own:
            chosen = _next_own(core)
        else:
            chosen = core.next(helping=helping)
        leaves = queue and not fresh and monotonic() - begun > STINT_S and run.active > 1
        if leaves and chosen is not None:
            core.put_back(chosen)
            chosen = None
        if dealing and not own:
            core.deal()
        if chosen is None:
            act = run.pause(helping=helping, over=core.done)
            tell = dealing and core.due is not None and not own
            give()
            value = None
            if act is not None:
                act()
            if tell:
                run.notify()
            if helping or run.over or own:
                return
            run.wait()
            if run.over:
                return
            i = n
            continue
        run.at = i = chosen
        arguments = slots[i]
        slots[i] = None
        act = None
        if run.spare and core.may_start and (worth is None or worth[i] or worth[core.head]):
            act = run.offer()
        tell = dealing and core.due is not None and not own
        if watch is not None and watch.begin(i, me):
            tell = True
        give()
        if act is not None:
            act()
        if tell:
            run.notify()
        fresh = False
        value = None
        try:
            if trace is None or i in tables.inner:  # the members of a part are noted by its call
                value = copy().run(*arguments)
            else:
                ident[i] = me
                start[i] = clock()
                try:
                    value = copy().run(*arguments)
                finally:
                    end[i] = clock()
        except BaseException as raised:
            arguments = None
            run.caught(i, raised, helping=helping)
            i = n
        arguments = None


def _next_own(core: Dispatch) -> int | None:
    core.deal()
    return core.take()
