"""Which nodes are measured, which only run so that others have their inputs, and which do not run at all.

::

    bill (profile=False, hinted) ──▶ mail (hinted) ──▶ count      count takes a result that nobody makes:
                                                                  it needs a hint too, or mail a stand-in

A node that does not run has a hint. Its result is its stand-in, if it has one: a value, or a function that
is called in its place. Whoever takes a result that is not there cannot run either; all such nodes are named
before anything runs. Only results count: a node that waits (``after=``) for one that does not run, runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import OptionError, ProfileError, did_you_mean
from makespan.preparing.program import compile_program
from makespan.showing.words import some
from makespan_optimizer.measure.hints import Hint, parse_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from makespan.graph import DAG
    from makespan.preparing.program import Program


class Scope(NamedTuple):
    """What a profile runs; nodes by number."""

    program: Program
    """Stand-ins in the place of nodes that are not run."""
    walked: frozenset[int]
    """Called in each run, stand-ins included."""
    measured: frozenset[int]
    """Of those, the nodes that are measured."""
    hints: dict[str, Hint]
    """Of the nodes that are not run, by name."""


def scope_of(
    dag: DAG[..., Any], hints: Mapping[str, Any] | None = None, only: Collection[str] | None = None
) -> Scope:
    """Decide what is run.

    Parameters
    ----------
    dag : DAG
    hints : mapping of node name to hint, optional
        See `makespan_optimizer.measure.hints`; such nodes are not run.
    only : collection of str, optional
        Measure these nodes alone; what they need runs as well, unmeasured.

    Raises
    ------
    OptionError
        A hint that cannot be read, or for a node that is not in the DAG.
    ProfileError
        A node that is not run has no hint; a node takes a result that nobody makes.
    """
    said = _said(dag, hints)
    names = list(dag.nodes)
    options = [node.options for node in dag.nodes.values()]
    unrun = {i for i, name in enumerate(names) if name in said}
    values: dict[int, Any] = {}
    functions: dict[str, Callable[..., Any]] = {}
    for i in unrun:
        its = options[i].stand_in
        if its is not None and callable(its.value):
            functions[names[i]] = its.value
        elif its is not None:
            values[i] = its.value
    program = compile_program(dag, functions)
    for i, value in values.items():
        program.calls[i] = _constant(value)
    gone = unrun - values.keys() - {i for i in unrun if names[i] in functions}
    wanted = {i for i, name in enumerate(names) if (only is None or name in only) and i not in unrun}
    needed = _needed(program, wanted, gone | values.keys()) if only is not None else set(range(len(names)))
    walked = needed - gone
    _refuse_starved(program, walked, gone, values)
    return Scope(program, frozenset(walked), frozenset(wanted), said)


def setup_notes(dag: DAG[..., Any], scope: Scope) -> tuple[str, ...]:
    """Say of which nodes the counted runs know only that their results are there."""
    nodes = list(dag.nodes.values())
    names = [nodes[i].name for i in sorted(scope.measured) if nodes[i].options.setup]
    if not names:
        return ()
    what = f"set-up node {names[0]!r}" if len(names) == 1 else f"set-up nodes {some(names, 5)}"
    return (f"{what}: run once, to warm up; the counted runs took the result that was kept",)


def _constant(value: Any) -> Callable[..., Any]:
    def stand_in(*_args: Any) -> Any:
        return value

    return stand_in


def _said(dag: DAG[..., Any], hints: Mapping[str, Any] | None) -> dict[str, Hint]:
    """Return the hints of all nodes that are not run: those given, and those declared."""
    given = {} if hints is None else hints
    if not hasattr(given, "items"):
        raise OptionError(f"is a mapping of node to hint, not {given!r}", where="hints")
    said: dict[str, Hint] = {}
    for name, hint in given.items():
        if name not in dag.nodes:
            near = did_you_mean(str(name), dag.nodes)
            raise OptionError(f"{dag.name!r} has no node {name!r}", where="hints", hint=near)
        said[name] = parse_hint(hint, f"hint of {name!r}")
    missing = []
    for name, node in dag.nodes.items():
        if node.options.profile or name in said:
            continue
        if node.options.hint_s is None:
            missing.append(name)
        else:
            said[name] = Hint(float(node.options.hint_s))
    if missing:
        raise ProfileError(
            f"not run while profiling, and nothing says how long they take: {some(missing, 20)}",
            where=dag.name,
            hint=f"--hint '{missing[0]}=0.5s:io', hints={{…}}, or @node(profile=False, hint_s=0.5)",
        )
    return said


def _needed(program: Program, wanted: set[int], closed: Collection[int]) -> set[int]:
    """Return the nodes and all that they need, but not what only `closed` nodes need."""
    found: set[int] = set()
    left = list(wanted)
    while left:
        i = left.pop()
        if i not in found:
            found.add(i)
            if i not in closed:
                left.extend(program.structure.preds[i])
    return found


def _refuse_starved(program: Program, walked: set[int], gone: Collection[int], fed: Collection[int]) -> None:
    """Name every node that takes, directly or not, a result that nobody makes."""
    why: dict[int, int] = {}
    left = sorted(gone, reverse=True)
    while left:
        i = left.pop()
        for consumer in sorted({consumer for consumer, _ in program.pushes[i]}, reverse=True):
            if consumer in walked and consumer not in fed and consumer not in why:
                why[consumer] = i
                left.append(consumer)
    if not why:
        return
    names = program.structure.names
    told = [f"{names[i]} (takes {names[of]})" for i, of in sorted(why.items())]
    roots = sorted({names[of] for of in why.values() if of in gone})
    raise ProfileError(
        f"these nodes take results of nodes that are not run: {some(told, 20)}",
        hint=f"hint at them too, or give {some(roots, 5)} a stand_in: @node(profile=False, stand_in=…)",
    )
