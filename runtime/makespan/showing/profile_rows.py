"""A profile as flat rows, a node each: for pandas, for JSON, and for the table of the terminal.

Every name of a field ends with its unit; what is not known is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError, did_you_mean, missing_extra
from makespan.measurement import NodeProfile, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.measurement import ThreadTrials
    from makespan.profile import Profile

SORTS = ("wall", "gil", "native", "blocked", "name")
_BLOCKED = ("sleep", "io", "lock", "child", "other")


def shares(node: NodeProfile) -> dict[str, float]:
    """Return what a node does with its time, as shares that add up to 1 (all 0: nothing is known).

    In the order in which bars are filled, `makespan.showing.figures.PARTS`.

    >>> from makespan.measurement import NodeProfile, Spread
    >>> shares(NodeProfile("a", 1, Spread(2, 2, 2), 1.0, 0.5, 0.5, {"io": 1.0}))
    {'gil': 0.25, 'native': 0.25, 'blocked': 0.5, 'gil_wait': 0.0}
    """
    parts = {
        "gil": node.gil_s,
        "native": node.native_s,
        "blocked": node.blocked_total_s,
        "gil_wait": node.gil_wait_s,
    }
    whole = sum(parts.values())
    return {name: part / whole if whole > 0 else 0.0 for name, part in parts.items()}


def is_bound(node: NodeProfile) -> bool:
    """Say whether the GIL share is only an upper bound: not sampled, or a hint without a class."""
    return node.quality.gil_share_half_width is None and node.gil_s > 0


def by(nodes: Sequence[NodeProfile], sort: str) -> list[NodeProfile]:
    """Return the nodes sorted, most seconds first (by name: alphabetically).

    Raises
    ------
    OptionError
        No such order.
    """
    keys: dict[str, Callable[[NodeProfile], float]] = {
        "wall": lambda node: node.wall_net_s.median,
        "gil": lambda node: node.gil_s,
        "native": lambda node: node.native_s,
        "blocked": lambda node: node.blocked_total_s,
        "name": lambda _: 0.0,
    }
    if sort not in keys:
        hint = did_you_mean(str(sort), SORTS)
        raise OptionError(f"is one of {', '.join(SORTS)}, not {sort!r}", where="sort", hint=hint)
    key = keys[sort]
    return sorted(nodes, key=lambda node: (-key(node), node.name))


def rows(profile: Profile, sort: str | None = None) -> list[dict[str, Any]]:
    """Return a flat record for each node of the DAG, measured or not; seconds, bytes and counts as numbers.

    In the order of the profile unless `sort` is given; what is not known is None.
    """
    measured = {node.name: node for node in profile.nodes}
    unknown = dict.fromkeys(_record(_NOTHING))
    shapes = {shape.name: shape for shape in profile.shape}
    names = list(shapes)
    if sort is not None:
        ordered = [node.name for node in by(profile.nodes, sort)]
        names = ordered + [name for name in shapes if name not in measured]
    found = []
    for name in names:
        shape = shapes[name]
        its = _record(measured[name]) if name in measured else unknown
        found.append(
            {
                "name": name,
                **its,
                "after": list(shape.after),
                "locks": list(shape.locks),
                "exclusive": shape.exclusive,
                "tags": list(shape.tags),
                "location": shape.location,
            }
        )
    return found


def fields() -> frozenset[str]:
    """Return the names of all fields of a row."""
    return frozenset({*_record(_NOTHING), "name", "after", "locks", "exclusive", "tags", "location"})


_NOTHING = NodeProfile("?", 0, Spread(0, 0, 0), 0, 0, 0)


def _record(node: NodeProfile) -> dict[str, Any]:
    its = shares(node)
    spread, quality = node.wall_net_s, node.quality
    record: dict[str, Any] = {
        "class": node.kind,
        "class_confidence": node.class_confidence,
        "origin": node.origin,
        "runs": node.runs,
        "wall_net_s": spread.median,
        "wall_net_p10_s": spread.p10,
        "wall_net_p90_s": spread.p90,
        "wall_net_cv": quality.cv,
        "first_s": node.first_s,
        "cpu_s": node.cpu_s,
        "other_cpu_s": node.other_cpu_s,
        "gil_s": node.gil_s,
        "native_s": node.native_s,
        "blocked_s": node.blocked_total_s,
        "gil_wait_s": node.gil_wait_s,
        "run_delay_s": node.run_delay_s,
    }
    record |= {f"blocked_{kind}_s": node.blocked_s.get(kind, 0.0) for kind in _BLOCKED}
    record |= {f"{name}_share": share for name, share in its.items()}
    record |= {
        "gil_share_half_width": quality.gil_share_half_width,
        "gil_samples": quality.samples,
        "spoiled_calls": quality.spoiled,
        "run_delay_share": quality.run_delay_share,
        "gil_retakes": node.gil_retakes,
        "gil_burst_max_s": node.gil_burst_max_s,
        "cores_peak": node.cores_peak,
        "threads_used": node.threads_used,
        "gc_s": node.gc_s,
        "nvcsw": node.nvcsw,
        "nivcsw": node.nivcsw,
        "minflt": node.minflt,
        "out_bytes": node.out_bytes,
        "best_threads": best_threads(node.native_threads),
    }
    for what, pickling in (("args", node.args_pickling), ("result", node.result_pickling)):
        record[f"{what}_picklable"] = None if pickling is None else pickling.picklable
        record[f"{what}_pickle_s"] = None if pickling is None else pickling.pickle_s
        record[f"{what}_unpickle_s"] = None if pickling is None else pickling.unpickle_s
        record[f"{what}_bytes"] = None if pickling is None else pickling.bytes
    return record


def scenarios(profile: Profile) -> list[dict[str, float]]:
    """Return seconds by node for each counted run; see `makespan.Profile.scenarios`."""
    said = {node.name: node.wall_net_s.median for node in profile.nodes if not node.calls}
    by_run: dict[str, dict[str, list[float]]] = {run.id: {} for run in profile.runs}
    for node in profile.nodes:
        for call in node.calls:
            walls = by_run.setdefault(call.run, {}).setdefault(node.name, [])
            walls.append(max(0.0, call.wall_s - call.run_delay_s))
    found: list[dict[str, float]] = []
    for walls_of in by_run.values():
        if len(walls_of) + len(said) < len(profile.nodes):
            continue
        # Of the oldest run only the last calls may be left.
        count = min(map(len, walls_of.values()), default=0)
        found.extend(
            {
                node.name: said[node.name] if node.name in said else walls_of[node.name][k]
                for node in profile.nodes
            }
            for k in range(-count, 0)
        )
    return found or _by_sets(profile, said)


def _by_sets(profile: Profile, said: Mapping[str, float]) -> list[dict[str, float]]:
    """Join calls of different runs: by the number of the set of inputs, and by position from the latest."""
    walls: dict[int, dict[str, list[float]]] = {}
    for node in profile.nodes:
        for call in node.calls:
            its = walls.setdefault(call.inputs, {}).setdefault(node.name, [])
            its.append(max(0.0, call.wall_s - call.run_delay_s))
    found: list[dict[str, float]] = []
    for _, walls_of in sorted(walls.items()):
        if len(walls_of) + len(said) == len(profile.nodes):
            count = min(map(len, walls_of.values()))
            found.extend(
                {
                    node.name: said[node.name] if node.name in said else walls_of[node.name][k]
                    for node in profile.nodes
                }
                for k in range(-count, 0)
            )
    return found


def best_threads(trials: ThreadTrials | None) -> int | None:
    """Return the fewest native threads that come within 3 % of the node's best wall; None: not tried."""
    if trials is None or not trials.tried:
        return None
    best_s = min(trial.wall_s for trial in trials.tried)
    return min(trial.threads for trial in trials.tried if trial.wall_s <= 1.03 * best_s)


def to_frame(profile: Profile) -> Any:
    """Return the rows as a ``pandas.DataFrame``, indexed by the node's name, in the order of the DAG."""
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_extra("Profile.to_frame", "pandas", "optimize") from error
    found = rows(profile)
    return pd.DataFrame(found, columns=list(found[0]) if found else ["name"]).set_index("name")
