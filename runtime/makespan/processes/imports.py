"""What workers import before they are asked: the modules of the nodes that will run in them.

A new worker knows nothing but the standard library. The first node that it gets brings its module with it,
and that one pandas, say: seconds that belong to no node. A worker is therefore sent the functions themselves,
as they are pickled for a call, and reads them. What a function imports only when it runs is not known.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.processes import codec
from makespan.processes.faults import WorkerDied
from makespan.processes.ticket import Abandoned, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from makespan.processes.pool import Pool

_LARGEST = 1 << 16
"""Bytes of a function that is sent ahead: more are values bound to it, which may be needed only once."""


class Needed(NamedTuple):
    """The workers that a run will ask, and what of.

    Attributes
    ----------
    bound : mapping of int to tuple of bytes
        Functions, pickled, for the workers of these numbers.
    free : int
        So many others may well be asked at once.
    functions : tuple of bytes
        Any of which they may be asked for.
    """

    bound: Mapping[int, tuple[bytes, ...]]
    free: int
    functions: tuple[bytes, ...]


def pickled(functions: Iterable[Callable[..., Any]]) -> tuple[bytes, ...]:
    """Return functions as they are sent, each once; without those that cannot be, or hold much."""
    found: dict[bytes, None] = {}
    for fn in functions:
        try:
            stream, _ = codec.dumps(codec.named(fn), beside=False)
        except Exception:  # noqa: S112 (it was, or will be, said where it is called)
            continue
        if len(stream) <= _LARGEST:
            found[stream] = None
    return tuple(found)


def warm(pool: Pool, needed: Needed, timeout_s: float | None = None) -> float:
    """Start the workers, have all of them import at once, and return the seconds until they are ready.

    Nothing that a worker cannot import is told here: the node that needs it raises it. A worker that takes
    longer than the time limit is ended.

    Raises
    ------
    BaseException
        A worker cannot be started; what the initializer raised.
    KeyboardInterrupt
        Ctrl-C; workers that are not ready are ended.
    """
    began = time.monotonic()
    wanted = dict(needed.bound)
    wanted.update(dict.fromkeys(pool.numbers(frozenset(wanted), needed.free), needed.functions))
    ready = codec.dumps((int, (), {}))
    raised: list[BaseException] = []

    def one(number: int, functions: tuple[bytes, ...], ticket: Ticket) -> None:
        try:
            pool.call("warm", list(ready), number, ticket, ahead=functions)
        except (Abandoned, WorkerDied):
            pass  # a node that ends its worker by being imported does so in the run as well
        except BaseException as error:
            if not ticket.over:
                raised.append(error)

    tickets = [Ticket() for _ in wanted]
    threads = [
        threading.Thread(target=one, args=(*item, ticket), name="makespan-warm", daemon=True)
        for item, ticket in zip(wanted.items(), tickets, strict=True)
    ]
    begun: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            begun.append(thread)
        for thread in begun:
            left_s = None if timeout_s is None else max(0.0, began + timeout_s - time.monotonic())
            thread.join(left_s)
    finally:
        for thread, ticket in zip(begun, tickets, strict=False):
            if thread.is_alive():
                pool.kill(ticket)
        for thread in begun:
            thread.join()
    if raised:
        raise raised[0]
    return time.monotonic() - began
