"""What pins mean for one DAG: further edges and locks, rearranged ranks, modes that are chosen already.

A pin that is a precedence or a lock changes the profile, so that everything after sees one more edge or lock;
a pin on the order rearranges the ranks of every candidate; a pin on a mode is a choice that is made already.

*In order* is more than ranks: a node that is not ready yet would let the next one go first. So the next one
also waits for whatever the first one waits for; then both are ready at once, and ranks decide. Only a node
that finds its lock taken still lets the next one go first.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.errors import OptionError, did_you_mean
from makespan_optimizer.pins.circle import Edge, circle
from makespan_optimizer.pins.order import Ordering
from makespan_optimizer.pins.pins import InOrder, Mode, NativeThreads, Pins, Priority, SharedLock, StartsAfter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from makespan.profile import Profile


class Pinned:
    """Pins on one DAG.

    Attributes
    ----------
    starts_after : dict of str to tuple of str
        What else each node waits for, beside its own edges.
    locks : dict of str to tuple of str
        The nodes of each pinned lock; those that declare it included, in the order of the DAG.
    process, thread, once : tuple of str
    native : dict of str to int
    profile : Profile
        With the further edges and locks.

    Raises
    ------
    OptionError
        A node that the DAG has not, or pins that contradict each other or the DAG.
    """

    def __init__(self, pins: Pins, profile: Profile) -> None:
        self.pins = pins
        structure = profile.structure()
        _check_names(pins, structure.names)
        edges = [
            (structure.names[p], name, "")
            for name, some in zip(structure.names, structure.preds, strict=True)
            for p in some
        ]
        further: list[Edge] = []
        ordered: list[Edge] = []
        for pin in pins.pins:
            if isinstance(pin, StartsAfter):
                further.extend((a, b, pin.words) for b in pin.nodes for a in pin.after)
            elif isinstance(pin, InOrder):
                ordered.extend((a, b, pin.words) for a, b in pairwise(pin.nodes))
        _refuse_circle(structure.names, [*edges, *further, *ordered])
        self._before = [(a, b) for a, b, _ in ordered]
        self.starts_after = _waits(structure.names, edges, further, self._before)
        self._levels = _levels(pins)
        self.locks = _locks(pins, profile)
        modes = _one_each(pins, Mode, lambda pin: pin.mode if pin.mode != "once" else None)
        self.process = tuple(name for name in structure.names if modes.get(name) == "process")
        self.thread = tuple(name for name in structure.names if modes.get(name) == "thread")
        declared = {shape.name for shape in profile.shape if shape.process}
        _refuse_thread(pins, declared)
        self.process = tuple(name for name in self.process if name not in declared)  # it is there anyway
        again = {n for pin in pins.pins if isinstance(pin, Mode) and pin.mode == "once" for n in pin.nodes}
        self.once = tuple(name for name in structure.names if name in again)
        threads = _one_each(pins, NativeThreads, lambda pin: pin.threads)
        self.native: dict[str, int] = {name: threads[name] for name in structure.names if name in threads}
        placed = {name for pair in self._before for name in pair}
        for name in self.process:
            if name in placed:
                raise OptionError(
                    f"node {name!r} is pinned to a place in an order and to a process",
                    where="pins",
                    hint="pin it to one of them",
                )
        self.thread = tuple(name for name in structure.names if name in placed or name in self.thread)
        self.profile = self._changed(profile)

    def ordering(self, names: Sequence[str], stands_for: Mapping[str, str] | None = None) -> Ordering | None:
        """Return what rearranges ranks; None when nothing is pinned that ranks could say.

        Parameters
        ----------
        names : sequence of str, shape (n,)
            The nodes in the order of the ranks.
        stands_for : mapping of str to str, optional
            By nodes that are part of another one now: its name.
        """
        if not self._before and not self._levels:
            return None
        now = stands_for or {}
        levels: dict[str, float] = {}
        for name, level in self._levels.items():
            its = now.get(name, name)
            levels[its] = max(level, levels.get(its, -math.inf))
        return Ordering(names, self._before, levels)

    def _changed(self, profile: Profile) -> Profile:
        held: dict[str, list[str]] = {}
        for lock, names in self.locks.items():
            for name in names:
                held.setdefault(name, []).append(lock)
        if not self.starts_after and not held:
            return profile
        shapes = []
        for shape in profile.shape:
            after = (*shape.after, *self.starts_after.get(shape.name, ()))
            locks = tuple(sorted({*shape.locks, *held.get(shape.name, ())}))
            shapes.append(msgspec.structs.replace(shape, after=after, locks=locks))
        return msgspec.structs.replace(profile, shape=tuple(shapes))


def _check_names(pins: Pins, known: Sequence[str]) -> None:
    names = set(known)
    for pin in pins.pins:
        for name in (*pin.nodes, *(pin.after if isinstance(pin, StartsAfter) else ())):
            if name not in names:
                raise OptionError(
                    f"the DAG has no node {name!r}",
                    where=f"pin {pin.words!r}",
                    hint=did_you_mean(name, known),
                )


def _refuse_thread(pins: Pins, declared: Collection[str]) -> None:
    """Refuse to pin a node to a thread that is declared to run in a process: the run would not follow."""
    for pin in pins.pins:
        for name in pin.nodes:
            if isinstance(pin, Mode) and pin.mode == "thread" and name in declared:
                raise OptionError(
                    f"node {name!r} is declared to run in a worker process, and pinned to a thread",
                    where=f"pin {pin.words!r}",
                    hint=f"leave out the pin, or mode='process' of node {name!r} (and profile again)",
                )


def _refuse_circle(names: Sequence[str], edges: Sequence[Edge]) -> None:
    found = circle(names, edges)
    if not found:
        return
    pinned = dict.fromkeys(words for _, _, words in found if words)
    shown = " → ".join([found[0][0], *(b for _, b, _ in found)])
    raise OptionError(
        f"the nodes would wait for each other in a circle: {shown}",
        where=f"pin{'s' if len(pinned) > 1 else ''} {', '.join(map(repr, pinned))}",
        hint="leave one of these pins out"
        if len(pinned) > 1
        else None
        if all(words for _, _, words in found)
        else "the DAG's own edges say the opposite",
    )


def _waits(
    names: Sequence[str], edges: Sequence[Edge], further: Sequence[Edge], before: Sequence[tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    """Return the edges beside the DAG's own: those asked for, and what nodes in order wait for in turn."""
    own: dict[str, set[str]] = {name: set() for name in names}
    preds: dict[str, dict[str, None]] = {name: {} for name in names}
    for a, b, words in (*edges, *further):
        preds[b][a] = None
        if not words:
            own[b].add(a)
    everything = [*edges, *further, *((a, b, "") for a, b in before)]
    place = {name: k for k, name in enumerate(_topological(names, everything))}
    # What comes first is worked out first, so that the third of an order waits for what the first waits for.
    for a, b in sorted(set(before), key=lambda pair: (place[pair[1]], place[pair[0]])):
        for p in preds[a]:
            if p not in _ancestors(preds, b):
                preds[b][p] = None
    extra = {name: tuple(p for p in preds[name] if p not in own[name]) for name in names}
    return {name: some for name, some in extra.items() if some}


