"""A plan for a loop of your own: ``graphlib.TopologicalSorter``'s protocol, in plan order.

::

    sorter = plan.sorter()                 # was: TopologicalSorter(graph)
    sorter.prepare()
    while sorter.is_active():
        for node in sorter.get_ready():    # was: all that is ready; now: what may start now, best first
            submit(node)
        sorter.done(finished.get())

``get_ready`` hands out no more nodes than the plan has threads, none whose lock or group is taken, and none
beside an exclusive one; so a loop that submits whatever it is given keeps to the plan. It drives the same
dispatch core as the runtime (`makespan.dispatch`), which holds the invariants.
"""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING, Any

from makespan.adapters.graphs import names_of
from makespan.dispatch import Dispatch, Rules
from makespan.errors import MakespanError, PlanError
from makespan.plan import checked_plan
from makespan.structure import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from makespan.plan import Plan
    from makespan.structure import Structure


class SorterError(MakespanError, ValueError):
    """The sorter is used out of turn: as graphlib's, it raises a ValueError."""


class Sorter:
    """Hands out the nodes of a plan as they may start; see `makespan.Plan.sorter`.

    It may be used from several threads. Nodes are the plan's names, or the keys of the `graph` given.

    Raises
    ------
    PlanError
        The plan cannot be followed, or is for another graph.
    """

    __slots__ = ("_core", "_keys", "_lock", "_number", "_out", "_rules", "_structure")

    def __init__(self, plan: Plan, graph: Mapping[Any, Iterable[Any]] | None = None) -> None:
        checked_plan(plan, "plan")
        self._structure = _structure(plan)
        names = self._structure.names
        self._keys: list[Any] = list(names) if graph is None else _fitted(plan, names, graph)
        self._number = {key: i for i, key in enumerate(self._keys)}
        number = {name: i for i, name in enumerate(names)}
        self._rules = Rules(
            self._structure,
            [node.rank for node in plan.nodes],
            plan.threads,
            [
                ([number[name] for name in group.nodes], group.limit)
                for group in plan.groups
                if group.reason != "exclusive"  # that is the nodes' own
            ],
        )
        self._core: Dispatch | None = None
        self._out: set[int] = set()
        self._lock = RLock()

    def prepare(self) -> None:
        """Begin. A second time it begins anew, when no node was handed out or all are done.

        Raises
        ------
        SorterError
            It is going on.
        """
        with self._lock:
            if self._core is not None and not self._core.done and self._core.left < self._rules.left:
                raise SorterError("cannot prepare() after iteration has started")
            if self._out:
                raise SorterError("cannot prepare() while nodes are handed out")
            self._core = Dispatch(self._rules, go_on=True)

    def get_ready(self) -> tuple[Any, ...]:
        """Hand out the nodes that may start now, the one to start first in front; each is handed out once.

        Raises
        ------
        SorterError
            `prepare` was not called.
        """
        with self._lock:
            core, found = self._running(), []
            while (i := core.next()) is not None:
                self._out.add(i)
                found.append(self._keys[i])
            return tuple(found)

    def done(self, *nodes: Any) -> None:
        """Say that nodes are done: what waited for them may start.

        Raises
        ------
        SorterError
            A node that is unknown, was not handed out, or is done already. Those before it are done.
        """
        with self._lock:
            core = self._running()
            for i in map(self._handed_out, nodes):
                core.finish(i)

    def failed(self, *nodes: Any) -> tuple[Any, ...]:
        """Say that nodes failed, and return what will not be handed out for want of their results.

        Raises
        ------
        SorterError
            As `done`.
        """
        with self._lock:
            core = self._running()
            return tuple(self._keys[lost] for i in map(self._handed_out, nodes) for lost in core.fail(i))

    def is_active(self) -> bool:
        """Say whether nodes are handed out or will be.

        Raises
        ------
        SorterError
            `prepare` was not called.
        """
        with self._lock:
            return not self._running().done

    def __bool__(self) -> bool:
        return self.is_active()

    def static_order(self) -> Iterator[Any]:
        """Yield all nodes in one order that the plan allows; instead of `prepare` and the rest."""
        self.prepare()
        while self.is_active():
            ready = self.get_ready()
            yield from ready
            self.done(*ready)

    def __repr__(self) -> str:
        return f"<Sorter of {len(self._keys)} nodes>"

    def _running(self) -> Dispatch:
        if self._core is None:
            raise SorterError("prepare() must be called first")
        return self._core

    def _handed_out(self, node: Any) -> int:
        i = self._number.get(node)
        if i is None:
            raise SorterError(f"node {node!r} is not in the plan")
        if i not in self._out:
            raise SorterError(f"node {node!r} was not handed out by get_ready(), or is done already")
        self._out.discard(i)
        return i


def _structure(plan: Plan) -> Structure:
    return build(
        [node.name for node in plan.nodes],
        [(*node.after, *node.starts_after) for node in plan.nodes],
        locks=[node.locks for node in plan.nodes],
        exclusive=[node.exclusive for node in plan.nodes],
    )


def _fitted(plan: Plan, names: tuple[str, ...], graph: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """Return the graph's key for each name, after checking that the plan is for this graph."""
    waits = {node: list(before) for node, before in graph.items()}
    for before in list(waits.values()):
        for p in before:
            waits.setdefault(p, [])
    name_of = names_of(waits)
    key_of = {name: key for key, name in name_of.items()}
    missing = sorted(key_of.keys() - set(names))
    surplus = sorted(set(names) - key_of.keys())
    if missing or surplus:
        what = f"it lacks {missing[0]!r}" if missing else f"it has {surplus[0]!r}, which the graph has not"
        raise PlanError(f"the plan is for another graph: {what}", where="plan", hint="plan again")
    for node in plan.nodes:
        now = sorted(name_of[p] for p in set(waits[key_of[node.name]]))
        if now != sorted(set(node.after)):
            raise PlanError(
                f"the plan is for another graph: {node.name!r} waited for {sorted(node.after)}, "
                f"and waits for {now} now",
                where="plan",
                hint="plan again",
            )
    return [key_of[name] for name in names]
