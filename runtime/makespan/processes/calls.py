"""A node's function, called in a worker process: what stands in its place while a DAG runs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from makespan.around.native_limits import child_environment, limit
from makespan.engine.cancelling import canceller
from makespan.engine.executor import tracing
from makespan.processes import codec
from makespan.processes.faults import WorkerError
from makespan.processes.pool import pool
from makespan.processes.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Limited:
    """A function with so many native threads, in a worker: also in the programs that it starts."""

    __slots__ = ("fn", "threads")

    def __init__(self, fn: Callable[..., Any], threads: int) -> None:
        self.fn = codec.named(fn)
        self.threads = threads

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        with _environment(child_environment(self.threads)), limit(self.threads):
            return self.fn(*args, **kwargs)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class ProcessCall:
    """Calls a function in a worker process, and waits for it.

    Parameters
    ----------
    fn : callable
    name : str
        Of the node.
    node : int
    worker : int or None
        The worker that it is bound to.
    native_threads : int or None
    others : frozenset of int
        Workers that others are bound to.
    """

    __slots__ = ("_fn", "_others", "_sent", "name", "node", "worker")

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        node: int,
        worker: int | None,
        native_threads: int | None,
        others: frozenset[int] = frozenset(),
    ) -> None:
        self._fn = fn
        self._sent = Limited(fn, native_threads) if native_threads is not None else codec.named(fn)
        self.name = name
        self.node = node
        self.worker = worker
        self._others = others

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Send the call to a worker and return its result.

        Raises
        ------
        WorkerError
            An argument cannot be sent; the worker died; what came of the call cannot be sent back.
        BaseException
            What the function raised.
        """
        try:
            parcel = [*codec.dumps((self._sent, args, kwargs))]
        except Exception as error:
            raise WorkerError(self.name, self._unsendable(args, kwargs, error)) from error
        del args, kwargs
        ticket = Ticket()
        try:
            with canceller(lambda: pool.kill(ticket)):
                return pool.call(self.name, parcel, self.worker, ticket, bound=self._others)
        finally:
            if (trace := tracing.get()) is not None and ticket.number >= 0:
                trace.process[self.node] = ticket.number

    def _unsendable(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception) -> str:
        given: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
        for key, value in given:
            if fault := codec.fault_of(value):
                its = f"{argument(self._fn, key)} ({codec.kind(value)})"
                return f"{its} cannot be sent to a worker process: {fault}"
        return f"it cannot be sent to a worker process: {codec.told(error)}"


def argument(fn: Callable[..., Any], key: int | str) -> str:
    """Return how an argument is called: by its name, or by its place."""
    if isinstance(key, int):
        code = getattr(fn, "__code__", None)
        if code is None or key >= code.co_argcount:
            return f"argument {key + 1}"
        key = code.co_varnames[key]
    return f"argument {key!r}"
