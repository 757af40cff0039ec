"""Runs that are awaited: helpers do the work, and the event loop goes on meanwhile.

::

    the loop's thread    acall ──▶ start ┄┄┄┄ tend ┄┄┄┄┄┄┄┄┄ tend: over ──▶ the result
                                     │          ▲ notify         ▲
    helper threads                   └──▶ nodes, as many as the budget allows

The loop's thread runs only what must be there: ``caller`` nodes (they block it), and coroutine nodes, which
are tasks of the loop. An `asyncio` loop of any make is fine: only its public methods are called.

Cancelled (also by `asyncio.timeout`, or by a `TaskGroup`), a run starts nothing any more. Its coroutine nodes
are cancelled and awaited, its worker processes are killed; threads cannot be ended: what runs in them comes
to its end unseen, and its results are dropped.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from makespan.around.runlog import begins, ends
from makespan.awaiting.coroutines import Home, at_home
from makespan.awaiting.waiting import waiting_here
from makespan.describing.inline import bind

if TYPE_CHECKING:
    from makespan.engine.executor import Execution
    from makespan.preparing.prepared import Prepared
    from makespan.run import Run
    from makespan.showing.live.view import View
    from makespan_optimizer.measure.sampling.watch import SamplerName


class Tending:
    """What looks after a run on an event loop: whenever a helper says so, and when time is up."""

    __slots__ = ("_error", "_execution", "_home", "_loop", "_over", "_timer", "_told")

    def __init__(self, execution: Execution, home: Home) -> None:
        self._execution: Execution | None = execution
        self._home = home
        self._loop = home.loop
        self._over: asyncio.Future[None] = home.loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self._told = False

    async def to_the_end(self) -> None:
        """Run to the end.

        Raises
        ------
        CancelledError
            The task was cancelled. So were the run's coroutine nodes, and they have ended.
        TimeoutError
            The run's time is up; the same holds.
        KeyboardInterrupt
            Ctrl-C came while this thread ran a node.
        """
        execution = self._execution
        assert execution is not None, "a run runs once"
        try:
            execution.start(self._notify, waiting_here())
            self._tend()
            await self._over
            self._raise_error()
        except BaseException as error:
            self._home.over = True
            execution.abandon(error)
            if not isinstance(error, GeneratorExit):  # then the loop is gone, and nothing can be awaited
                await self._tasks_end()
            raise
        else:
            self._home.over = True
            await self._tasks_end()
        finally:
            self._execution = None
            self._stop_timer()

    def _notify(self) -> None:
        """Have the loop's thread look; called in any thread."""
        if not self._told:
            self._told = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._tend)

    def _tend(self) -> None:
        self._told = False  # first: what is told from now on is looked at again
        self._stop_timer()
        execution = self._execution
        if execution is None or self._over.done():
            return
        try:
            wait_s = execution.tend()
        except BaseException as error:  # the run's time is up; Ctrl-C in a node that this thread runs
            self._error = error  # not the future's: that would complain when nobody comes to ask for it
            self._is_over()
            return
        if execution.over:
            self._is_over()
        elif wait_s is not None:
            self._timer = self._loop.call_later(wait_s, self._tend)

    def _is_over(self) -> None:
        with suppress(asyncio.InvalidStateError):  # cancelled a moment ago, by a signal's handler
            self._over.set_result(None)

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback holds this frame

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _tasks_end(self) -> None:
        """Wait for the coroutine nodes that are left; there are some only when the run ended early."""
        while self._home.tasks:
            await asyncio.wait(self._home.tasks)


async def acall(prepared: Prepared, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run, and return the DAG's result; see `Prepared.acall`."""
    inputs = bind(prepared.dag, args, kwargs)
    home = Home(asyncio.get_running_loop())
    execution = at_home(home, prepared.by_threads, inputs)
    logged = begins(prepared)
    try:
        await Tending(execution, home).to_the_end()
    except BaseException as error:
        ends(prepared, logged, execution.failures, error)
        raise
    ends(prepared, logged, execution.failures)
    if execution.failures:
        from makespan.engine.failure import raise_failures

        raise_failures(prepared.program, execution.failures)
    return prepared.program.output(execution.kept, inputs)


async def arun(
    prepared: Prepared,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    measure: bool = False,
    sampler: SamplerName | None = None,
    view: View | None = None,
) -> Run:
    """Run with tracing, and return the `Run`; see `Prepared.arun`."""
    from makespan.engine.recording import Recording

    recording = Recording(prepared, args, kwargs, measure=measure, sampler=sampler, view=view)
    try:
        home = Home(asyncio.get_running_loop())
        execution = at_home(home, lambda: recording.begin(coordinated=True))
        try:
            await Tending(execution, home).to_the_end()
        except (KeyboardInterrupt, TimeoutError) as error:
            recording.stopped(error)
        return recording.end()
    finally:
        recording.close()
