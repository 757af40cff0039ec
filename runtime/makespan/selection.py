"""Which nodes run, when not all of them are to.

::

    fetch ──▶ parse ──▶ index ──▶ search         targets=["index"]              fetch, parse, index
                └─────▶ count ──▶ mail           roots=["count"]                count, mail (without what they
                                                                                take: refused)
                                                 without=["count"]              all but count, mail
                                                 given={"parse": x}             all but fetch, parse

- ``targets``: these, and what they need (directly or not, waits included);
- ``roots``: these, and what depends on them;
- ``without``: these, and what depends on them, do not run;
- ``given``: results by name, of nodes that do not run; nor does what only they need.

They combine by intersection. A node that would run, but takes a result that nobody makes, is refused before
anything runs; one that merely waits for a node which does not run does not wait. A set-up node whose result
is taken runs with `roots` all the same: it belongs to the DAG object, not to one run. ``tag:NAME`` stands for
all nodes with that tag.

The numbers of nodes, their ranks and the groups that they share stay those of the whole DAG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.arguments import references
from makespan.errors import OptionError, did_you_mean
from makespan.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from makespan.building import Node
    from makespan.fit import Fit
    from makespan.graph import DAG
    from makespan.plan import PlanCluster
    from makespan.program import Program
    from makespan.settings import Settings

TAG = "tag:"


class Selection(NamedTuple):
    """What was chosen, by node number.

    Attributes
    ----------
    left_out : frozenset of int
        Nodes that do not run, those with given results included.
    given : dict of int to Any
    targets : tuple of int
        Nodes whose results are kept for `makespan.run.Run.values`, in the order in which they were named.
    """

    left_out: frozenset[int] = frozenset()
    given: Mapping[int, Any] = {}
    targets: tuple[int, ...] = ()


EVERYTHING = Selection()


def select(dag: DAG[..., Any], fitted: Fit, settings: Settings) -> tuple[Fit, Selection]:
    """Decide what runs, and return what it obeys.

    Raises
    ------
    OptionError
        A name that no node has; a node that is both given and left out; a node that would run, but takes the
        result of one that does not.
    """
    if settings.targets is None and settings.roots is None and not settings.without and not settings.given:
        return fitted, EVERYTHING
    nodes = list(dag.nodes.values())
    number = {node.name: i for i, node in enumerate(nodes)}

    def named(words: Iterable[str], where: str) -> list[int]:
        return [i for word in words for i in _named(word, nodes, number, where, dag.name)]

    given = {_one(name, number, "given", dag.name): value for name, value in settings.given.items()}
    targets = None if settings.targets is None else named(settings.targets, "targets")
    roots = None if settings.roots is None else named(settings.roots, "roots")
    without = named(settings.without, "without")
    _refuse_given(given, without, nodes)
    structure = dag.check()
    running = _running(nodes, structure, targets, roots, without, given, dag)
    _refuse_starved(nodes, number, running, given)
    left_out = frozenset(range(len(nodes))) - running
    chosen = Selection(left_out, given, tuple(dict.fromkeys(targets or ())))
    return (_without(fitted, left_out) if left_out else fitted), chosen


# -- what runs ---------------------------------------------------------------------------------------------


def _named(word: str, nodes: Sequence[Node], number: Mapping[str, int], where: str, dag: str) -> list[int]:
    if word not in number and word.startswith(TAG):
        tag = word.removeprefix(TAG)
        found = [i for i, node in enumerate(nodes) if tag in node.options.tags]
        if not found:
            from makespan.words import some

            tags = sorted({tag for node in nodes for tag in node.options.tags})
            hint = did_you_mean(tag, tags) or f"tags: {some(tags)}" if tags else "no node has any"
            raise OptionError(f"no node of {dag!r} has the tag {tag!r}", where=where, hint=hint)
        return found
    return [_one(word, number, where, dag)]


def _one(name: str, number: Mapping[str, int], where: str, dag: str) -> int:
    if name not in number:
        raise OptionError(f"{dag!r} has no node {name!r}", where=where, hint=did_you_mean(name, number))
    return number[name]


def _refuse_given(given: Mapping[int, Any], without: Collection[int], nodes: Sequence[Node]) -> None:
    for i, value in given.items():
        name = nodes[i].name
        if i in without:
            raise OptionError(f"{name!r} is both given and left out", where="given")
        if hasattr(type(value), "__next__"):
            raise OptionError(
                f"the {type(value).__name__} given for {name!r} can be read once only, "
                "but a DAG runs many times",
                where="given",
                hint="give a list: list(…)",
            )


def _running(
    nodes: Sequence[Node],
    structure: Structure,
    targets: Sequence[int] | None,
    roots: Sequence[int] | None,
    without: Sequence[int],
    given: Collection[int],
    dag: DAG[..., Any],
) -> frozenset[int]:
    number = {node.name: i for i, node in enumerate(nodes)}
    if targets is not None:
        running = _reached(targets, structure.preds, given)
    else:
        wanted = {number[ref.name] for ref in references(dag.output) if not ref.is_input} | set(roots or ())
        running = _needed(structure, given, wanted)
    gone = _reached(without, structure.succs) | set(given)
    if roots is not None:
        below = _reached(roots, structure.succs)
        running &= below | _set_up(nodes, number, below & running - gone, given)
    return frozenset(running - gone)


def _reached(
    start: Iterable[int], neighbours: Sequence[Sequence[int]], closed: Collection[int] = ()
) -> set[int]:
    """Return the nodes and what is reached from them; not beyond a closed one."""
    found: set[int] = set()
    left = list(start)
    while left:
        i = left.pop()
        if i not in found:
            found.add(i)
            if i not in closed:
                left.extend(neighbours[i])
    return found


def _needed(structure: Structure, given: Collection[int], wanted: Collection[int]) -> set[int]:
    """Return all nodes but those that only given ones need."""
    idle = set(given)
    for i in reversed(structure.order):
        after = structure.succs[i]
        if after and i not in wanted and idle.issuperset(after):
            idle.add(i)
    return set(range(len(structure))) - idle


def _set_up(
    nodes: Sequence[Node], number: Mapping[str, int], taking: Iterable[int], given: Collection[int]
) -> set[int]:
    """Return the set-up nodes whose results are taken, directly or by other set-up nodes."""
    found: set[int] = set()
    left = list(taking)
    while left:
        for i in _sources(nodes[left.pop()], number):
            if nodes[i].options.setup and i not in found and i not in given:
                found.add(i)
                left.append(i)
    return found


def _sources(node: Node, number: Mapping[str, int]) -> list[int]:
    """Return the nodes whose results a node takes, its condition's included."""
    values = (*node.args, *node.kwargs.values(), node.when)
    return [number[ref.name] for value in values for ref in references(value) if not ref.is_input]


