"""Many tasks of one kind share what is known of them: large graphs without running everything five times.

A dask graph of 10,000 tasks has a dozen kinds of tasks. One counted run calls each kind often enough to say
what such a task does with its time (holds the GIL, runs native code, waits), although each single task is too
short, or was called too seldom, for that. So shares and class are the kind's, pooled over all of its calls;
how long a task takes stays its own, since its piece may be larger than others.

Nodes are of one kind when they have the same tags (as `makespan.adapters.from_dask` gives them); a node
without tags is alone. Pure, but for `profile_by_kind`, which runs the DAG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from makespan.measurement import Spread
from makespan_optimizer.measure.estimate import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.graph import DAG
    from makespan.measurement import NodeProfile, SamplerSource
    from makespan.profile import Profile

_TIMES = ("cpu_s", "gil_s", "native_s", "other_cpu_s", "gil_wait_s")
_COUNTS = ("gil_retakes", "nvcsw", "nivcsw", "minflt")


def profile_by_kind(dag: DAG[..., Any], *args: Any, runs: int = 1, **options: Any) -> Profile:
    """Run a DAG once to warm up and `runs` times to measure, and pool what its nodes do by kind.

    Parameters
    ----------
    dag : DAG
    *args
        Its inputs.
    runs : int
        Counted runs.
    **options
        Those of `makespan.DAG.profile`, and inputs by name. Unless they say so, nodes are neither tried side
        by side nor pickled.

    Raises
    ------
    DescribeError, OptionError, ProfileError
        Before anything runs.
    """
    said: dict[str, Any] = {"trials": False, "pickling": False, **options}
    return pooled(dag.profile(*args, runs=runs, **said))


def pooled(profile: Profile) -> Profile:
    """Return a profile whose nodes have their own duration, divided and classed as their kind."""
    found = kinds(profile)
    kind_of = _kind_of(profile)
    nodes = tuple(
        _like(node, found[kind_of[node.name]]) if node.calls and kind_of[node.name] in found else node
        for node in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


def kinds(profile: Profile) -> dict[str, NodeProfile]:
    """Return the figures of each kind of node, most seconds in all first.

    Returns
    -------
    dict of str to NodeProfile
        By kind: its tags, joined by commas; of a node without tags its name. `runs` counts the calls of all
        nodes of the kind; `wall_net_s` is that of one node.
    """
    kind_of = _kind_of(profile)
    calls: dict[str, list[Any]] = {}
    for node in profile.nodes:
        if node.calls:
            calls.setdefault(kind_of[node.name], []).extend(node.calls)
    samplers: dict[str, SamplerSource] = {run.id: run.sampler for run in profile.runs}
    machine = profile.machine
    made = {
        kind: summarize(
            kind, its, gil=machine.gil, switch_interval_s=machine.switch_interval_s, samplers=samplers
        )
        for kind, its in calls.items()
    }
    return dict(sorted(made.items(), key=lambda item: (-_total_s(item[1]), item[0])))


def _kind_of(profile: Profile) -> Mapping[str, str]:
    return {shape.name: ", ".join(shape.tags) or shape.name for shape in profile.shape}


def _total_s(kind: NodeProfile) -> float:
    return sum(kind.wall_net_s.samples)


def _like(node: NodeProfile, kind: NodeProfile) -> NodeProfile:
    """Return a node with its own duration, divided as its kind divides it."""
    own = node.wall_net_s
    if all(call.spoiled for call in node.calls):  # others had the cores: its kind knows better
        own = Spread(kind.wall_net_s.median, kind.wall_net_s.p10, kind.wall_net_s.p90, own.samples)
    per = own.median / kind.wall_net_s.median if kind.wall_net_s.median > 0 else 0.0
    counts = {name: getattr(kind, name) for name in _COUNTS}
    return msgspec.structs.replace(
        node,
        wall_net_s=own,
        **{name: getattr(kind, name) * per for name in _TIMES},
        **{name: None if its is None else round(its * per) for name, its in counts.items()},
        blocked_s={cause: its * per for cause, its in kind.blocked_s.items()},
        gil_burst_max_s=kind.gil_burst_max_s,
        cores_peak=kind.cores_peak,
        threads_used=kind.threads_used,
        kind=kind.kind,
        class_confidence=kind.class_confidence,
        quality=msgspec.structs.replace(
            node.quality,
            gil_share_half_width=kind.quality.gil_share_half_width,
            samples=kind.quality.samples,
        ),
    )
