"""A thread that waits for a coroutine, and works meanwhile for the runs which that coroutine awaits.

::

    the node's thread      result ──▶ waits ┄┄ works for a run ┄┄ waits ┄┄▶ returns
                              │                    ▲                 ▲
    an event loop             └──▶ await fn(…): await dag.arun() ┄┄ ─┘

Invariant: whatever becomes of the coroutine and its loop, the thread is told, once.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.around.once import computing
from makespan.awaiting.stacks import lines_of
from makespan.engine.cancelling import canceller, elsewhere, inside
from makespan.engine.crew import crew

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

    from makespan.awaiting.coroutines import Home
    from makespan.engine.crew import Work

_LOOK_S = 1.0
"""How often a waiting thread looks whether the loop is closed: then nobody will tell it."""
_FAREWELL_S = 0.5
"""How long Ctrl-C waits for the ``finally`` blocks of a coroutine."""
_CLOSED = "the event loop was closed before the coroutine came to its end"

_waiting: ContextVar[Waiting | None] = ContextVar("makespan_waiting", default=None)
"""The coroutine node in which this context was made."""


def waiting_here() -> Waiting | None:
    """Return the coroutine node whose thread works for what is run here; None in nodes, which it may run."""
    waiting = _waiting.get()
    return waiting if waiting is not None and inside.get() is waiting.inside else None


class Waiting:
    """One call of a coroutine function.

    Parameters
    ----------
    fn, args, kwargs
        What is called and awaited on the loop's thread.
    loop, loop_thread
        An event loop, and the thread that runs it.
    home : Home, optional
        The run that is awaited on this loop, if one is: it knows the tasks that it must await.

    Attributes
    ----------
    over : bool
        The coroutine has come to its end.
    """

    __slots__ = (
        "_at",
        "_call",
        "_cancelled",
        "_error",
        "_home",
        "_lock",
        "_loop",
        "_lost",
        "_task",
        "_tell",
        "_value",
        "_works",
        "inside",
        "loop_thread",
        "over",
    )

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        loop_thread: int,
        home: Home | None = None,
    ) -> None:
        self._call: Any = (fn, args, kwargs)
        self._loop = loop
        self.loop_thread = loop_thread
        self.inside = inside.get()
        self._home = home
        self._cancelled = self.over = False
        self._error: BaseException | None = None
        self._value: Any = None
        self._task: asyncio.Task[None] | None = None
        self._lock = allocate_lock()
        self._tell = allocate_lock()
        self._tell.acquire()
        self._works: deque[Work] = deque()
        self._at: Work | None = None
        self._lost = False

    # -- in the node's thread ------------------------------------------------------------------------------

    def result(self, context: Context) -> Any:
        """Have it awaited in a context, wait for it, and return its value or raise its exception."""
        context.run(_waiting.set, self)
        with canceller(self.cancel):
            me = get_ident()
            around = elsewhere.get(me)
            elsewhere[me] = self._stack
            for_these = computing()
            for one in for_these:
                one.on_loops.append(self)
            try:
                # From here on the coroutine may run: Ctrl-C must not find this thread outside of the block.
                self._loop.call_soon_threadsafe(self._begin, context=context)
                del context
                self._wait()
            except BaseException:  # Ctrl-C
                self.cancel()
                self._say_farewell()
                raise
            finally:
                for one in for_these:
                    one.on_loops.remove(self)
                if around is None:
                    del elsewhere[me]
                else:
                    elsewhere[me] = around
            error, self._error = self._error, None
            value, self._value = self._value, None
            if error is None:
                return value
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    def _wait(self) -> None:
        """Wait for the end, and work meanwhile for the runs that the coroutine awaits."""
        while True:
            with self._lock:
                if self.over:
                    break
                self._at = work = self._works.popleft() if self._works else None
                self._lost = False
                if work is not None:
                    work.wanted = False
            if work is not None:
                work.help()
                del work
            elif not self._is_told() and self._loop.is_closed():
                self._give_up()
        self._pass_on()

    def _is_told(self) -> bool:
        aside = crew.step_aside()
        try:
            return self._tell.acquire(timeout=_LOOK_S)
        finally:
            if aside:
                crew.step_back()

    def _say_farewell(self) -> None:
        """Let a cancelled coroutine run its ``finally`` blocks, for a moment."""
        until = monotonic() + _FAREWELL_S
        while not self.over and (left := until - monotonic()) > 0:
            self._tell.acquire(timeout=left)
        self._end()
        self._pass_on()

    def _stack(self) -> str:
        """Return where the coroutine waits."""
        task = self._task
        return "" if task is None else lines_of(task.get_coro())

    def _pass_on(self) -> None:
        """Hand runs that this thread cannot work for to the helpers of all runs."""
        while True:
            with self._lock:
                if not self._works:
                    return
                work = self._works.popleft()
                work.wanted = False
            if not crew.call(work, must=True):
                crew.call(work)

    # -- in any thread: what `makespan.engine.crew.Crew` is to other runs ---------------------------------

    def reserve(self, helpers: int) -> None:
        """Allow for helpers, should the run outlive the coroutine."""
        crew.reserve(helpers)

    def call(self, work: Work, *, must: bool = False) -> bool:
        """Have the waiting thread work for a run that the coroutine awaits."""
        with self._lock:
            if not self.over and not self._lost:
                if not work.wanted:
                    work.wanted = True
                    self._works.append(work)
                self._wake()
                return True
        return crew.call(work, must=must)

    def withdraw(self, work: Work) -> None:
        """Forget a run that is over."""
        with self._lock:
            if work in self._works:
                self._works.remove(work)
                work.wanted = False
                return
        crew.withdraw(work)

    def write_off(self, work: Work) -> None:
        """Do not wait for a node of an abandoned run: others work for what the coroutine awaits next."""
        crew.write_off(work)
        with self._lock:
            if self._at is not work:
                return
            self._lost = True
        self._pass_on()

    def cancel(self) -> None:
        """Cancel the coroutine."""
        if self._home is not None and self._home.ident == get_ident():
            self._cancel()  # at once: it may not have begun
            return
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # it is closed
            self._give_up()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # it is told already
            self._tell.release()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            self._wake()

    def _give_up(self) -> None:
        """Give up: the loop is closed, and will never tell."""
        with self._lock:
            if not self.over:
                self._error, self.over = RuntimeError(_CLOSED), True
                self._wake()

    # -- on the event loop ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        home = self._home
        if self._cancelled or (home is not None and home.over):
            self._call = None
            self._end_cancelled()
            return
        self._task = self._loop.create_task(self._main())
        self._task.add_done_callback(self._done)
        if home is not None:
            home.tasks.add(self._task)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def _main(self) -> None:
        fn, args, kwargs = self._call
        self._call = None
        try:
            coroutine = fn(*args, **kwargs)
            del fn, args, kwargs
            self._value = await coroutine
        except GeneratorExit:  # the loop was closed before its end
            self._error = RuntimeError(_CLOSED)
            raise
        except BaseException as error:  # also SystemExit, which would end the loop
            self._error = error
        finally:
            self._end()

    def _done(self, task: asyncio.Task[None]) -> None:
        if self._home is not None:
            self._home.tasks.discard(task)
        self._task = None
        if not self.over:
            self._end_cancelled()  # before it began

    def _end_cancelled(self) -> None:
        from asyncio import CancelledError

        self._error = CancelledError()
        self._end()
