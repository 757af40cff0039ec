"""Profiles of DAGs that were not run here: figures from a table or from another tool's file, and their edges.

Such a profile has no runs and no code. Its nodes are of origin ``trace``; its DAG's fingerprint follows from
names and edges; of its machine only the cores are known, or said.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from makespan._version import __version__
from makespan.errors import DescribeError, ProfileError, did_you_mean
from makespan.machine import UNKNOWN, Machine, usable_cores
from makespan.measurement import NodeProfile, Quality, Spread
from makespan.plan import DagId
from makespan.profile import Profile, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWITCH_INTERVAL_S = 0.005


class Row(NamedTuple):
    """A node as a table or file tells it."""

    node: NodeProfile
    after: tuple[str, ...]
    locks: tuple[str, ...] = ()
    exclusive: bool = False
    tags: tuple[str, ...] = ()
    where: str = ""
    """Place of the row, for errors."""
    where_after: str = ""
    """Place of its predecessors."""


def process_of(name: str, wall_s: float) -> NodeProfile:
    """Return the figures of a command that ran in a process of its own, on one core as far as is known."""
    return NodeProfile(
        name=name,
        runs=0,
        wall_net_s=Spread(wall_s, wall_s, wall_s),
        cpu_s=wall_s,
        gil_s=0.0,
        native_s=wall_s,
        cores_peak=1.0,
        kind="native",
        quality=Quality(gil_share_half_width=0.0),
        origin="trace",
    )


def profile_of(rows: Sequence[Row], *, name: str, cores: float | None, where: str) -> Profile:
    """Return a profile of rows.

    Parameters
    ----------
    rows : sequence of Row
    name : str
        Of the DAG.
    cores : float, optional
        Of the machine; those of this one when not known.
    where : str
        The file or table, for errors.

    Raises
    ------
    ProfileError
        No rows, a name twice, an unknown predecessor, a cycle (named in order).
    """
    if not rows:
        raise ProfileError("has no rows", where=where)
    seen: dict[str, Row] = {}
    for row in rows:
        its = row.node.name
        if its in seen:
            raise ProfileError(f"{its!r} stands twice (first: {seen[its].where})", where=row.where)
        seen[its] = row
    for row in rows:
        for before in row.after:
            if before not in seen:
                hint = did_you_mean(before, seen)
                raise ProfileError(
                    f"{row.node.name!r} waits for {before!r}, which has no row",
                    where=row.where_after,
                    hint=hint,
                )
    made = Profile(
        makespan_version=__version__,
        dag=DagId(name, _fingerprint(rows)),
        machine=Machine(
            python=UNKNOWN,
            gil=True,
            platform=UNKNOWN,
            cpu=UNKNOWN,
            cores=usable_cores() if cores is None else cores,
            switch_interval_s=_SWITCH_INTERVAL_S,
        ),
        shape=tuple(
            Shape(
                name=row.node.name,
                after=tuple(dict.fromkeys(row.after)),
                locks=tuple(sorted(set(row.locks))),
                exclusive=row.exclusive,
                tags=tuple(sorted(set(row.tags))),
                measure=False,
            )
            for row in rows
        ),
        nodes=tuple(row.node for row in rows),
    )
    try:
        made.structure()
    except DescribeError as error:
        raise ProfileError(error.problem, where=where, hint=error.hint) from error
    return made


def _fingerprint(rows: Sequence[Row]) -> str:
    """Hash names and edges; the order of the rows does not matter."""
    told = sorted(ascii((row.node.name, sorted(set(row.after)))) for row in rows)
    text = "\n".join(["makespan-trace/1", *told])
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
