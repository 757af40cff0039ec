"""Set-up nodes: run once for a DAG object, their results kept for all its later runs.

::

    load (setup) ──▶ ┐
    url ──▶ fetch ──▶┴─▶ judge          the first run loads, all runs judge

What a set-up node takes must be the same in every run, so it takes constants and results of other set-up
nodes only. A failed one is not kept: the next run tries again. Several first runs at once set up once. The
results live as long as the DAG object, until it changes or they are forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.describing.arguments import references
from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from makespan.around.once import Once
    from makespan.describing.building import Node
    from makespan.graph import DAG


class Setups:
    """What the set-up nodes of one DAG object returned, by name."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[str, Once] = {}

    def of(self, name: str) -> Once:
        """Return the place for a node's result."""
        found = self._made.get(name)
        if found is None:
            from makespan.around.once import Once

            found = self._made.setdefault(name, Once())
        return found

    def __bool__(self) -> bool:
        return bool(self._made)

    def forget(self) -> None:
        """Drop all results; a run that is setting up now keeps its own, for itself."""
        self._made = {}


def set_up(setups: Setups, node: Node, dag: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls `fn` the first time only."""
    from makespan.around.once import CircleError

    name = node.name

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return setups.of(name).get(lambda: fn(*args, **kwargs))
        except CircleError:
            raise DescribeError(
                f"the set-up node {name!r} runs the DAG {dag!r}, whose runs need what it makes",
                where=node.place,
                hint="let it run another DAG, or none",
            ) from None

    return call


def refuse_dependent(nodes: Iterable[Node], by_name: dict[str, Node]) -> None:
    """Refuse set-up nodes that depend on what may differ from run to run.

    Raises
    ------
    DescribeError
        With both names.
    """
    for node in nodes:
        if not node.options.setup:
            continue
        values = (*node.args, *node.kwargs.values(), node.when)
        its_inputs = [ref.name for value in values for ref in references(value) if ref.is_input]
        others = [name for name in node.depends_on if not by_name[name].options.setup]
        if its_inputs or others:
            what = f"the input {its_inputs[0]!r}" if its_inputs else f"{others[0]!r}, which is none"
            raise DescribeError(
                f"the set-up node {node.name!r} depends on {what}",
                where=node.place,
                hint="its result is kept for all runs: it takes constants and results of set-up nodes only",
            )


def run_setup(dag: DAG[..., Any]) -> None:
    """Run what was not set up yet; see `DAG.setup`."""
    wanted = [name for name, node in dag.nodes.items() if node.options.setup]
    if wanted:
        from makespan.engine.failure import raise_failures
        from makespan.preparing.making import prepare
        from makespan.preparing.settings import Settings

        prepared = prepare(dag, None, None, Settings(targets=tuple(wanted)))
        execution = prepared.execution(dict.fromkeys(dag.inputs))  # set-up nodes take none
        execution.run()
        if execution.failures:
            raise_failures(prepared.program, execution.failures)
