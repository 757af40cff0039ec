"""Event loops of our own, each in a daemon thread, for coroutine nodes of runs that no event loop awaits.

::

    a sync run ──▶ loop 0 ── a coroutine node that runs a DAG, blocking loop 0 ──▶ loop 1 ── …

All runs share them. A thread is started when it is first needed; at the end of the process its tasks are
cancelled and its loop is closed; after a fork the child begins without any. That nothing waits for itself
follows from the numbers: what a coroutine on loop k runs and waits for, runs on loops above k.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from typing import Any

STOP_S = 1.0
"""How long the end of the process waits for coroutines that do not heed their cancellation."""


class LoopThread:
    """An event loop and the thread that runs it."""

    __slots__ = ("_stopping", "loop", "thread")

    def __init__(self, name: str) -> None:
        self._stopping = False
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self.thread.start()
        except Exception:  # no thread is to be had
            self.loop.close()
            raise
        except BaseException:  # Ctrl-C: nobody knows whether the thread has begun. If so, it closes the loop.
            self._stopping = True
            self.loop.call_soon_threadsafe(self.loop.stop)
            raise

    def stop(self) -> None:
        """Cancel what runs on it, and end it; waits a moment for that."""
        try:
            self.loop.call_soon_threadsafe(self._stop)
        except RuntimeError:  # it is closed
            return
        self.thread.join(STOP_S)

    def _stop(self) -> None:
        self._stopping = True
        self.loop.stop()

    def _run(self) -> None:
        loop = self.loop
        asyncio.set_event_loop(loop)
        try:
            while not self._stopping:
                try:
                    loop.run_forever()
                except BaseException as error:  # SystemExit in a task of the user's own: others go on
                    loop.call_exception_handler(
                        {"message": "a task ended its event loop", "exception": error}
                    )
            _finish(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left, and let it run its ``finally`` blocks."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())


_threads: list[LoopThread] = []
_lock = threading.Lock()
_left_by_fork: list[Any] = []
"""Loops of the parent: closing them here would disturb it, and forgetting them would warn of it."""


def own_loop(number: int) -> LoopThread:
    """Return our loop of that number, running, and its thread.

    Raises
    ------
    RuntimeError
        No thread can be started any more.
    """
    try:
        return _threads[number]
    except IndexError:
        pass
    with _lock:
        while len(_threads) <= number:
            k = len(_threads)
            if not k:
                atexit.register(_stop_all)
            _threads.append(LoopThread("makespan-loop" if not k else f"makespan-loop-{k + 1}"))
        return _threads[number]


def _stop_all() -> None:
    """End all of them, the deepest first: what it works on is waited for by those above."""
    with _lock:
        ended = _threads.copy()
        _threads.clear()
    for one in reversed(ended):
        one.stop()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 (it may be held by a thread that is not here)
    _lock = threading.Lock()
    _left_by_fork.extend(_threads)
    _threads.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
