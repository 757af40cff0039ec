"""Which nodes run in worker processes, and with how many native threads: chosen under the simulator.

Native threads first, as if all nodes ran in threads; then clusters with those; then native threads again,
with the clusters as they are. Nothing is chosen that does not help: clusters stay only if the makespan
without any is at least 3 % longer (`makespan_optimizer.modes.worth`), a limit of native threads only if it is
longer at all, and none of them if all together gain less than 2 %. Smaller gains in a simulator tend to
vanish when they are measured. For clusters a node holds the GIL only as far as that was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.describing.options import MAX_THREADS
from makespan.errors import OptionError, did_you_mean
from makespan.plan import PlanCluster
from makespan_optimizer.modes.clusters import Cutter, State
from makespan_optimizer.modes.contract import Contracted, as_declared, contract
from makespan_optimizer.modes.crowded import with_crowding
from makespan_optimizer.modes.cuts import Cuts, Part
from makespan_optimizer.modes.judge import Judge
from makespan_optimizer.modes.native import apply_native, choices, descend, with_threads
from makespan_optimizer.modes.worth import Looks, described, worth_it
from makespan_optimizer.options import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from makespan.profile import Profile
    from makespan_optimizer.instance import Statistic

WORTH_NATIVE = 0.02  # all limits of native threads together
WORK = 200_000  # nodes to simulate
_NATIVE = 0.5  # of the work that is left, for each choice of native threads
MOST_PROCESSES = 64
MOST_NODES = 4_000  # for clusters


class ModeChoice(msgspec.Struct, frozen=True):
    """How nodes run; nodes that are not named run in threads, with as many native threads as they like."""

    native_threads: tuple[tuple[str, int], ...] = ()
    """Sorted by name."""
    clusters: tuple[PlanCluster, ...] = ()
    makespan_s: float = 0.0
    """Expected with these modes, by a short search."""
    without_s: float = 0.0
    """Expected without any, by the same search."""
    complete: bool = False
    """Every way to cut the DAG was tried."""
    cut_short: bool = False
    """The time was up before the work was done: another machine may choose otherwise."""
    reasons: tuple[tuple[str, str], ...] = ()
    """Nodes that cannot run in a worker, and why."""

    @property
    def threads_of(self) -> dict[str, int]:
        """Native threads by node."""
        return dict(self.native_threads)


class Wanted(msgspec.Struct, frozen=True):
    """Modes that are given."""

    process: tuple[str, ...] = ()
    thread: tuple[str, ...] = ()
    native: dict[str, int] = {}
    once: tuple[str, ...] = ()
    """Sources that never run again in a worker."""


def choose_modes(
    profile: Profile,
    budget: int,
    *,
    processes: int = 0,
    native: bool = False,
    seed: int = 0,
    over: Callable[[], bool] = lambda: False,
    late: Callable[[], bool] | None = None,
    work: float = WORK,
    cores: float | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
    wanted: Wanted = Wanted(),  # noqa: B008 (frozen)
    say: Callable[[float], None] | None = None,
) -> ModeChoice:
    """Choose modes for a thread budget.

    Parameters
    ----------
    profile : Profile
    budget : int
        Threads; one of them waits for each cluster that runs.
    processes : int
        Worker processes to use at most; 0: none, except for nodes that `wanted` puts into one.
    native : bool
        Choose the native threads of nodes that have trials.
    seed : int
    over : callable
        Says whether the time of the search is up.
    late : callable, optional
        Says whether the time is up in which parts that gain too little are left out; it is not if omitted.
    work : float
        Nodes to simulate at most.
    cores, first_call, statistic : as for `makespan_optimizer.instance.instance_of`
    wanted : Wanted
        Modes that are given.
    say : callable, optional
        Told the best makespan so far, in seconds.

    Raises
    ------
    OptionError
        `budget` or `processes` is no number that it can be, or the DAG has more than 4,000 nodes; a mode that
        is wanted cannot be had, or is wanted of a node that the DAG has not.
    """
    whole("processes", processes, 0, MOST_PROCESSES)
    workers = processes or (1 if wanted.process else 0)
    if workers and len(profile.shape) > MOST_NODES:
        raise OptionError(
            f"worker processes are chosen for up to {MOST_NODES:,} nodes, and this DAG has "
            f"{len(profile.shape):,}",
            where="processes",
        )
    _check_names(profile, (*wanted.process, *wanted.thread, *wanted.native, *wanted.once), "wanted")
    judge = Judge(
        whole("threads", budget, 1, MAX_THREADS),
        cores=cores,
        first_call=first_call,
        statistic=statistic,
        seed=seed,
        over=over,
        late=late,
        work=work,
        say=say,
    )
    profile = with_crowding(profile)
    if workers:
        profile = _surely(profile)
    nodes = {node.name: node for node in profile.nodes}
    for name, m in wanted.native.items():
        with_threads(nodes[name], m)  # refuses what was not measured
    free = {node.name: choices(node) for node in profile.nodes if native and choices(node)}
    without_s = judge.close(as_declared(profile))
    threads = _threads(profile, judge, free, wanted, ())
    state: State = ()
    complete = False
    looks: Looks | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    if workers:
        cuts = Cuts(apply_native(profile, threads), wanted.thread, wanted.once)
        given = _given(cuts, wanted.process)
        cutter = Cutter(cuts, judge, workers, given, only_given=not processes)
        found = cutter.search()
        judge.use_reserve()
        looks = Looks(cuts, judge)
        state = worth_it(looks, found.states, given)
        complete = found.complete
        names = cuts.structure.names
        reasons = tuple((name, why) for name, why in zip(names, cuts.faults, strict=True) if why)
        before = threads
        if state and free and not judge.over():
            threads = _threads(profile, judge, free, wanted, state)
        if threads != before:
            looks = None
    else:
        judge.use_reserve()
    if looks is None:
        looks = Looks(Cuts(apply_native(profile, threads), wanted.thread, wanted.once), judge)
    makespan_s = looks.close(state)
    if threads.keys() - wanted.native.keys() and not state and makespan_s > without_s * (1 - WORTH_NATIVE):
        threads = dict(wanted.native)
        makespan_s = judge.close(as_declared(apply_native(profile, threads))) if threads else without_s
    return ModeChoice(
        tuple(sorted(threads.items())),
        described(looks, state, makespan_s),
        makespan_s,
        without_s,
        complete,
        judge.late,
        reasons,
    )


def applied(profile: Profile, choice: ModeChoice) -> Contracted:
    """Return the profile under a choice, with the names of the nodes that stand for clusters.

    Raises
    ------
    OptionError
        The choice is not one for this profile.
    """
    _check_names(profile, choice.threads_of, "native_threads")
    named = [name for cluster in choice.clusters for name in (*cluster.nodes, *cluster.again)]
    _check_names(profile, named, "clusters")
    cuts = Cuts(apply_native(with_crowding(profile), choice.threads_of))
    state = parts_of(cuts, choice.clusters)
    fault = cuts.allowed(state)
    if fault:
        raise OptionError(f"these clusters cannot be had: {fault}", where="clusters")
    return contract(cuts, state)


def apply(profile: Profile, choice: ModeChoice) -> Profile:
    """Return the profile that would be measured under a choice: native threads set, clusters one node each.

    Raises
    ------
    OptionError
        The choice is not one for this profile.
    """
    return applied(profile, choice).profile


def parts_of(cuts: Cuts, clusters: tuple[PlanCluster, ...]) -> State:
    """Return clusters as sets of bits, in their order."""
    number = {name: i for i, name in enumerate(cuts.structure.names)}
    return tuple(
        Part(
            sum(1 << number[name] for name in cluster.nodes),
            sum(1 << number[name] for name in cluster.again),
            cluster.worker,
        )
        for cluster in clusters
    )


def _check_names(profile: Profile, names: Iterable[str], where: str) -> None:
    known = {shape.name: None for shape in profile.shape}
    for name in names:
        if name not in known:
            raise OptionError(
                f"the DAG has no node {name!r}", where=where, hint=did_you_mean(name, list(known))
            )


def _surely(profile: Profile) -> Profile:
    """Return the profile with the GIL held only where that was measured.

    By clocks alone a matrix product looks like a Python loop, and a process for it like a gain.
    """
    nodes = tuple(
        node
        if node.quality.gil_share_half_width is not None or not node.gil_s
        else msgspec.structs.replace(
            node, gil_s=0.0, native_s=node.native_s + node.gil_s, cpu_s=max(node.cpu_s, node.gil_s)
        )
        for node in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


def _threads(
    profile: Profile,
    judge: Judge,
    free: Mapping[str, tuple[int, ...]],
    wanted: Wanted,
    state: State,
) -> dict[str, int]:
    if not free:
        return dict(wanted.native)
    known: dict[tuple[tuple[str, int], ...], float] = {}

    def score(threads: dict[str, int]) -> float:
        key = tuple(sorted(threads.items()))
        if key not in known:
            changed = apply_native(profile, threads)
            changed = contract(Cuts(changed), state, calls=False).profile if state else as_declared(changed)
            known[key] = judge.quick(changed)[1]
        return known[key]

    until = judge.simulated + _NATIVE * judge.left

    def over() -> bool:
        return judge.over() or judge.simulated >= until

    return descend(free, score, over, fixed=wanted.native)


def _given(cuts: Cuts, names: tuple[str, ...]) -> tuple[int, ...]:
    number = {name: i for i, name in enumerate(cuts.structure.names)}
    for name in names:
        i = number[name]
        fault = cuts.faults[i] or cuts.crossing(1 << i, 0).fault
        if fault:
            raise OptionError(f"node {name!r} cannot run in a process: {fault}", where="process")
    return tuple(number[name] for name in names)
