"""A DAG compiled for calling: what each node calls, where its arguments come from, where its result goes.

Arguments are pushed: when a node returns, its value goes into the *slots* of the nodes that take it, and
nowhere else. A value therefore dies with its last consumer. In the common case (results and constants as
plain positional arguments) a node's slots are its argument list; otherwise a small builder makes the
arguments from the slots. Values are passed by identity: never compared, tested, copied or printed.
"""

from __future__ import annotations

from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.around.conditions import SKIPPED, bare, tested, touched
from makespan.around.functions import called_plainly, declared
from makespan.describing.arguments import Ref, Tree, builder, follow, references, unpackable
from makespan.describing.placeholder import Unpacked
from makespan.preparing.selection import EVERYTHING, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.engine.executor import Trace
    from makespan.graph import DAG, Node
    from makespan.structure import Structure

Slots = list[Any]


class Program(NamedTuple):
    """What running a DAG needs, whatever the plan; node numbers are those of `structure`.

    Attributes
    ----------
    calls : list of callable, shape (n,)
        Called as ``calls[i](*slots[i])``.
    templates : list, shape (n,)
        The slots before a run: constants in place, None where a value will be pushed. A tuple when nothing
        will be pushed (shared by all runs), else a list (copied for each).
    pushes : list of tuples, shape (n, *)
        For each node the (consumer, slot) pairs that take its result.
    keeps : list of bool, shape (n,)
        Whether the DAG returns (something of) the node's result.
    inputs : dict
        For each input the (consumer, slot) pairs that take it.
    output : callable
        Makes the DAG's result from kept results and inputs.
    scatter : dict
        For nodes that stand for several (fused chains, clusters) and return a tuple of their results: for
        each result the node that it is of, the (consumer, slot) pairs that take it, and whether the DAG
        returns it. Their `pushes` are empty and their `keeps` true.
    inner : dict
        For nodes that stand for several: how to make the call that notes the parts' starts and ends in a
        trace.
    testing : frozenset of int
        Nodes that may be skipped, or take a result that may be; see `makespan.around.conditions`.
    chosen : Selection
        Which nodes are left out, whose results are given, and whose are kept as targets.
    """

    structure: Structure
    places: list[str]
    calls: list[Callable[..., Any]]
    templates: list[list[Any] | tuple[Any, ...]]
    pushes: list[tuple[tuple[int, int], ...]]
    keeps: list[bool]
    inputs: dict[str, list[tuple[int, int]]]
    output: Callable[[Mapping[int, Any], Mapping[str, Any]], Any]
    scatter: Mapping[int, tuple[tuple[int, tuple[tuple[int, int], ...], bool], ...]] = {}
    inner: Mapping[int, Callable[[Trace], Callable[..., Any]]] = {}
    testing: frozenset[int] = frozenset()
    chosen: Selection = EVERYTHING

    def slots(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Return fresh slots for one run, inputs in place."""
        made: list[Any] = [t if type(t) is tuple else t.copy() for t in self.templates]  # type: ignore[union-attr]
        for name, places in self.inputs.items():
            value = inputs[name]
            for consumer, slot in places:
                made[consumer][slot] = value
        return made


def compile_program(dag: DAG[..., Any], instead: Mapping[str, Callable[..., Any]] | None = None) -> Program:
    """Compile a DAG; `instead` has functions that are called in the place of some nodes' own.

    Raises
    ------
    DescribeError
        The DAG is not sound.
    """
    structure = dag.check()
    instead = instead or {}
    nodes = [
        called_plainly(msgspec.structs.replace(node, fn=instead[name]))
        if name in instead
        else declared(dag, i, node)
        for i, (name, node) in enumerate(list(dag.nodes.items()))
    ]
    number = {node.name: i for i, node in enumerate(nodes)}
    pushes: list[list[tuple[int, int]]] = [[] for _ in nodes]
    inputs: dict[str, list[tuple[int, int]]] = {name: [] for name in dag.inputs}
    calls: list[Callable[..., Any]] = []
    templates: list[list[Any] | tuple[Any, ...]] = []
    unpacked: dict[str, int] = {}
    testing = touched(nodes, structure.order).testing
    for i, node in enumerate(nodes):
        if i in testing:
            call, template, refs = tested(i, node, *_compile_node(bare(node)))
        else:
            call, template, refs = _compile_node(node)
        calls.append(call)
        templates.append(template)
        for slot, ref in refs:
            unpacked |= _counts(ref)
            (inputs[ref.name] if ref.is_input else pushes[number[ref.name]]).append((i, slot))
    returned = dag.output
    output, kept = _compile_output(returned, number, dag.name, skipping=bool(testing))
    for ref in references(returned):
        unpacked |= _counts(ref)
    for name, many in unpacked.items():
        calls[number[name]] = unpackable(calls[number[name]], many)
    return Program(
        structure,
        [node.place for node in nodes],
        calls,
        templates,
        [tuple(some) for some in pushes],
        [i in kept for i in range(len(nodes))],
        inputs,
        output,
        testing=testing,
    )


def _counts(ref: Ref) -> dict[str, int]:
    """Return {node: number of values} when a node's own result is unpacked."""
    first = ref.path[0] if ref.path else None
    return {ref.name: first.of} if type(first) is Unpacked and not ref.is_input else {}


def _compile_node(
    node: Node,
) -> tuple[Callable[..., Any], list[Any] | tuple[Any, ...], list[tuple[int, Ref]]]:
    """Return (what to call with the slots, the slots' template, [(slot, reference)])."""
    values = (*node.args, *node.kwargs.values())
    refs = [ref for value in values for ref in references(value)]
    if not refs and not node.kwargs:
        return node.fn, node.args, []
    if (
        not node.kwargs
        and all(type(value) is Ref or not references(value) for value in values)
        and not any(ref.path for ref in refs)
    ):
        template = [None if type(value) is Ref else value for value in node.args]
        return (
            node.fn,
            template,
            [(slot, value) for slot, value in enumerate(node.args) if type(value) is Ref],
        )
    numbers = count()
    builders = [builder(value, numbers) for value in node.args]
    keywords = {key: builder(value, numbers) for key, value in node.kwargs.items()}
    paths = [(slot, ref.path, ref.name) for slot, ref in enumerate(refs) if ref.path]
    fn = node.fn

    def call(*pushed: Any) -> Any:
        slots = list(pushed)
        del pushed
        for slot, path, name in paths:
            slots[slot] = follow(slots[slot], path, name)
        return fn(
            *[build(slots) for build in builders], **{key: build(slots) for key, build in keywords.items()}
        )

    return call, [None] * len(refs) if refs else (), list(enumerate(refs))


def _compile_output(
    output: Any, number: Mapping[str, int], dag: str, *, skipping: bool
) -> tuple[Callable[[Mapping[int, Any], Mapping[str, Any]], Any], set[int]]:
    refs = references(output)
    build = builder(output, count())

    def make(kept: Mapping[int, Any], inputs: Mapping[str, Any]) -> Any:
        values = [inputs[ref.name] if ref.is_input else kept.get(number[ref.name], SKIPPED) for ref in refs]
        try:
            return build(
                [
                    None if value is SKIPPED else follow(value, ref.path, ref.name)
                    for value, ref in zip(values, refs, strict=True)
                ]
            )
        except Exception as error:
            error.add_note(f"in what the DAG {dag!r} returns")
            raise

    kept_nodes = {number[ref.name] for ref in refs if not ref.is_input}
    flat = _flat(output)
    if flat is None or skipping or any(ref.path or ref.is_input for ref in refs):
        return make, kept_nodes
    numbers = [number[ref.name] for ref in refs]

    def make_plainly(kept: Mapping[int, Any], inputs: Mapping[str, Any]) -> Any:
        try:
            values = [kept[i] for i in numbers]
        except KeyError:  # something did not come
            return make(kept, inputs)
        try:
            return flat(values)
        except Exception as error:  # a named tuple may be the user's
            error.add_note(f"in what the DAG {dag!r} returns")
            raise

    return make_plainly, kept_nodes


def _flat(output: Any) -> Callable[[list[Any]], Any] | None:
    """Return what makes an output from values, when it is one result or a plain row of them."""
    if type(output) is Ref:
        return itemgetter(0)
    if type(output) is Tree and all(type(item) is Ref for item in output.items):
        return output.make
    return None
