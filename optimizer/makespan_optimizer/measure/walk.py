"""One walk over a DAG for the sake of measuring: step after step in the calling thread.

A step is a tuple of nodes, in most walks one. Whoever measures is handed the work of a step (functions with
their arguments), does it as it likes, and returns an outcome for each node. Values live as long as in a real
run, and are dropped after their last use; every node is called once in a walk, whatever is measured, so a
node that changes its arguments does no harm.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.engine.executor import _inside
from makespan.engine.failure import raise_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from makespan.preparing.program import Program


class Work(NamedTuple):
    """A node to be called: ``fn(*args)``, in a context of its own."""

    node: int
    fn: Callable[..., Any]
    args: Sequence[Any]


class Outcome(NamedTuple):
    """What became of it: a value or an exception."""

    value: Any
    error: BaseException | None = None


def walk(
    program: Program,
    inputs: Mapping[str, Any],
    do: Callable[[list[Work]], Sequence[Outcome]],
    *,
    steps: Iterable[Sequence[int]] | None = None,
    only: Collection[int] | None = None,
) -> None:
    """Call every node of a DAG once.

    Parameters
    ----------
    program : Program
    inputs : mapping
        A value for each input.
    do : callable
        Gets the work of a step, returns its outcomes in the same order.
    steps : iterable of sequences of int, optional
        Groups of nodes in an order in which all inputs of a step are made by steps before it; by default one
        node at a time in topological order.
    only : collection of int, optional
        Call these nodes alone; it holds all predecessors of each of its members.

    Raises
    ------
    Exception
        A node raised: its own exception, with a note that names the node; a group when several did.
    """
    context = copy_context()
    context.run(_inside.set, True)  # a DAG that a node calls runs on that node's thread alone
    slots = program.slots(inputs)
    if steps is None:
        steps = ((i,) for i in program.structure.order)
    for step in steps:
        works: list[Work] = []
        for i in step:
            if only is None or i in only:
                works.append(Work(i, _in_context(context.copy().run, program.calls[i]), slots[i]))
                slots[i] = None
        if not works:
            continue
        numbers = [work.node for work in works]
        outcomes = do(works)
        del works
        ended = list(zip(numbers, outcomes, strict=True))
        failures = [(i, outcome.error) for i, outcome in ended if outcome.error is not None]
        if failures:
            slots.clear()
            del outcomes, ended
            raise_failures(program, failures)
        for i, outcome in ended:
            for consumer, slot in program.pushes[i]:
                if only is None or consumer in only:
                    slots[consumer][slot] = outcome.value
        del outcomes, ended, outcome


def _in_context(run: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return run(fn, *args)

    return call


def ancestors(program: Program, nodes: Iterable[int]) -> frozenset[int]:
    """Return the nodes and everything that they need, directly or not."""
    found: set[int] = set()
    left = list(nodes)
    while left:
        i = left.pop()
        if i not in found:
            found.add(i)
            left.extend(program.structure.preds[i])
    return frozenset(found)
