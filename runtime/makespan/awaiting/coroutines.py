"""Coroutine functions as nodes: called and awaited on an event loop while the node's thread waits for them.

::

    the node's thread      call ──▶ waits ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄▶ returns
    an event loop                    └──▶ await fn(…) ──┘

Which loop: that of the caller under `DAG.arun` and `DAG.acall`; else one of our own
(`makespan.awaiting.loop_thread`), also when the caller's thread runs a loop itself, as in a notebook, because
that one is blocked meanwhile. While a DAG is profiled: one in the node's own thread, so that what the
coroutine does there is measured. In a run that is measured as it goes, the node's thread is blocked, and what
the loop does for it is not seen.

The waiting thread is the node's place in the budget. A DAG that the coroutine awaits therefore runs on that
thread, which has nothing else to do: the budget holds at any depth, and nothing waits for a thread that is
not there.

A plain function that returns an awaitable is a plain function: what it returns is handed on as it is.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from makespan.awaiting.waiting import Waiting
from makespan.engine.cancelling import waited_by

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Home:
    """The event loop on which a run is awaited; made on its thread.

    Attributes
    ----------
    below : int
        Which of our own loops is used by sync runs that block this one.
    tasks : set of tasks
        Coroutine nodes that are on it now; looked at in the loop's thread only.
    over : bool
        The run has ended: nothing begins on the loop any more.
    """

    __slots__ = ("below", "ident", "loop", "over", "tasks")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.below = _number(_place.get())
        self.ident = get_ident()
        self.loop = loop
        self.over = False
        self.tasks: set[asyncio.Task[None]] = set()


class _Here:
    """Event loops in the nodes' own threads, while a DAG is profiled."""

    def __init__(self) -> None:
        self.below = _number(_place.get())
        self.runners: dict[int, asyncio.Runner] = {}

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import asyncio

        runner = self.runners.get(get_ident())
        if runner is None:  # with a factory: the thread's own event loop, if it has one, is left alone
            runner = self.runners[get_ident()] = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        return runner.run(_made_and_awaited(fn, args, kwargs), context=copy_context())

    def close(self) -> None:
        """Close them in a thread of its own: this one may run a loop."""
        if self.runners:
            from threading import Thread

            closing = Thread(target=self._close_all)
            closing.start()
            closing.join()

    def _close_all(self) -> None:
        for runner in self.runners.values():
            runner.close()


_place: ContextVar[int | Home | _Here] = ContextVar("makespan_loop", default=0)
"""Where coroutine nodes of this context are awaited; a number: on that one of our own loops."""


def awaited(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function that calls a coroutine function, waits for it, and returns what it returns."""
    import asyncio  # noqa: F401 (its import takes longer than many a run: here it is no node's time)

    def call(*args: Any, **kwargs: Any) -> Any:
        place = _place.get()
        if type(place) is _Here and not _runs_a_loop():
            return place.run(fn, args, kwargs)
        home, loop, thread, below = _found(place)
        if loop is None:
            from asyncio import run

            return run(_made_and_awaited(fn, args, kwargs))
        waiting = Waiting(fn, args, kwargs, loop, thread, home)
        del args, kwargs
        context = copy_context()
        context.run(_place.set, below)
        return waiting.result(context)

    return call


class in_own_threads:  # noqa: N801 (used like a function)
    """Await coroutine nodes in the threads that call them, on event loops that last as long as this.

    No generator: those set attributes of what is raised, and not every exception takes them.
    """

    __slots__ = ("_here", "_token")

    def __enter__(self) -> None:
        self._here = _Here()
        self._token = _place.set(self._here)

    def __exit__(self, *_: object) -> None:
        _place.reset(self._token)
        self._here.close()


def at_home(home: Home, make: Callable[..., Any], *args: Any) -> Any:
    """Call ``make(*args)`` in a copy of this context in which coroutine nodes are awaited on `home`."""
    context = copy_context()
    context.run(_place.set, home)
    return context.run(make, *args)


def off_home(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that blocks the event loop of the run: what it runs itself is awaited elsewhere."""

    def call(*args: Any, **kwargs: Any) -> Any:
        place = _place.get()
        if type(place) is Home:
            _place.set(place.below)  # in the node's own context
        return fn(*args, **kwargs)

    return call


def _found(place: int | Home | _Here) -> tuple[Home | None, asyncio.AbstractEventLoop | None, int, int]:
    """Choose the loop; return it, its thread, and which of our own is used by sync runs that block it."""
    blocked = waited_by()
    if type(place) is Home and not place.over and place.ident not in blocked:
        return place, place.loop, place.ident, place.below
    from makespan.awaiting.loop_thread import own_loop

    number = _number(place)
    try:
        own = own_loop(number)
        while own.thread.ident in blocked:  # a context of another place came with a callback
            number += 1
            own = own_loop(number)
        return None, own.loop, own.thread.ident or 0, number + 1
    except RuntimeError:  # the interpreter is about to end, and no thread begins any more
        if _runs_a_loop():
            raise
        return None, None, 0, 0


def _number(place: int | Home | _Here) -> int:
    """Return which of our own loops is not waited for by anything around this place."""
    return place if isinstance(place, int) else place.below


async def _made_and_awaited(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await fn(*args, **kwargs)


def _runs_a_loop() -> bool:
    """Say whether this thread runs an event loop."""
    module = sys.modules.get("asyncio.events")
    return module is not None and module._get_running_loop() is not None  # noqa: SLF001
