"""What a Tawazi DAG holds, read once: which of its nodes run, and what each use of a result means.

::

    results      constants, defaults of inputs, results of set-up nodes that have run: values
    ArgExecNode  an input of the DAG, or a constant; never work
    stub         ``lambda x: x``, one for each argument of a sub-DAG: seen through, unless it is conditional
    the others   work, except debug nodes while Tawazi does not run them

Only public attributes of 0.6.2 are read. A `UsageExecNode` (a node's id and the keys it is indexed with)
is never compared: ``==`` on it would describe a node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from makespan.adapters.handles import find_handle
from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Mapping

SEPARATOR = ">!>"


class Constant(NamedTuple):
    """A use of a value that is known before anything runs."""

    value: Any


class Use(NamedTuple):
    """A use of a node's result, or of an input of the DAG."""

    id: str
    keys: tuple[Any, ...] = ()
    is_input: bool = False


class Reading:
    """A Tawazi DAG, and what is known of it.

    Attributes
    ----------
    work : dict of str to ExecNode
        What runs, by id, in the DAG's own order.
    """

    def __init__(self, dag: Any, *, debug: bool | None = None) -> None:
        from tawazi import cfg
        from tawazi._dag.dag import BaseDAG
        from tawazi.node import ArgExecNode, ExecNode, UsageExecNode
        from tawazi.node.node import ReturnExecNode

        self.dag = dag
        self.xns: Mapping[str, Any] = dag.exec_nodes
        self.values: Mapping[str, Any] = dag.results
        self.inputs = [uxn.id for uxn in dag.input_uxns]
        self._handle = UsageExecNode
        self._clean: set[int] = set()
        self._shut = (BaseDAG, ExecNode)
        self._not_work = (ArgExecNode, ReturnExecNode)
        runs_debug = bool(cfg.RUN_DEBUG_NODES) if debug is None else debug
        self.left_out = frozenset(i for i, xn in self.xns.items() if xn.debug and not runs_debug)
        self.work = {i: xn for i, xn in self.xns.items() if self._is_work(i, xn)}

    def _is_work(self, id_: str, xn: Any) -> bool:
        if isinstance(xn, self._not_work) or id_ in self.left_out or id_ in self.inputs:
            return False
        if id_ in self.values and not xn.setup:
            return False
        return not (is_stub(xn) and xn.active is None)

    def use(self, uxn: Any, where: str, place: str | None) -> Constant | Use:
        """Say what a use of a result means.

        Raises
        ------
        DescribeError
            It cannot be known: no such node, no value, an index that is itself a result.
        """
        id_, keys = uxn.id, tuple(uxn.key)
        if (found := self.handle_in(keys)) is not None:
            _refuse(
                f"{where} indexes {id_!r} with the result of {found.id!r}, which Tawazi does not wait for",
                place,
                "index inside a node",
            )
        while True:
            if id_ in self.inputs:
                return Use(id_, keys, is_input=True)
            xn = self.xns.get(id_)
            if id_ in self.work:
                return Use(id_, keys)
            if id_ in self.values:
                return Constant(self._indexed(id_, keys, where, place))
            if id_ in self.left_out:  # only what the DAG returns, and other debug nodes, may ask for it
                return Constant(None)
            if xn is not None and is_stub(xn):
                inner = xn.args[0]
                id_, keys = inner.id, (*inner.key, *keys)
                continue
            if xn is None:
                _refuse(f"{where} takes the result of {id_!r}, which is not in the DAG", place)
            argument = id_.rpartition(SEPARATOR)[2]
            _refuse(f"{where} takes {argument!r}, which is given no value ({id_!r})", place)

    def _indexed(self, id_: str, keys: tuple[Any, ...], where: str, place: str | None) -> Any:
        value = self.values[id_]
        known = id(value) in self._clean  # one large constant may go to many nodes
        if not known and (found := self.handle_in(value)) is not None:
            _refuse(
                f"{where} takes a {type(value).__name__} that holds the result of {found.id!r}: Tawazi hands "
                "it over with a handle in place of the result, and does not wait for it",
                place,
                "hand each result over as an argument of its own, or describe the DAG with makespan's @dag, "
                "which sees results inside lists, tuples and dicts",
            )
        self._clean.add(id(value))
        try:
            for key in keys:
                value = value[key]
        except Exception as error:
            _refuse(
                f"{where} indexes the constant {id_!r}, and that raises {type(error).__name__}: {error}",
                place,
            )
        return value

    def handle_in(self, value: Any) -> Any:
        """Return a handle inside a value, or None."""
        return find_handle(value, (self._handle,), self._shut)

    def waits_for(self, id_: str) -> set[str]:
        """Return the work that Tawazi itself waits for before it runs a node, by its own graph."""
        found: set[str] = set()
        left = list(self.dag.graph_ids.predecessors(id_))
        seen: set[str] = set()
        while left:
            before = left.pop()
            if before in seen:
                continue
            seen.add(before)
            if before in self.work:
                found.add(before)
            elif before in self.xns and is_stub(self.xns[before]):
                left += self.dag.graph_ids.predecessors(before)
        return found


def is_stub(xn: Any) -> bool:
    """Say whether a node only hands on the argument of a sub-DAG."""
    code = getattr(xn.exec_function, "__code__", None)
    return (
        code is not None
        and getattr(xn.exec_function, "__module__", None) == "tawazi._dag.dag"
        and xn.exec_function.__qualname__.endswith("_describe_subdag.<locals>.<lambda>")
        and len(xn.args) == 1
        and not xn.kwargs
    )


def _refuse(problem: str, place: str | None, hint: str | None = None) -> NoReturn:
    raise DescribeError(problem, where=place or None, hint=hint)
