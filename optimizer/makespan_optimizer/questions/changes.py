"""What a question would change: nodes faster or slower, nodes in processes, no GIL; one thing or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.showing.words import TIMES, clean
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.questions.variants import in_process, scaled, without_gil

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.profile import Profile


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shall be different.

    >>> Change(nodes={"parse": 0.5}, no_gil=True).name
    'parse × 0.5 + no GIL'
    """

    nodes: dict[str, float] = {}
    """Factors of durations: 0.5 is twice as fast, 0 is free."""
    process: tuple[str, ...] = ()
    """Nodes that run in a process of their own."""
    no_gil: bool = False
    processes: int = 0
    """So many worker processes at most; which nodes they run is left open."""
    native_threads: bool = False
    """How many native threads a node may use is left open."""

    @property
    def chooses(self) -> bool:
        """Whether it leaves something open."""
        return self.processes > 0 or self.native_threads

    @property
    def name(self) -> str:
        """What it is called in a table; names of nodes are cleaned."""
        parts = [f"{clean(name, 40)} {TIMES} {factor:g}" for name, factor in self.nodes.items()]
        if self.process:
            parts.append(f"{', '.join(clean(name, 40) for name in self.process)} in a process")
        if self.no_gil:
            parts.append("no GIL")
        if self.processes:
            parts.append(f"{self.processes} worker process{'es' if self.processes > 1 else ''}")
        if self.native_threads:
            parts.append("best native threads")
        return " + ".join(parts) or "as it is"

    def apply(self, profile: Profile) -> Profile:
        """Return the profile as it would be, without what is left open: that is chosen of what it returns.

        Raises
        ------
        ProfileError
            The DAG has no such node, or it was not measured.
        OptionError
            A factor is not a number from 0 to 1,000,000, or makes a node longer than can be planned; a
            node cannot run in a process.
        """
        if self.nodes:  # before processes: a node's code is scaled, not what it costs to send its values
            profile = scaled(profile, self.nodes)
        if self.process:
            profile = in_process(profile, self.process)
        elif not self.chooses:  # clusters are made of nodes as they were measured
            profile = as_declared(profile)
        return without_gil(profile) if self.no_gil else profile

    def no_slower_than(self, other: Change) -> bool:
        """Say whether whatever can be done under `other` can be done under this, by waiting here and there.

        A faster node may idle, and nodes without a GIL may take turns. A process is neither: it has costs of
        its own.
        """
        names = {**self.nodes, **other.nodes}
        return (
            self.no_gil >= other.no_gil
            and self.processes >= other.processes
            and self.native_threads >= other.native_threads
            and set(self.process) == set(other.process)
            and all(self.nodes.get(name, 1.0) <= other.nodes.get(name, 1.0) for name in names)
        )

    def __or__(self, other: Change) -> Change:
        """Return both at once; factors of one node are multiplied."""
        nodes = dict(self.nodes)
        for name, factor in other.nodes.items():
            nodes[name] = nodes.get(name, 1.0) * factor
        process = tuple(dict.fromkeys((*self.process, *other.process)))
        return Change(
            nodes,
            process,
            self.no_gil or other.no_gil,
            max(self.processes, other.processes),
            self.native_threads or other.native_threads,
        )


AS_IT_IS = Change()


def changes(
    nodes: Iterable[tuple[str, float]],
    process: Iterable[str] = (),
    *,
    no_gil: bool = False,
    processes: int = 0,
    native_threads: bool = False,
    together: bool = False,
) -> list[Change]:
    """Return each change by itself, or one for all of them.

    >>> [change.name for change in changes([("a", 0.5), ("b", 0)], no_gil=True)]
    ['a × 0.5', 'b × 0', 'no GIL']
    """
    found = [Change(nodes={name: factor}) for name, factor in nodes]
    found += [Change(process=(name,)) for name in process]
    found += [Change(no_gil=True)] if no_gil else []
    found += [Change(processes=processes)] if processes else []
    found += [Change(native_threads=True)] if native_threads else []
    if not together or not found:
        return found
    every = AS_IT_IS
    for change in found:
        every |= change
    return [every]