def _ancestors(preds: Mapping[str, Mapping[str, None]], name: str) -> set[str]:
    found: set[str] = set()
    todo = list(preds[name])
    while todo:
        p = todo.pop()
        if p not in found:
            found.add(p)
            todo.extend(preds[p])
    return found


def _topological(names: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    left = dict.fromkeys(names, 0)
    behind: dict[str, list[str]] = {name: [] for name in names}
    for a, b, _ in edges:
        left[b] += 1
        behind[a].append(b)
    order = [name for name in names if not left[name]]
    for name in order:  # it grows meanwhile
        for b in behind[name]:
            left[b] -= 1
            if not left[b]:
                order.append(b)
    return order


def _levels(pins: Pins) -> dict[str, float]:
    """Return the pinned priorities; one that contradicts a pinned order is refused."""
    levels: dict[str, float] = _one_each(pins, Priority, lambda pin: pin.level)
    for pin in pins.pins:
        if isinstance(pin, InOrder):
            known = [name for name in pin.nodes if name in levels]
            for a, b in pairwise(known):
                if levels[a] < levels[b]:
                    raise OptionError(
                        f"{a!r} is pinned before {b!r}, and to a lower priority",
                        where=f"pin {pin.words!r}",
                        hint="leave one of these pins out",
                    )
    return levels


def _one_each(pins: Pins, kind: type, value_of: Any) -> dict[str, Any]:
    """Return the value that pins of a kind give to each node; two different ones are refused."""
    found: dict[str, tuple[Any, str]] = {}
    for pin in pins.pins:
        if not isinstance(pin, kind) or value_of(pin) is None:
            continue
        for name in pin.nodes:
            known = found.get(name)
            if known is not None and known[0] != value_of(pin):
                raise OptionError(
                    f"node {name!r} is pinned twice, and not to the same",
                    where=f"pins {known[1]!r}, {pin.words!r}",
                    hint="leave one of these pins out",
                )
            found[name] = value_of(pin), pin.words
    return {name: value for name, (value, _) in found.items()}


def _locks(pins: Pins, profile: Profile) -> dict[str, tuple[str, ...]]:
    asked: dict[str, dict[str, None]] = {}
    said: dict[str, str] = {}
    for pin in pins.pins:
        if isinstance(pin, SharedLock):
            asked.setdefault(pin.lock, {}).update(dict.fromkeys(pin.nodes))
            said.setdefault(pin.lock, pin.words)
    found = {}
    for lock, names in asked.items():
        holders = tuple(s.name for s in profile.shape if s.name in names or lock in s.locks)
        if len(holders) < 2:
            raise OptionError(
                f"only {holders[0]!r} would hold the lock {lock!r}: it keeps nothing apart",
                where=f"pin {said[lock]!r}",
                hint="name two nodes or more, or a lock that another node declares",
            )
        found[lock] = holders
    return found
