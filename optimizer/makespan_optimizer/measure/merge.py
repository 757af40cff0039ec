"""Two profiles of one DAG on one machine become one: calls are united by run, and figures computed anew.

Merging is idempotent (a run counts once), and the order in which profiles come does not matter: runs are
sorted by their time. Of each node the youngest calls are kept, `MAX_CALLS` at most; the oldest runs go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.errors import ProfileError
from makespan.profile import MAX_CALLS, Call, NodeProfile, Profile
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.pairs import merged_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.measurement import SamplerSource


def merge_profiles(old: Profile, new: Profile, *, where: str | None = None) -> Profile:
    """Return the runs of both, as one profile.

    Parameters
    ----------
    old, new : Profile
        `new` says what the DAG looks like (places, tags), when both do.
    where : str, optional
        The file of `old`, for errors.

    Raises
    ------
    ProfileError
        They are of another DAG or another machine.
    """
    replace = "-f replaces it"
    if old.dag.fingerprint != new.dag.fingerprint:
        problem = f"is a profile of another DAG ({old.dag.name!r}), or of this one before it changed"
        raise ProfileError(problem, where=where, hint=replace)
    differences = old.machine.differences(new.machine)
    if differences:
        problem = f"is a profile of another machine ({'; '.join(differences)})"
        raise ProfileError(problem, where=where, hint=replace)
    headers = {header.id: header for header in (*old.runs, *new.runs)}
    samplers = {header.id: header.sampler for header in headers.values()}
    order = {header.id: i for i, header in enumerate(sorted(headers.values(), key=lambda h: (h.at, h.id)))}
    before = {node.name: node for node in old.nodes}
    after = {node.name: node for node in new.nodes}
    nodes = []
    for shape in new.shape:
        found = [node for node in (before.get(shape.name), after.get(shape.name)) if node is not None]
        if found:
            nodes.append(_merged(found, order, samplers, new))
    pairs = merged_pairs(
        old.pairs,
        new.pairs,
        {shape.name: i for i, shape in enumerate(new.shape)},
        stale=[
            name
            for name, node in after.items()
            if name in before and before[name].code != node.code and before[name].code
        ],
    )
    kept = {call.run for node in nodes for call in node.calls}
    outlived = {call.run for profile in (old, new) for node in profile.nodes for call in node.calls} - kept
    return msgspec.structs.replace(
        new,
        runs=tuple(headers[run] for run in order if run not in outlived),
        nodes=tuple(nodes),
        pairs=pairs,
        dropped=(),
    )


def _merged(
    found: Sequence[NodeProfile],
    order: Mapping[str, int],
    samplers: Mapping[str, SamplerSource],
    profile: Profile,
) -> NodeProfile:
    """Unite the records of one node. Without calls (a profile made by hand) the newer record stands."""
    if len(found) == 1 and not found[0].calls:
        return found[0]
    by_run: dict[str, tuple[Call, ...]] = {}
    for node in found:
        for run in dict.fromkeys(call.run for call in node.calls):
            calls = tuple(call for call in node.calls if call.run == run)
            if len(calls) > len(by_run.get(run, ())):
                by_run[run] = calls
    if not by_run:
        return found[-1]
    runs = sorted(by_run, key=lambda run: (order.get(run, -1), run))
    united = [call for run in runs for call in by_run[run]]
    merged = summarize(
        found[-1].name,
        latest(united),
        first_s=max((node.first_s for node in found if node.first_s is not None), default=None),
        out_bytes=max((node.out_bytes for node in found if node.out_bytes is not None), default=None),
        gil=profile.machine.gil,
        switch_interval_s=profile.machine.switch_interval_s,
        samplers=samplers,
    )
    newest = found[-1]
    return msgspec.structs.replace(
        merged,
        args_pickling=newest.args_pickling or found[0].args_pickling,
        result_pickling=newest.result_pickling or found[0].result_pickling,
        native_threads=newest.native_threads or found[0].native_threads,
        code=newest.code,
    )


def latest(calls: Sequence[Call]) -> Sequence[Call]:
    """Return the calls that a profile keeps of a node: the last `MAX_CALLS`."""
    return calls[-MAX_CALLS:]
