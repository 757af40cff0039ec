"""A pipeline as every engine gets it: functions that take the results of others, locks, and a check.

::

    add.options(name="sum")(first["k"][0], [second], 3)
        ──▶  "sum": (Bound, ("first", "second")),  called as Bound(result of first, result of second)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.around.functions import declared
from makespan.describing.arguments import Ref, Tree, builder, follow, references, unpackable
from makespan.describing.inline import bind
from makespan.describing.placeholder import Unpacked
from makespan.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from makespan import DAG, Node

Nodes = dict[str, tuple["Callable[..., Any]", tuple[str, ...]]]
Groups = dict[str, tuple[str, ...]]


class Pipeline(NamedTuple):
    """A pipeline that can be run: what every engine gets."""

    name: str
    nodes: Nodes
    groups: Groups
    process_ok: tuple[str, ...] | None
    """None: what the DAG itself declares."""
    check: Callable[[Mapping[str, Any]], Any]
    dag: DAG[..., Any] | None = None
    args: tuple[Any, ...] = ()

    def locks(self) -> dict[str, tuple[str, ...]]:
        """Return the groups of each node, sorted, so that whoever takes several takes them in one order."""
        return {
            name: tuple(sorted(group for group, some in self.groups.items() if name in some))
            for name in self.nodes
        }


class Bound:
    """A node's call with everything bound but the results that it takes, in the order of its dependencies.

    `slots` are what goes into the arguments: a place among the results, or -1 and the input's value, each
    with the reference that says how to index it.
    """

    def __init__(
        self, name: str, fn: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], slots: list[_Slot]
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self._fn, self._args, self._kwargs, self._slots = fn, args, kwargs, slots

    def __call__(self, *results: Any) -> Any:
        """Call the function; results that it only waits for are left alone."""
        slots = [
            follow(results[slot.at] if slot.at >= 0 else slot.value, slot.ref.path, slot.ref.name)
            for slot in self._slots
        ]
        args = [make(slots) for make in self._args]
        return self._fn(*args, **{key: make(slots) for key, make in self._kwargs.items()})


class _Slot(NamedTuple):
    ref: Ref
    at: int
    value: Any


class Reading(dict[str, Any]):
    """Results that note which of them are read; all of them, once they are walked through."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        super().__init__(results)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a result, and note it."""
        self.read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self.read.update(dict.keys(self))
        return super().__iter__()

    def keys(self) -> Any:
        """Note all."""
        self.read.update(dict.keys(self))
        return super().keys()

    def values(self) -> Any:
        """Note all."""
        self.read.update(dict.keys(self))
        return super().values()

    def items(self) -> Any:
        """Note all."""
        self.read.update(dict.keys(self))
        return super().items()

    def __eq__(self, other: object) -> bool:
        self.read.update(dict.keys(self))
        return super().__eq__(other)

    __hash__ = None  # as that of any dict


def from_dag(dag: DAG[..., Any], args: Sequence[Any] = ()) -> tuple[Nodes, Groups]:
    """Return the nodes and groups of a makespan DAG, with its inputs bound, for engines of other libraries.

    Retries, set-up nodes and coroutines stay what they are. Conditions, caches and nodes that run alone
    (``exclusive``) have no counterpart in other engines.

    Raises
    ------
    TargetError
        The DAG has a node that no other engine could run.
    DescribeError
        An input is missing.
    """
    inputs = bind(dag, tuple(args), {})
    nodes: Nodes = {}
    groups: dict[str, list[str]] = {}
    taken = [value for its in dag.nodes.values() for value in (*its.args, *its.kwargs.values())]
    unpacked = {
        ref.name: key.of
        for ref in references(Tree(list, [*taken, dag.output]))
        for key in ref.path[:1]
        if type(key) is Unpacked
    }
    for number, (name, its) in enumerate(dag.nodes.items()):
        _refuse(dag, its)
        deps = its.depends_on
        refs = [ref for value in (*its.args, *its.kwargs.values()) for ref in references(value)]
        slots = [
            _Slot(ref, -1, inputs[ref.name]) if ref.is_input else _Slot(ref, deps.index(ref.name), None)
            for ref in refs
        ]
        left = iter(range(len(refs)))
        given = [builder(value, left) for value in its.args]
        keywords = {key: builder(value, left) for key, value in its.kwargs.items()}
        fn = declared(dag, number, its).fn
        if name in unpacked:
            fn = unpackable(fn, unpacked[name])
        nodes[name] = (Bound(name, fn, given, keywords, slots), deps)
        for lock in its.options.locks:
            groups.setdefault(lock, []).append(name)
    return nodes, {lock: tuple(some) for lock, some in groups.items()}


def _refuse(dag: DAG[..., Any], node: Node) -> None:
    options = node.options
    reasons = {
        "has a condition": node.when is not True,
        "runs alone": options.exclusive,
        "keeps results in a cache": options.cache is not None,
        "runs in the caller's thread": options.mode == "caller",
    }
    for reason, applies in reasons.items():
        if applies:
            raise TargetError(
                f"{node.name!r} {reason}: other engines cannot do that", where=node.place or dag.name
            )
