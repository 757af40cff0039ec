"""What a profile's trials say in a sentence: pools that oversubscribe, better switch intervals. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from makespan.preparing.order import bottom_levels
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.measurement import PairTrial, ThreadTrial, ThreadTrials
    from makespan.profile import Profile

WORTH_SHARE = 0.1  # less is not worth a sentence
WORTH_S = 0.005
LEAST_REPEATS = 3  # fewer, and a difference may be chance
# RunHeader.calibration: a whole run in parallel, with the libraries' own numbers of threads and with one.
PARALLEL_DEFAULT = "parallel_own_threads_s"
PARALLEL_ONE = "parallel_one_thread_s"

LOADED_SHARE = 0.1  # of the cores, taken by others: then a sentence says so

# What limits a pool from outside, by its name in `ThreadTrials.limited`.
_REMEDIES = {
    "openblas": "OPENBLAS_NUM_THREADS={}",
    "mkl": "MKL_NUM_THREADS={}",
    "blis": "BLIS_NUM_THREADS={}",
    "openmp": "OMP_NUM_THREADS={}",
    "torch": "OMP_NUM_THREADS={}",
    "faiss": "OMP_NUM_THREADS={}",
    "numexpr": "NUMEXPR_NUM_THREADS={}",
    "numba": "NUMBA_NUM_THREADS={}",
    "environment": "OMP_THREAD_LIMIT={}",
    "cv2": "cv2.setNumThreads({})",
    "pyarrow": "pyarrow.set_cpu_count({})",
    "duckdb": "SET threads = {} in duckdb",
}


class Advice(NamedTuple):
    """Something to change, and what it is worth.

    Attributes
    ----------
    text : str
        One sentence.
    now_s, then_s : float
        Seconds as it is, and with the change.
    measured : bool
        Both were measured; else estimated from single nodes.
    """

    text: str
    now_s: float
    then_s: float
    measured: bool


def oversubscription(profile: Profile) -> Advice | None:
    """Say whether the native libraries' own numbers of threads cost time, and how much.

    They do when nodes in parallel want more cores together than there are, or when single nodes are slower
    with many threads than with few. In the order of trust: two whole runs in parallel, if they were measured;
    the nodes' own trials; what these add up to in parallel.
    """
    trials = {
        node.name: node.native_threads
        for node in profile.nodes
        if node.native_threads is not None and node.native_threads.tried
    }
    if not trials:
        return None
    own = f"the libraries' own {plural(max(its.default.threads for its in trials.values()), 'thread')}"
    after = _load(profile)
    both = {PARALLEL_DEFAULT, PARALLEL_ONE}
    figures = next((its.calibration for its in reversed(profile.runs) if both <= its.calibration.keys()), {})
    if figures and _worth(figures[PARALLEL_DEFAULT], figures[PARALLEL_ONE]):
        now_s, then_s = figures[PARALLEL_DEFAULT], figures[PARALLEL_ONE]
        text = f"{seconds(now_s)} in parallel with {own}, {seconds(then_s)} with one thread a node"
        text = f"native pools oversubscribe: {text}; {_remedy(trials, 1)}{after}"
        return Advice(text, now_s, then_s, measured=True)
    defaults = {name: its.default for name, its in trials.items()}
    choices = _choices(trials)
    now_s = _sum_s(defaults)
    m = min(choices, key=lambda m: (_sum_s(choices[m]), m))
    then_s = _sum_s(choices[m])
    if _worth(now_s, then_s):
        which = f"{plural(len(trials), 'node')} take {seconds(now_s)} one after the other with {own}"
        text = f"fewer native threads are faster: {which}, {seconds(then_s)} with {m}"
        return Advice(f"{text}; {_remedy(trials, m)}{after}", now_s, then_s, measured=True)
    if figures:
        return None
    now_s = estimated_s(profile, defaults)
    m = min(choices, key=lambda m: (estimated_s(profile, choices[m]), m))
    then_s = estimated_s(profile, choices[m])
    if not _worth(now_s, then_s):
        return None
    text = f"an estimated {seconds(now_s)} in parallel with {own}, {seconds(then_s)} with {m}"
    text = f"native pools oversubscribe: {text}; {_remedy(trials, m)}{after}"
    return Advice(text, now_s, then_s, measured=False)


def estimated_s(profile: Profile, chosen: Mapping[str, ThreadTrial]) -> float:
    """Return what a run in parallel takes at least: its critical path, or its CPU time over the cores.

    Parameters
    ----------
    profile : Profile
    chosen : mapping of node name to ThreadTrial
        Duration and CPU time of these nodes; the others' are those of the profile.
    """
    walls_s, cpu_s = {}, 0.0
    for node in profile.nodes:
        trial = chosen.get(node.name)
        walls_s[node.name] = trial.wall_s if trial is not None else node.wall_net_s.median
        cpu_s += trial.cpu_s if trial is not None else node.cpu_s + node.other_cpu_s
    structure = profile.structure()
    levels = bottom_levels(structure, [walls_s.get(name, 0.0) for name in structure.names])
    return max(max(levels, default=0.0), cpu_s / profile.machine.cores)


def switch_interval(profile: Profile) -> Advice | None:
    """Say whether a shorter switch interval helps two nodes that were tried with several, and how much."""
    best: Advice | None = None
    by_nodes: dict[tuple[str, str], list[PairTrial]] = {}
    for pair in profile.pairs:
        if pair.like is None and not pair.limited:
            by_nodes.setdefault(pair.nodes, []).append(pair)
    for nodes, pairs in by_nodes.items():
        usual = max(pairs, key=lambda its: its.switch_interval_s)
        other = min(pairs, key=lambda its: (its.makespan_s, -its.switch_interval_s))
        now_s, then_s = usual.makespan_s, other.makespan_s
        if _worth(now_s, then_s) and (best is None or now_s - then_s > best.now_s - best.then_s):
            a, b = (clean(name, 40) for name in nodes)
            text = (
                f"with a switch interval of {seconds(other.switch_interval_s)} {a} and {b} together take "
                f"{seconds(then_s)} instead of {seconds(now_s)} (sys.setswitchinterval("
                f"{other.switch_interval_s:g}))"
            )
            best = Advice(text, now_s, then_s, measured=True)
    return best


def losses(profile: Profile, most: int = 3) -> list[Advice]:
    """Name measured pairs that take longer together than one after the other, the worst first."""
    found = []
    interval_s = profile.machine.switch_interval_s
    for pair in profile.pairs:
        apart_s = sum(pair.alone_s)
        own = pair.like is None and not pair.limited
        if own and pair.switch_interval_s == interval_s and _lost(pair, apart_s):
            a, b = (clean(name, 40) for name in pair.nodes)
            beside = f"{a} and {b} take {seconds(pair.makespan_s)} together"
            text = f"{beside}, {seconds(apart_s)} one after the other"
            found.append(Advice(text, pair.makespan_s, apart_s, measured=True))
    return sorted(found, key=lambda its: its.then_s - its.now_s)[:most]


def beside_advices(profile: Profile) -> list[Advice]:
    """Return what the trials of nodes side by side have to say."""
    advice = switch_interval(profile)
    return ([advice] if advice is not None else []) + losses(profile)


def advices(profile: Profile) -> list[Advice]:
    """Return everything that the trials have to say."""
    advice = oversubscription(profile)
    return ([advice] if advice is not None else []) + beside_advices(profile)


def _lost(pair: PairTrial, apart_s: float) -> bool:
    """Say whether a pair is slower together, beyond what its repeats differ by."""
    if pair.repeats < LEAST_REPEATS:
        return False
    return pair.makespan_s > apart_s * (1.03 + 2 * pair.spread / math.sqrt(pair.repeats))


def _worth(now_s: float, then_s: float) -> bool:
    return now_s - then_s > max(WORTH_S, WORTH_SHARE * now_s)


def _sum_s(chosen: Mapping[str, ThreadTrial]) -> float:
    return sum(its.wall_s for its in chosen.values())


def _choices(trials: Mapping[str, ThreadTrials]) -> dict[int, dict[str, ThreadTrial]]:
    """Return the same limit for all, for each that was tried; a node without it keeps its default.

    One number for all, not the best for each: the best of several noisy figures looks better than it is.
    """
    limits = sorted({trial.threads for its in trials.values() for trial in its.tried})
    return {
        m: {name: next((t for t in its.tried if t.threads == m), its.default) for name, its in trials.items()}
        for m in limits
    }


def _remedy(trials: Mapping[str, ThreadTrials], threads: int) -> str:
    names = {name for its in trials.values() for name in its.limited}
    found = dict.fromkeys(_REMEDIES[name].format(threads) for name in _REMEDIES if name in names)
    return f"limit them: {', '.join(found)}" if found else "limit their threads"


def _load(profile: Profile) -> str:
    taken = profile.runs[-1].load_share if profile.runs else None
    if taken is None or taken <= LOADED_SHARE:
        return ""
    return f" (measured while other processes took {percent(taken)} of the cores)"
