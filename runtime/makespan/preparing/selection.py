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
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.describing.arguments import references
from makespan.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from makespan.describing.building import Node
    from makespan.graph import DAG
    from makespan.preparing.fit import Fit
    from makespan.preparing.settings import Settings
    from makespan.structure import Structure

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
        A name that no node has; a node that is left out, and given or asked for by name as well; a node that
        would run, but takes the result of one that does not.
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
    _refuse_named_twice(settings)
    from makespan.preparing.restricting import plan_without

    structure = dag.check()
    running = _running(nodes, structure, targets, roots, without, given, dag)
    _refuse_starved(nodes, number, running, given)
    left_out = frozenset(range(len(nodes))) - running
    chosen = Selection(left_out, given, tuple(dict.fromkeys(targets or ())))
    return (plan_without(fitted, left_out) if left_out else fitted), chosen


# -- what runs ---------------------------------------------------------------------------------------------


def _named(word: str, nodes: Sequence[Node], number: Mapping[str, int], where: str, dag: str) -> list[int]:
    if word not in number and word.startswith(TAG):
        tag = word.removeprefix(TAG)
        found = [i for i, node in enumerate(nodes) if tag in node.options.tags]
        if not found:
            from makespan.showing.words import some

            tags = sorted({tag for node in nodes for tag in node.options.tags})
            hint = did_you_mean(tag, tags) or f"tags: {some(tags)}" if tags else "no node has any"
            raise OptionError(f"no node of {dag!r} has the tag {tag!r}", where=where, hint=hint)
        return found
    return [_one(word, number, where, dag)]


def _one(name: str, number: Mapping[str, int], where: str, dag: str) -> int:
    if name not in number:
        raise OptionError(f"{dag!r} has no node {name!r}", where=where, hint=did_you_mean(name, number))
    return number[name]


def _refuse_named_twice(settings: Settings) -> None:
    """Refuse what is asked for and left out by the same word; the rest follows from what depends on what."""
    for where, words in (("targets", settings.targets), ("roots", settings.roots)):
        for word in words or ():
            if word in settings.without:
                raise OptionError(
                    f"{word!r} is asked for, and left out as well",
                    where=where,
                    hint="take it out of one of the two",
                )


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
                    where="roots",  # all that targets need runs, and nothing that needs what is left out
                    hint=f"give it: given={{{taken!r}: …}}, or have {taken!r} run as well",
                )
