"""Profiles made by hand, so that tests say what a node does instead of measuring it.

>>> from tests.builders import make_profile
>>> profile = make_profile({"a": [], "b": ["a"], "c": ["a"]}, {"a": 1.0, "b": 2.0, "c": 2.0}, "io")
>>> [(node.name, node.wall_net_s.median, node.blocked_total_s) for node in profile.nodes]
[('a', 1.0, 1.0), ('b', 2.0, 2.0), ('c', 2.0, 2.0)]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from makespan._version import __version__
from makespan.machine import Machine
from makespan.plan import DagId
from makespan.profile import NodeProfile, Profile, Quality, RunHeader, Shape, Spread
from makespan_optimizer.measure import hints

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a node of each kind does with a second of its time: (gil, cpu, other_cpu, blocked) seconds.
SPLITS = {**hints.SPLITS, "unknown": (0.0, 0.0, 0.0, 1.0)}

MACHINE = Machine(
    python="CPython 3.11.7",
    gil=True,
    platform="linux",
    cpu="a test's own",
    cores=2.0,
    switch_interval_s=0.005,
)


def make_profile(
    after: Mapping[str, Sequence[str]],
    durations_s: Mapping[str, float] | Sequence[float] | float = 1.0,
    kinds: Mapping[str, str] | Sequence[str] | str = "io",
    *,
    locks: Mapping[str, Sequence[str]] | None = None,
    exclusive: Sequence[str] = (),
    splits: Mapping[str, tuple[float, float, float, float]] | None = None,
    cores: float = 2.0,
    gil: bool = True,
    name: str = "dag",
    fingerprint: str | None = None,
    sampler: str = "gil",
    missing: Sequence[str] = (),
    first_s: Mapping[str, float] | None = None,
) -> Profile:
    """Return a profile as if measured.

    Parameters
    ----------
    after : mapping of node name to the names that it waits for
        Declaration order is the order of the keys.
    durations_s : mapping, sequence (shape (n,)) or one number for all
        Wall seconds of each node, alone.
    kinds : mapping, sequence (shape (n,)) or one word for all
        ``python`` holds the GIL all the time, ``native`` uses a core, ``parallel`` two cores, ``io`` is
        blocked, ``mixed`` is half python, half blocked; see `SPLITS`.
        A mapping may leave out the ``io`` nodes.
    locks : mapping of node name to lock names, optional
    exclusive : names of exclusive nodes
    splits : mapping of node name to (gil_s, cpu_s, other_cpu_s, blocked_s), optional
        For a node that no kind describes; overrides its kind's.
    cores, gil : of the machine
    fingerprint : str, optional
        A DAG's own ``dag.fingerprint()`` when the plan shall be run; else a hash of names and edges.
    missing : names of nodes without a measurement
    first_s : mapping of node name to the seconds of its first call, optional; else equal to its duration.
    """
    names = list(after)
    walls = _each(names, durations_s)
    words = _each(names, kinds, absent="io")
    locks, splits, first_s = locks or {}, splits or {}, first_s or {}
    shape = tuple(
        Shape(
            name=node,
            after=tuple(after[node]),
            locks=tuple(locks.get(node, ())),
            exclusive=node in exclusive,
            location=f"tests/made.py:{node}",
            place=f"made.py:{number}",
        )
        for number, node in enumerate(names, 1)
    )
    nodes = []
    for node in names:
        wall_s = float(walls[node])
        gil_s, cpu_s, other_s, blocked_s = splits.get(node) or [part * wall_s for part in SPLITS[words[node]]]
        nodes.append(
            NodeProfile(
                name=node,
                runs=5,
                wall_net_s=Spread(wall_s, wall_s, wall_s, (wall_s,) * 5),
                cpu_s=cpu_s,
                gil_s=gil_s,
                native_s=max(0.0, cpu_s - gil_s) + other_s,
                blocked_s={"io": blocked_s} if blocked_s else {},
                first_s=first_s.get(node, wall_s),
                other_cpu_s=other_s,
                cores_peak=(cpu_s + other_s) / wall_s if wall_s else 0.0,
                kind=words[node],
                class_confidence=1.0,
                quality=Quality(samples=5, gil_share_half_width=0.01),
            )
        )
    text = repr([(s.name, s.after, s.locks, s.exclusive) for s in shape])
    return Profile(
        makespan_version=__version__,
        dag=DagId(name, fingerprint or hashlib.sha256(text.encode()).hexdigest()),
        machine=msgspec.structs.replace(MACHINE, cores=cores, gil=gil),
        runs=(RunHeader("made", "2025-01-01T00:00:00Z", 5, sampler),),  # type: ignore[arg-type]
        shape=shape,
        nodes=tuple(node for node in nodes if node.name not in missing),
    )


def _each(names: Sequence[str], values: Any, absent: Any = None) -> dict[str, Any]:
    """One value for each name, from a mapping, a sequence or a single value."""
    if isinstance(values, Mapping):
        return {name: values.get(name, absent) if absent is not None else values[name] for name in names}
    if isinstance(values, (int, float, str)):
        return dict.fromkeys(names, values)
    return dict(zip(names, values, strict=True))
