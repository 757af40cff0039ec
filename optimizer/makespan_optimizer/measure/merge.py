"""Two profiles of one DAG on one machine become one: calls are united by run, and figures computed anew.

Merging is idempotent (a run counts once), and the calls that come of it do not depend on the order in which
profiles come: runs are sorted by their time. What is not made of calls does: the second profile says what the
DAG looks like, its hints go before what was measured, and its trials and picklings before older ones.

Of each node the youngest calls are kept, `MAX_CALLS` at most, and each call of the newest run if that took
several sets of inputs; see `latest`. Measurements of code that has changed since are dropped.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import msgspec

from makespan.errors import ProfileError
from makespan.measured_pairs import merged_pairs
from makespan.profile import MAX_CALLS, Call, NodeProfile, Profile, ProfileWarning
from makespan.showing.words import some
from makespan_optimizer.measure.estimate import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.machine import Machine
    from makespan.measurement import SamplerSource
    from makespan.plan import DagId
    from makespan.profile import Shape


def merge_profiles(old: Profile, new: Profile, *, where: str | None = None, update: bool = False) -> Profile:
    """Return the runs of both, as one profile.

    Parameters
    ----------
    old, new : Profile
        `new` says what the DAG looks like (places, tags, code).
    where : str, optional
        The file of `old`, for errors.
    update : bool
        They may be of two states of the DAG: nodes of the same name and code keep their measurements.

    Raises
    ------
    ProfileError
        They are of another DAG or another machine, or were measured with other settings (thread variables,
        switch interval).

    Warns
    -----
    ProfileWarning
        The code of nodes changed (and `update` is not set): their old measurements are dropped.
    """
    ensure_mergeable(old, new.dag, new.machine, where=where, update=update)
    stale = stale_nodes(old, new.dag, new.shape)
    if stale and not update:
        warnings.warn(
            f"the code changed of {some(stale, 20)}: earlier measurements of it are dropped",
            ProfileWarning,
            stacklevel=3,
        )
    headers = {header.id: header for header in (*old.runs, *new.runs)}
    samplers = {header.id: header.sampler for header in headers.values()}
    order = {header.id: i for i, header in enumerate(sorted(headers.values(), key=lambda h: (h.at, h.id)))}
    before = {node.name: node for node in old.nodes if node.name not in stale}
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
        stale=stale,
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


def ensure_mergeable(
    old: Profile, dag: DagId, machine: Machine, *, where: str | None = None, update: bool = False
) -> None:
    """Refuse a profile of another DAG (unless it is updated), of another machine, or with other settings.

    Raises
    ------
    ProfileError
        It is one.
    """
    if old.dag.fingerprint != dag.fingerprint and not update:
        problem = f"is a profile of another DAG ({old.dag.name!r}), or of this one before it changed"
        hint = "-f replaces it, --update keeps the nodes that are the same"
        raise ProfileError(problem, where=where, hint=hint)
    differences = old.machine.differences(machine)
    if differences:
        problem = f"is a profile of another machine ({'; '.join(differences)})"
        raise ProfileError(problem, where=where, hint="-f replaces it")
    differences = old.machine.settings_differences(machine)
    if differences:
        problem = f"is a profile of another machine, as it is set up ({'; '.join(differences)})"
        raise ProfileError(problem, where=where, hint="set the same, or -f replaces it")


def stale_nodes(old: Profile, dag: DagId, shape: Sequence[Shape]) -> list[str]:
    """Return the nodes that were measured with other code than they have now.

    Where the code was not recorded, a node of the same DAG is taken to be the same, one of a changed DAG not.
    What was not measured but said (a hint) does not depend on code.
    """
    now = {its.name: its.code for its in shape}
    same = old.dag.fingerprint == dag.fingerprint

    def is_stale(node: NodeProfile) -> bool:
        if node.origin == "hint" or node.name not in now:
            return False
        known = bool(node.code and now[node.name])
        return node.code != now[node.name] if known else not same

    return [node.name for node in old.nodes if is_stale(node)]


def _merged(
    found: Sequence[NodeProfile],
    order: Mapping[str, int],
    samplers: Mapping[str, SamplerSource],
    profile: Profile,
) -> NodeProfile:
    """Unite the records of one node. Without calls (a profile made by hand) the newer record stands."""
    if found[-1].origin != "measured" or (len(found) == 1 and not found[0].calls):
        return found[-1]  # what is said goes before what was measured earlier
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
    """Return the calls that a profile keeps of a node, the oldest first.

    `MAX_CALLS`, or as many as the newest run has if it took several sets of inputs: no set is dropped. What
    is left for older runs goes to their sets in equal shares, the youngest calls of each.
    """
    if len(calls) <= MAX_CALLS:
        return calls
    newest = [call.inputs for call in calls if call.run == calls[-1].run]
    most = max(MAX_CALLS, len(newest)) if len(set(newest)) > 1 else MAX_CALLS
    younger: dict[int, int] = {}  # calls of each set after this one
    ranks = []
    for k in range(len(calls) - 1, -1, -1):
        its = calls[k]
        younger[its.inputs] = younger.get(its.inputs, -1) + 1
        ranks.append((its.run != calls[-1].run, younger[its.inputs], -k))
    return [calls[-k] for _, _, k in sorted(sorted(ranks)[:most], key=lambda rank: -rank[2])]
