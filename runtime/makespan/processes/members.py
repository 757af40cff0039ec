"""What a cluster does in its worker: its members one after the other, values between them staying there."""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import Any, NamedTuple

from makespan.engine.failure import InMember
from makespan.processes import worker

GIVEN, RESULT, CONSTANT = range(3)


class Step(NamedTuple):
    """One member: ``call(*arguments)``.

    Attributes
    ----------
    node : int
    call : callable
    arguments : tuple of (int, Any)
        `GIVEN` with a position among the values from outside, `RESULT` with that of an earlier step,
        `CONSTANT` with the value.
    given, results : tuple of int
        What no later step needs: values from outside, and results.
    """

    node: int
    call: Any
    arguments: tuple[tuple[int, Any], ...]
    given: tuple[int, ...]
    results: tuple[int, ...]


def run_steps(steps: tuple[Step, ...], outside: tuple[int, ...], values: list[Any]) -> tuple[Any, ...]:
    """Run them, telling which one is on, and return the results that are needed outside.

    Raises
    ------
    InMember
        One raised.
    """
    found: list[Any] = []
    sources = (values, found)
    for step in steps:
        worker.say_member(step.node, time.perf_counter_ns())
        try:
            arguments = [
                value if source == CONSTANT else sources[source][value] for source, value in step.arguments
            ]
            for i in step.given:
                values[i] = None
            for i in step.results:
                found[i] = None
            found.append(copy_context().run(step.call, *arguments))
            del arguments
        except BaseException as error:
            raise InMember(step.node, error) from None
    worker.say_member(-1, time.perf_counter_ns())
    return tuple(found[i] for i in outside)