def _refuse_starved(
    nodes: Sequence[Node], number: Mapping[str, int], running: Collection[int], given: Collection[int]
) -> None:
    for i in sorted(running):
        for p in _sources(nodes[i], number):
            if p not in running and p not in given:
                taken = nodes[p].name
                raise OptionError(
                    f"{nodes[i].name!r} would run, but takes the result of {taken!r}, which does not run",
                    hint=f"give it: given={{{taken!r}: …}}, or have {taken!r} run as well",
                )


# -- what that leaves of the plan --------------------------------------------------------------------------


def _without(fitted: Fit, left_out: frozenset[int]) -> Fit:
    """Return what is obeyed when some nodes are left out: no edges, locks or modes of theirs."""
    structure = fitted.structure

    def kept(edges: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        return tuple(
            () if i in left_out else tuple(j for j in some if j not in left_out)
            for i, some in enumerate(edges)
        )

    groups = []
    for members, limit in fitted.groups:
        some = [i for i in members if i not in left_out]
        if len(some) > limit:
            groups.append((some, limit))
    names = structure.names
    gone = {names[i] for i in left_out}
    return fitted._replace(
        structure=Structure(
            names,
            kept(structure.preds),
            kept(structure.succs),
            structure.order,
            tuple(() if i in left_out else some for i, some in enumerate(structure.locks)),
            tuple(alone and i not in left_out for i, alone in enumerate(structure.exclusive)),
        ),
        groups=groups,
        modes={i: mode for i, mode in fitted.modes.items() if i not in left_out},
        native={i: limit for i, limit in fitted.native.items() if i not in left_out},
        clusters=[its for cluster in fitted.clusters if (its := _smaller(cluster, gone)) is not None],
        chains=[piece for chain in fitted.chains for piece in _pieces(chain, left_out)],
        vacant=fitted.vacant | left_out,
    )


def _smaller(cluster: PlanCluster, gone: Collection[str]) -> PlanCluster | None:
    members = tuple(name for name in cluster.nodes if name not in gone)
    if not members:
        return None
    again = tuple(name for name in cluster.again if name not in gone)
    return msgspec.structs.replace(cluster, nodes=members, again=again)


def _pieces(chain: Sequence[int], left_out: Collection[int]) -> list[tuple[int, ...]]:
    """Return what is left of a chain: where a node is missing, the next piece need not wait for the last."""
    pieces: list[list[int]] = [[]]
    for i in chain:
        if i in left_out:
            pieces.append([])
        else:
            pieces[-1].append(i)
    return [tuple(piece) for piece in pieces if len(piece) > 1]


def restricted(program: Program, chosen: Selection) -> Program:
    """Return the program of the nodes that run: given values in place, targets kept, the others without."""
    if chosen is EVERYTHING:
        return program
    left_out, given = chosen.left_out, chosen.given

    def running(some: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        return [place for place in some if place[0] not in left_out]

    templates = [
        () if i in left_out else list(its) if type(its) is list else its
        for i, its in enumerate(program.templates)
    ]
    for i, value in given.items():
        for consumer, slot in running(program.pushes[i]):
            templates[consumer][slot] = value  # type: ignore[index]
    output = program.output
    if given:

        def output(kept: Mapping[int, Any], inputs: Mapping[str, Any]) -> Any:
            return program.output({**kept, **given}, inputs)

    return program._replace(
        templates=templates,
        pushes=[() if i in left_out else tuple(running(some)) for i, some in enumerate(program.pushes)],
        keeps=[i not in left_out and (keep or i in chosen.targets) for i, keep in enumerate(program.keeps)],
        inputs={name: running(some) for name, some in program.inputs.items()},
        output=output,
        chosen=chosen,
    )


def values_of(program: Program, kept: Mapping[int, Any]) -> dict[str, Any]:
    """Return the results of the targets by name; None for what was skipped or did not come."""
    from makespan.conditions import SKIPPED

    chosen = program.chosen
    names = program.structure.names
    found = {i: chosen.given.get(i, kept.get(i)) for i in chosen.targets}
    return {names[i]: None if value is SKIPPED else value for i, value in found.items()}
