"""One search for a plan, with native threads as they are, as the search chooses, or one a node.

Limits on native pools hold for the whole process: where some nodes have one thread and others as many as they
like, those beside each other get the smaller number. One thread for every node has no such doubt, and where
there are as many threads as cores it is what people set by hand; so it is a way of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from makespan_optimizer.modes.native import apply_native, choices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.plan import Plan
    from makespan.profile import Profile

Limits = Literal["as they are", "chosen", "one"]

_POOLED = 1.2  # cores at once: beyond, there is a native pool


def pooled(profile: Profile) -> dict[str, int]:
    """Return one native thread for each node with native pools."""
    return {
        node.name: 1
        for node in profile.nodes
        if 1 in choices(node)
        or (node.native_threads is None and node.kind == "parallel" and node.cores_peak > _POOLED)
    }


def limited(profile: Profile, native: Mapping[str, int]) -> Profile:
    """Return the profile under limits of native threads, as far as they were measured."""
    measured = {
        node.name: native[node.name]
        for node in profile.nodes
        if node.name in native and native[node.name] in choices(node)
    }
    return apply_native(profile, measured)


def marked(plan: Plan, native: Mapping[str, int]) -> Plan:
    """Return the plan with these limits of native threads."""
    nodes = tuple(
        msgspec.structs.replace(node, native_threads=native[node.name]) if node.name in native else node
        for node in plan.nodes
    )
    return msgspec.structs.replace(plan, nodes=nodes)


def limits_of(plan: Plan, profile: Profile) -> Limits:
    """Say how a plan treats native threads."""
    has = {node.name for node in plan.nodes if node.native_threads is not None}
    if not has:
        return "as they are"
    one = all(node.native_threads in (None, 1) for node in plan.nodes)
    return "one" if one and has == set(pooled(profile)) else "chosen"


def searched(
    profile: Profile, threads: int, processes: int, limits: Limits, *, time_limit_s: float, seed: int
) -> Plan:
    """Return a plan for a budget, so many worker processes at most, and native threads by `limits`.

    Raises
    ------
    MakespanError
        As `optimize`.
    """
    native = pooled(profile) if limits == "one" else {}
    plan = limited(profile, native).optimize(
        threads=threads,
        time_limit_s=time_limit_s,
        seed=seed,
        what_if=[threads],
        **({"processes": processes} if processes else {}),
        **({"native_threads": True} if limits == "chosen" else {}),
    )
    return marked(plan, native)
