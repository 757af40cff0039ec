"""What the engines look up while a program runs, computed once for a program and its rules.

Nodes are renumbered for the engine at hand: by rank for the plain one, whose queue then holds the numbers
themselves; as they are for the general one. A node's slots begin with what it calls, so that a node is run
by ``run(*slots)``, and what the DAG returns has slots like a node's, after the last one: a kept result is
pushed as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.engine import solo
from makespan.engine.pace import Pace
from makespan.preparing.parts import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from makespan.engine.executor import Trace
    from makespan.preparing.program import Program
    from makespan.rules import Rules

Link = tuple[int, int]
"""A consumer, and the slot of it that takes a value."""


class _PartSlots(Values):
    """Slots of a part, which is called with the list itself."""

    __slots__ = ("call",)

    call: Callable[..., Any]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.call, self))

    def copy(self) -> _PartSlots:
        """Return fresh slots."""
        made = _PartSlots(self[:])
        made.call = self.call
        return made


class _NotCome:
    """The type of what stands in place of a result that has not come."""


NOT_COME: Any = _NotCome()


class Tables:
    """Tables of one program for one engine.

    Attributes
    ----------
    plain : bool
        Whether they are for the plain engine.
    nodes : list of int, shape (n + 1,)
        The node of each number; -1 for what the DAG returns.
    calls : list of callable, shape (n + 1,)
    links : list of tuple of Link, shape (n + 1,)
        Where each node's result goes. A slot 0 (plain engine): it is the only argument, and all that the
        consumer waits for.
    orders : list of tuple of int, shape (n + 1,), or None
        Which numbers only wait for a node's end (plain engine); None: none does.
    parts : dict
        For numbers of nodes that return several results: the links of each of them.
    waiting : list of int, shape (n + 1,)
        How many links and orders lead to each number (plain engine).
    roots : list of int
        Numbers of the nodes that wait for nothing, sorted (plain engine).
    kept : list of int
        Nodes whose results are kept, in the order of the last slots.
    worth : list of bool, shape (n + 1,), or None
    pace : Pace
        How quick the runs were that looked things up here.
    """

    __slots__ = (
        "_changing",
        "_fresh",
        "_inputs",
        "_order",
        "calls",
        "inner",
        "kept",
        "links",
        "n",
        "nodes",
        "orders",
        "pace",
        "parts",
        "plain",
        "roots",
        "waiting",
        "worth",
    )

    def __init__(
        self, program: Program, rules: Rules, worth: Sequence[bool] | None = None, *, plain: bool
    ) -> None:
        n = self.n = len(program.calls)
        self.plain = plain
        self.pace = Pace(n)
        self._order: list[int] | None = None
        number = list(rules.rank_of) if plain else list(range(n))
        self.nodes = [*(rules.node_at if plain else range(n)), -1]
        vacant = rules.vacant
        kept: list[int] = []
        # Not 0, which is what a node calls: parts are counted from the end.
        offset = [-len(slots) if isinstance(slots, Values) else 1 for slots in program.templates]

        def moved(places: Sequence[Link], node: int, *, keep: bool) -> tuple[Link, ...]:
            links = [(number[c], slot + offset[c]) for c, slot in places if c not in vacant]
            if keep:
                kept.append(node)
                links.append((n, -len(kept)))
            return tuple(links)

        self.links: list[tuple[Link, ...]] = [()] * (n + 1)
        self.parts: dict[int, tuple[tuple[Link, ...], ...]] = {}
        slots: list[Any] = [()] * (n + 1)
        self.calls: list[Any] = [None] * (n + 1)
        for i in range(n):
            if i in vacant:
                continue
            k = number[i]
            self.calls[k] = program.calls[i]
            slots[k] = _slots_of(program.calls[i], program.templates[i])
            if i in program.scatter:
                self.parts[k] = tuple(
                    moved(places, node, keep=keep) for node, places, keep in program.scatter[i]
                )
            else:
                self.links[k] = moved(program.pushes[i], i, keep=program.keeps[i])
        slots[n] = [NOT_COME] * len(kept)
        self.kept = kept[::-1]
        self._fresh = slots
        self._inputs = [
            (name, tuple((number[c], slot + offset[c]) for c, slot in places if c not in vacant))
            for name, places in program.inputs.items()
        ]
        self.inner = {number[i]: make for i, make in program.inner.items() if i not in vacant}
        self.worth = None if worth is None else [worth[i] if i >= 0 else False for i in self.nodes]
        self.orders: list[tuple[int, ...]] | None = None
        self.waiting: list[int] = []
        self.roots: list[int] = []
        if plain:
            self._count(rules, number)
            self._shorten()
        self._changing = [(k, some) for k, some in enumerate(slots) if type(some) is not tuple]

    def _shorten(self) -> None:
        """Say by a slot 0 that a value is all that a node waits for and takes: it needs no slots before."""
        fresh, short = self._fresh, []
        for k, links in enumerate(self.links):
            changed = list(links)
            for at, (c, slot) in enumerate(links):
                if self.waiting[c] == 1 and slot == 1 and type(fresh[c]) is list and len(fresh[c]) == 2:
                    changed[at] = (c, 0)
                    short.append(c)
            self.links[k] = tuple(changed)
        for c in short:
            fresh[c] = ()

    def _count(self, rules: Rules, number: Sequence[int]) -> None:
        """Count what leads to each number: one for each link to it, and one where a node only waits."""
        n = self.n
        waiting = [0] * n
        orders: list[tuple[int, ...]] = [()] * (n + 1)
        for i, k in enumerate(number):
            links = self.links[k]
            for consumer, _ in links:
                if consumer != n:
                    waiting[consumer] += 1
            given = {consumer for consumer, _ in links}
            orders[k] = tuple(number[s] for s in rules.succs[i] if number[s] not in given)
            for consumer in orders[k]:
                waiting[consumer] += 1
        # Never ready: what the DAG returns is no node.
        self.waiting = [*waiting, len(self.kept) + 1]
        self.orders = orders if any(orders) else None
        self.roots = rules.roots  # ranks, sorted

    @property
    def order(self) -> list[int]:
        """The order in which a lone worker runs the nodes (plain engine)."""
        if self._order is None:
            self._order = solo.order_of(self)
        return self._order

    def slots(self, inputs: Mapping[str, Any], trace: Trace | None) -> list[Any]:
        """Return fresh slots for one run, inputs in place."""
        made = self._fresh.copy()
        for k, some in self._changing:
            made[k] = some.copy()
        for name, links in self._inputs:
            value = inputs[name]
            for consumer, slot in links:
                made[consumer][slot] = value
        if trace is not None:
            for k, make in self.inner.items():
                made[k].call = make(trace)
        return made

    def results(self, slots: list[Any], *, whole: bool) -> dict[int, Any]:
        """Return the kept results by node: all, or those that have come."""
        if not slots:
            return {}
        results = dict(zip(self.kept, slots[-1], strict=True))
        if whole:
            return results
        return {node: value for node, value in results.items() if value is not NOT_COME}


def _slots_of(call: Callable[..., Any], template: Sequence[Any]) -> Any:
    if isinstance(template, Values):
        made = _PartSlots()
        made += template[:]
        made.call = call
        return made
    return (call, *template) if type(template) is tuple else [call, *template]
