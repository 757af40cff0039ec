"""Several nodes run as one: a chain in one thread, a cluster in a worker process.

::

    a ──▶ b ──▶ c          a ──▶ (b e) ──▶ c
     └──▶ e ──┘      becomes

A *part* stands under the number of its first member and is called once; what it returns is the tuple of the
results that are needed outside, which `Program.scatter` deals out. The other members become vacant: they
keep their numbers, and nothing leads to or from them. What a part is made of is told to its maker as plain
data (`makespan.preparing.parts`): which call takes what from where.

Invariant: whatever is contracted, the same calls get the same arguments by identity, each member runs after
everything that it waited for before, and a value that only members take never leaves the part.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from makespan.errors import PlanError
from makespan.preparing.parts import Constant, Given, Member, PartCode, Result, Values
from makespan.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.preparing.fit import Fit
    from makespan.preparing.parts import Part
    from makespan.preparing.program import Program


def contract(program: Program, fitted: Fit, parts: Sequence[Part]) -> tuple[Program, Fit]:
    """Contract disjoint parts; node numbers stay, and `Program.structure` stays that of the DAG.

    A part has its best member's rank, the sum of their durations, all of their locks and groups; it is
    exclusive when one of them is, and has a mode when all have the same.

    Raises
    ------
    PlanError
        Nodes would wait for each other in a circle, or a member for one that runs later in its part.
    """
    if not parts:
        return program, fitted
    structure = _contracted(fitted.structure, program, parts)
    return _joined_calls(program, parts), _joined_fit(fitted, structure, parts)


# -- the shape -----------------------------------------------------------------------------------------------


def _contracted(structure: Structure, program: Program, parts: Sequence[Part]) -> Structure:
    preds = list(map(set, structure.preds))
    owner = list(range(len(structure)))
    for part in parts:
        _refuse_disorder(structure, part)
        for i in part.again:
            taking = {consumer for consumer, _ in program.pushes[i]}
            if all(i not in structure.preds[m] or m in taking for m in part.nodes):
                for m in part.nodes:
                    preds[m].discard(i)
            preds[part.nodes[0]] |= preds[i] - set(part.again)
        for i in part.nodes:
            owner[i] = part.nodes[0]
    after: list[set[int]] = [set() for _ in owner]
    for i, some in enumerate(preds):
        after[owner[i]] |= {owner[p] for p in some}
    succs: list[list[int]] = [[] for _ in owner]
    for i, some in enumerate(after):
        some.discard(i)
        for p in sorted(some):
            succs[p].append(i)
    locks, exclusive = list(structure.locks), list(structure.exclusive)
    for part in parts:
        first, *rest = part.nodes
        locks[first] = tuple(sorted({name for i in part.nodes for name in structure.locks[i]}))
        exclusive[first] = any(structure.exclusive[i] for i in part.nodes)
        for i in rest:
            locks[i], exclusive[i] = (), False
    return Structure(
        structure.names,
        tuple(tuple(sorted(some)) for some in after),
        tuple(map(tuple, succs)),
        _order(structure.names, after, succs, parts),
        tuple(locks),
        tuple(exclusive),
    )


def _refuse_disorder(structure: Structure, part: Part) -> None:
    place = {i: at for at, i in enumerate((*part.again, *part.nodes))}
    for i, at in place.items():
        for p in structure.preds[i]:
            if place.get(p, -1) > at:
                raise PlanError(
                    f"{structure.names[i]!r} waits for {structure.names[p]!r}, "
                    "which is to run after it in the same place",
                    hint="optimize again",
                )


def _order(
    names: Sequence[str], preds: Sequence[set[int]], succs: Sequence[Sequence[int]], parts: Sequence[Part]
) -> tuple[int, ...]:
    """Return a topological order, the smallest number first (Kahn, as in `makespan.structure`)."""
    waiting = [len(some) for some in preds]
    ready = [i for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for s in succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                heappush(ready, s)
    if len(order) < len(names):
        for part in parts:
            if waiting[part.nodes[0]] and _comes_back(part.nodes[0], succs):
                joined = ", ".join(repr(names[i]) for i in part.nodes)
                raise PlanError(
                    f"{joined} cannot run as one: a node outside waits for one and is waited for by another",
                    hint="optimize again",
                )
    return tuple(order)


def _comes_back(start: int, succs: Sequence[Sequence[int]]) -> bool:
    """Say whether a path leads from a node back to it."""
    seen: set[int] = set()
    left = [start]
    while left:
        for s in succs[left.pop()]:
            if s == start:
                return True
            if s not in seen:
                seen.add(s)
                left.append(s)
    return False


# -- the calls -----------------------------------------------------------------------------------------------


def _joined_calls(program: Program, parts: Sequence[Part]) -> Program:
    calls, templates = program.calls.copy(), program.templates.copy()
    pushes, keeps = program.pushes.copy(), program.keeps.copy()
    scatter, inner = dict(program.scatter), dict(program.inner)
    moves = _Moves(program, parts)
    codes = [moves.code_of(part) for part in parts]
    inputs = {name: list(moves.places(some)) for name, some in program.inputs.items()}
    for i, some in enumerate(pushes):
        pushes[i] = moves.places(some)
    for i, results in scatter.items():
        scatter[i] = tuple((j, moves.places(some), keep) for j, some, keep in results)
    for part, (members, slots) in zip(parts, codes, strict=True):
        first = part.nodes[0]
        outside = tuple(at for at, i in enumerate(part.nodes, len(part.again)) if pushes[i] or keeps[i])
        results = tuple(
            (members[at].node, pushes[members[at].node], keeps[members[at].node]) for at in outside
        )
        bare = len(results) == 1 and not results[0][2]
        calls[first], inner[first], is_bare = part.make(PartCode(members, outside, slots, bare))
        for i in part.nodes:
            templates[i], pushes[i], keeps[i] = (), (), False
        templates[first] = Values([None] * slots)
        if is_bare:
            pushes[first] = results[0][1]
        else:
            scatter[first] = results
            keeps[first] = True
    return program._replace(
        calls=calls,
        templates=templates,
        pushes=pushes,
        keeps=keeps,
        inputs=inputs,
        scatter=scatter,
        inner=inner,
    )


class _Moves:
    """Where values go that went into the slots of members."""

    def __init__(self, program: Program, parts: Sequence[Part]) -> None:
        self._program = program
        self._gone = {i for part in parts for i in part.nodes}
        inside = self._gone | {i for part in parts for i in part.again}
        self._to: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._source: dict[tuple[int, int], int | str] = {}
        """The node, or the input, whose value comes into a slot."""
        given: list[tuple[int | str, Iterable[tuple[int, int]]]] = [
            *enumerate(program.pushes),
            *program.inputs.items(),
            *((j, some) for results in program.scatter.values() for j, some, _ in results),
        ]
        for source, some in given:
            for place in some:
                if place[0] in inside:
                    self._source[place] = source

    def code_of(self, part: Part) -> tuple[tuple[Member, ...], int]:
        """Return the members and the number of slots of a part; notes what comes into these."""
        program, first = self._program, part.nodes[0]
        at_of = {i: at for at, i in enumerate((*part.again, *part.nodes))}
        slot_of: dict[int | str, int] = {}
        members = []
        for i in at_of:
            arguments: list[Given | Result | Constant] = []
            for slot, constant in enumerate(program.templates[i]):
                source = self._source.get((i, slot))
                if source is None:
                    arguments.append(Constant(constant))
                elif source in at_of:
                    arguments.append(Result(at_of[source]))
                else:
                    taken = slot_of.setdefault(source, len(slot_of))
                    self._to.setdefault((i, slot), []).append((first, taken))
                    arguments.append(Given(taken))
            members.append(Member(i, program.structure.names[i], program.calls[i], tuple(arguments)))
        return tuple(members), len(slot_of)

    def places(self, some: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Return the slots that take a value, given those that took it before; each once."""
        found: dict[tuple[int, int], None] = {}
        for place in some:
            if place[0] not in self._gone:
                found[place] = None
            for now in self._to.get(place, ()):
                found[now] = None
        return tuple(found)


# -- the rules -----------------------------------------------------------------------------------------------


def _joined_fit(fitted: Fit, structure: Structure, parts: Sequence[Part]) -> Fit:
    ranks, durations, modes = list(fitted.ranks), list(fitted.durations_s), dict(fitted.modes)
    owner: dict[int, int] = {}
    vacant = set(fitted.vacant)
    for part in parts:
        first, *rest = part.nodes
        owner |= dict.fromkeys(part.nodes, first)
        vacant.update(rest)
        best = min(part.nodes, key=ranks.__getitem__)
        ranks[first], ranks[best] = ranks[best], ranks[first]
        known = [taken for i in part.nodes if (taken := durations[i]) is not None]
        durations[first] = sum(known) if known else None
        every = {modes.pop(i, "") for i in part.nodes}
        if len(every) == 1 and (mode := every.pop()):
            modes[first] = mode
    groups = [(sorted({owner.get(i, i) for i in nodes}), limit) for nodes, limit in fitted.groups]
    return fitted._replace(
        structure=structure,
        ranks=ranks,
        durations_s=durations,
        modes=modes,
        groups=groups,
        vacant=frozenset(vacant),
    )
