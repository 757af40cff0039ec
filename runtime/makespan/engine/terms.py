"""On what terms a run goes, beside the rules of who may start when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Terms(NamedTuple):
    """How a program runs, beside the rules of who may start when.

    Attributes
    ----------
    timeout_s : float or None
        Of the whole run.
    timeouts_s : mapping of int to float
        Of nodes, by number: how long each attempt may take.
    go_on : bool
        After a failure everything that does not depend on the failed node goes on.
    coordinate : bool
        The calling thread runs no nodes (but those only it may run): it waits, and sees Ctrl-C and errors at
        once. For runs with long nodes; runs with timeouts do so anyway.
    worth : sequence of bool, shape (n,), or None
        By node number: whether it takes long enough to be worth a hand-off to another thread. None: all are.
    """

    timeout_s: float | None = None
    timeouts_s: Mapping[int, float] = {}
    go_on: bool = False
    coordinate: bool = False
    worth: Sequence[bool] | None = None


PLAIN_TERMS = Terms()
