"""Questions as profiles: what would be measured if a node were faster, or if there were no GIL.

Everything after a profile (bounds, search, simulator, plan) takes one as input; so a question is a function
from a profile to a profile, and nothing else has to know of it. They compose: twice as fast and twice as fast
again is four times as fast.

What was measured of two nodes side by side is kept as speeds, not as seconds: with A and B alone, and a to
end first after T_a, a went at speed A / T_a, and b at 1 − (T_b − B) / T_a as long as a ran, at full speed
after that. A node that is faster then leaves the other sooner.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.errors import OptionError
from makespan.measurement import Spread, ThreadTrials
from makespan_optimizer.instance import MOST_SECONDS
from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import Cuts, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from makespan.measurement import Call, NodeProfile, PairTrial, ThreadTrial
    from makespan.profile import Profile

MOST_FACTOR = 1e6
_NO_GIL_SHARE = 0.02
_HOLD_THE_GIL = ("python", "holds", "chatty")


def scaled(profile: Profile, factors: Mapping[str, float]) -> Profile:
    """Return a profile in which nodes take `factor` times as long, all their phases alike.

    What they pass on stays as large as it is, and costs as much to pickle.

    Raises
    ------
    ProfileError
        The DAG has no such node, or it was not measured.
    OptionError
        A factor is not a number from 0 to 1,000,000, or makes a node longer than can be planned.
    """
    for name, factor in factors.items():
        profile.node(name)
        _check_factor(name, factor)
    kept = {name: float(factor) for name, factor in factors.items() if factor != 1}
    nodes = tuple(_scaled_node(n, kept[n.name]) if n.name in kept else n for n in profile.nodes)
    pairs = tuple(
        _scaled_pair(pair, [kept.get(name, 1.0) for name in pair.nodes])
        if kept.keys() & set(pair.nodes)
        else pair
        for pair in profile.pairs
    )
    return msgspec.structs.replace(profile, nodes=nodes, pairs=pairs)


def without_gil(profile: Profile) -> Profile:
    """Return a profile of the same work under a Python without a GIL: the seconds in it are native CPU time.

    Not counted: that a free-threaded interpreter runs a single thread a little slower (scale the nodes for
    that), and that a node's own threads wait less for each other. Pairs that hold next to no GIL keep what
    was measured of them; with the others it was the GIL that was measured.
    """
    held = {node.name for node in profile.nodes if node.gil_s > _NO_GIL_SHARE * node.wall_net_s.median}
    pairs = tuple(pair for pair in profile.pairs if not held & set(pair.nodes))
    return msgspec.structs.replace(
        profile,
        machine=msgspec.structs.replace(profile.machine, gil=False),
        nodes=tuple(map(_freed_node, profile.nodes)),
        pairs=pairs if profile.machine.gil else profile.pairs,
    )


def in_process(profile: Profile, names: Iterable[str]) -> Profile:
    """Return a profile in which each of these nodes runs in a worker process of its own, pickling paid for.

    So do those that are declared to.

    Raises
    ------
    ProfileError
        The DAG has no such node, or one was not measured.
    OptionError
        What a node takes or returns cannot be sent to a process, or it is not known what that costs.
    """
    listed = list(dict.fromkeys(names))
    known = {node.name for node in profile.nodes}
    for name in (*listed, *(shape.name for shape in profile.shape)):
        if name not in known:
            profile.node(name)  # says what is wrong
    cuts = Cuts(profile)
    number = {name: i for i, name in enumerate(cuts.structure.names)}
    listed = [name for name in listed if not cuts.declared >> number[name] & 1]
    parts = [Part(1 << number[name], worker=worker) for worker, name in enumerate(listed)]
    for name, part in zip(listed, parts, strict=True):
        fault = cuts.faults[number[name]] or cuts.crossing(part.members, 0).fault
        if fault:
            raise OptionError(f"cannot run in a process: {fault}", where=f"node {name!r}")
    made = contract(cuts, parts)
    # A part of one node takes the place of that node, and may bear its name again.
    own = dict(zip(made.names, listed, strict=True))
    nodes = tuple(
        msgspec.structs.replace(node, name=own.get(node.name, node.name)) for node in made.profile.nodes
    )
    shapes = tuple(msgspec.structs.replace(shape, process=False) for shape in profile.shape)
    return msgspec.structs.replace(made.profile, shape=shapes, nodes=nodes)


def _check_factor(name: str, factor: Any) -> None:
    if (
        isinstance(factor, bool)
        or not isinstance(factor, int | float)
        or not math.isfinite(factor)
        or not 0 <= factor <= MOST_FACTOR
    ):
        raise OptionError(
            f"a factor is a number from 0 to {MOST_FACTOR:,.0f}, not {factor!r}", where=f"node {name!r}"
        )


def _scaled_node(node: NodeProfile, factor: float) -> NodeProfile:
    longest_s = (
        max(node.wall_net_s.median, node.wall_net_s.p90, node.first_s or 0.0, *_samples(node)) * factor
    )
    if longest_s > MOST_SECONDS:
        raise OptionError(
            f"{factor:g} times as long is {longest_s:g} s: a node takes {MOST_SECONDS:g} s at most",
            where=f"node {node.name!r}",
        )
    return msgspec.structs.replace(
        node,
        wall_net_s=_scaled_spread(node.wall_net_s, factor),
        **_times(
            node,
            factor,
            ("cpu_s", "gil_s", "native_s", "first_s", "other_cpu_s", "gil_wait_s"),
            ("run_delay_s", "gil_burst_max_s", "gc_s"),
        ),
        blocked_s={kind: value * factor for kind, value in node.blocked_s.items()},
        native_threads=None if node.native_threads is None else _scaled_trials(node.native_threads, factor),
        calls=tuple(_scaled_call(call, factor) for call in node.calls),
    )


def _samples(node: NodeProfile) -> tuple[float, ...]:
    return (*node.wall_net_s.samples, *(call.wall_s for call in node.calls))


def _times(struct: Any, factor: float, *names: tuple[str, ...]) -> dict[str, Any]:
    """Return fields in seconds, times the factor; None stays None."""
    values = {name: getattr(struct, name) for some in names for name in some}
    return {name: None if value is None else value * factor for name, value in values.items()}


def _scaled_spread(spread: Spread, factor: float) -> Spread:
    return Spread(
        spread.median * factor,
        spread.p10 * factor,
        spread.p90 * factor,
        tuple(value * factor for value in spread.samples),
    )


def _scaled_call(call: Call, factor: float) -> Call:
    return msgspec.structs.replace(
        call,
        **_times(
            call,
            factor,
            ("wall_s", "cpu_s", "other_cpu_s", "other_gil_s", "run_delay_s", "gil_wait_s"),
            ("gil_burst_max_s", "gc_s"),
        ),
        blocked_s={kind: value * factor for kind, value in call.blocked_s.items()},
    )


def _scaled_trials(trials: ThreadTrials, factor: float) -> ThreadTrials:
    def trial(its: ThreadTrial) -> ThreadTrial:
        return msgspec.structs.replace(its, wall_s=its.wall_s * factor, cpu_s=its.cpu_s * factor)

    return ThreadTrials(trials.limited, trial(trials.default), tuple(map(trial, trials.tried)))


def _scaled_pair(pair: PairTrial, factors: list[float]) -> PairTrial:
    alone = [wall * factor for wall, factor in zip(pair.alone_s, factors, strict=True)]
    a, b = (0, 1) if pair.together_s[0] <= pair.together_s[1] else (1, 0)
    first_s = pair.together_s[a]
    speed = [1.0, 1.0]
    if first_s > 0:
        speed[a] = pair.alone_s[a] / first_s
        speed[b] = 1 - (pair.together_s[b] - pair.alone_s[b]) / first_s
    # How long each would take beside the other: who needs less time ends first, and leaves the rest alone.
    needs = [
        wall / its if its > 0 else math.inf if wall else 0.0 for wall, its in zip(alone, speed, strict=True)
    ]
    if needs[b] < needs[a]:
        a, b = b, a
    together = [0.0, 0.0]
    together[a] = needs[a] if needs[a] < math.inf else alone[a]
    together[b] = together[a] + alone[b] - speed[b] * together[a]
    return msgspec.structs.replace(pair, alone_s=(alone[0], alone[1]), together_s=(together[0], together[1]))


def _freed_node(node: NodeProfile) -> NodeProfile:
    return msgspec.structs.replace(
        node,
        cpu_s=max(node.cpu_s, node.gil_s - node.other_cpu_s),
        gil_s=0.0,
        native_s=node.native_s + node.gil_s,
        gil_retakes=None if node.gil_retakes is None else 0,
        gil_burst_max_s=None,
        kind="native" if node.kind in _HOLD_THE_GIL else node.kind,
        calls=tuple(_freed_call(call) for call in node.calls),
    )


def _freed_call(call: Call) -> Call:
    return msgspec.structs.replace(
        call,
        gil_share=None if call.gil_share is None else 0.0,
        other_gil_s=0.0,
        gil_retakes=None if call.gil_retakes is None else 0,
        gil_burst_max_s=None,
    )
