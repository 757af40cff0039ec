"""What two nodes take that run at the same time: predicted from each alone, beside what they really took.

    python benchmarks/pairs.py                    a table, about five minutes
    python benchmarks/pairs.py --seconds 60       as many pairs as that allows
    python benchmarks/pairs.py --json             profiles, pairs, errors
    python benchmarks/pairs.py --from FILE        predict again from what --json printed; nothing is measured

The workloads are those of `workloads.py`. Each is profiled alone by ``DAG.profile``. Then pairs are run for
real: a alone, b alone, both from a common start, in turn, at least five times; medians count, without the
runs whose threads waited markedly longer for a core than those of the quietest one.

Three models predict when the later of the two ends: *none* (they do not disturb each other), *sharing* (GIL
and cores are shared without loss, `makespan_optimizer.fluid`), *events* (`makespan_optimizer.contention`).
Every pair belongs to one of two halves by a hash of its names. Constants of a model may be chosen by the half
"tuned"; the half "held out" says how good it is. What is predicted is how much longer than alone: the
profile's seconds are scaled to what the workload took alone beside this very pair, so that a machine that
became slower meanwhile is not held against a model; the column "as profiled" goes without that.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan import DAG
from makespan.measurement import NodeProfile
from makespan_optimizer.contention import Demand, demand_of, together
from makespan_optimizer.fluid import shared_speeds
from makespan_optimizer.measure.clocks import Stopwatch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.workloads import missing, prepared, workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MODELS = ("none", "sharing", "events")
LEAST_REPEATS = 5
_QUIET = 0.03  # of the time; more delay than in the quietest run: other processes were at work
_MOST_TIMES = 3  # as many repeats as asked for, until so many were quiet


class Measured(msgspec.Struct, frozen=True):
    """A pair that was run: medians."""

    names: tuple[str, str]
    alone_s: tuple[float, float]
    together_s: tuple[float, float]
    spread: float
    repeats: int

    @property
    def held_out(self) -> bool:
        """Whether nothing may be tuned by this pair."""
        return hashlib.sha256(" ".join(sorted(self.names)).encode()).digest()[0] % 2 == 1


class Session(msgspec.Struct, frozen=True):
    """All that was measured; predictions follow from it."""

    cores: float
    hand_off_s: float
    switch_interval_s: float
    python: str
    nodes: tuple[NodeProfile, ...]
    pairs: tuple[Measured, ...]


class Predicted(NamedTuple):
    """Errors of a model for one pair, relative to what was measured."""

    makespan: float
    ends: tuple[float, float]


def predict(model: str, nodes: Sequence[Demand], session: Session) -> list[float]:
    """Return the seconds that each node takes from the common start."""
    if model == "none":
        return [node.wall_s for node in nodes]
    if model == "sharing":
        return _shared(nodes, session.cores)
    return together(
        nodes,
        round(session.cores),
        session.switch_interval_s,
        wake_s=session.hand_off_s,
    )


def _shared(nodes: Sequence[Demand], cores: float) -> list[float]:
    """Return the ends under capacity sharing, phase after phase."""
    left = [max(node.wall_s, 1e-9) for node in nodes]
    gil = [node.hold_s / wall_s for node, wall_s in zip(nodes, left, strict=True)]
    core = [
        (node.hold_s + node.native_s * node.width) / wall_s for node, wall_s in zip(nodes, left, strict=True)
    ]
    ends = [0.0] * len(nodes)
    running = list(range(len(nodes)))
    now = 0.0
    while running:
        speeds = shared_speeds([gil[i] for i in running], [min(cores, core[i]) for i in running], cores)
        until = [left[i] / speed for i, speed in zip(running, speeds, strict=True)]
        passed = min(until)
        first = running[until.index(passed)]
        for i, speed in zip(running, speeds, strict=True):
            left[i] -= passed * speed
        now += passed
        ends[first] = now
        running.remove(first)
    return ends


def scaled(node: Demand, factor: float) -> Demand:
    """Return a node on a machine that is slower by a factor."""
    return node._replace(
        hold_s=node.hold_s * factor,
        native_s=node.native_s * factor,
        blocked_s=node.blocked_s * factor,
        burst_s=node.burst_s * factor,
    )


def errors(session: Session, *, as_profiled: bool = False) -> list[tuple[Measured, dict[str, list[float]]]]:
    """Return for each pair what each model predicts."""
    alone = {node.name: demand_of(node) for node in session.nodes}
    rows = []
    for pair in session.pairs:
        nodes = [
            alone[name] if as_profiled else scaled(alone[name], alone_s / alone[name].wall_s)
            for name, alone_s in zip(pair.names, pair.alone_s, strict=True)
        ]
        rows.append((pair, {model: predict(model, nodes, session) for model in MODELS}))
    return rows


# -- measuring ---------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """One run: seconds to each end, and the share of time for which threads waited for a core."""

    ends_s: list[float]
    delayed: float


class Runner:
    """Two threads that begin at the same moment."""

    def __init__(self) -> None:
        self._starts = [threading.Semaphore(0), threading.Semaphore(0)]
        self._done = threading.Semaphore(0)
        self._fns: list[Callable[[], Any] | None] = [None, None]
        self._ends = [0.0, 0.0]
        self._delays_s = [0.0, 0.0]
        self._errors: list[BaseException] = []
        for i in range(2):
            threading.Thread(target=self._work, args=(i,), daemon=True).start()

    def _work(self, i: int) -> None:
        with Stopwatch() as watch:
            while True:
                self._starts[i].acquire()
                fn = self._fns[i]
                if fn is None:
                    return
                began = watch.begin()
                try:
                    fn()
                except BaseException as error:
                    self._errors.append(error)
                self._ends[i] = time.perf_counter()
                self._delays_s[i] = watch.end(began).run_delay_s
                self._done.release()

    def run(self, *fns: Callable[[], Any]) -> Run:
        """Call one or two functions together."""
        k = len(fns)
        self._fns[:k] = fns
        gc.collect()
        began = time.perf_counter()
        for start in self._starts[:k]:
            start.release()
        for _ in fns:
            self._done.acquire()
        if self._errors:
            raise self._errors[0]
        ends_s = [end - began for end in self._ends[:k]]
        return Run(ends_s, sum(self._delays_s[:k]) / max(ends_s))

    def close(self) -> None:
        """End the threads."""
        self._fns = [None, None]
        for start in self._starts:
            start.release()


def quiet(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that were delayed hardly more than the least delayed one."""
    least = min(run.delayed for run in runs)
    return [run for run in runs if run.delayed <= least + _QUIET]


def run_pair(
    runner: Runner, names: tuple[str, str], fns: tuple[Callable[[], Any], Callable[[], Any]], repeats: int
) -> Measured:
    """Run a pair for real, alone and together in turn, until enough runs of each kind were quiet."""
    kinds: list[tuple[Callable[[], Any], ...]] = [fns[:1], fns[1:], fns]
    found: list[list[Run]] = [[], [], []]
    for fn in kinds:
        runner.run(*fn)  # warms up
    for _ in range(_MOST_TIMES * repeats):
        for runs, fn in zip(found, kinds, strict=True):
            runs.append(runner.run(*fn))
        if min(len(quiet(runs)) for runs in found) >= repeats:
            break
    (a_s,), (b_s,), both_s = (
        [statistics.median(column) for column in zip(*(run.ends_s for run in quiet(runs)), strict=True)]
        for runs in found
    )
    ends = [max(run.ends_s) for run in quiet(found[2])]
    return Measured(
        names,
        (a_s, b_s),
        (both_s[0], both_s[1]),
        statistics.pstdev(ends) / statistics.fmean(ends),
        len(ends),
    )


def measure(wanted: Sequence[str], repeats: int, seconds: float, say: Callable[[str], None]) -> Session:
    """Profile each workload alone, then run as many pairs as time allows."""
    began = time.perf_counter()
    with ExitStack() as stack:
        fns: dict[str, list[Callable[[], Any]]] = {}
        for workload in workloads():
            if wanted and workload.name not in wanted:
                continue
            lacks = missing(workload)
            if lacks:
                say(f"{workload.name} needs {', '.join(lacks)} and is left out")
                continue
            say(f"preparing {workload.name}")
            ready = stack.enter_context(prepared(workload))
            twin = workload.setup(ready.size, stack)  # beside itself it needs inputs of its own
            fns[workload.name] = [ready.fn, twin]
        profile = _profile({name: both[0] for name, both in fns.items()}, say)
        pairs = [(a, b) for i, a in enumerate(fns) for b in list(fns)[i:]]
        pairs.sort(key=lambda names: hashlib.sha256(f"order {names}".encode()).digest())
        runner = Runner()
        stack.callback(runner.close)
        measured: list[Measured] = []
        for names in pairs:
            if time.perf_counter() - began > seconds:
                say(f"{len(measured)} of {len(pairs)} pairs in the time given")
                break
            a, b = names
            say(f"{len(measured) + 1} of {len(pairs)}: {a} beside {b}")
            measured.append(run_pair(runner, names, (fns[a][0], fns[b][1]), repeats))
    run = profile.runs[-1]
    return Session(
        cores=profile.machine.cores,
        hand_off_s=run.calibration.get("hand_off_s", 50e-6),
        switch_interval_s=profile.machine.switch_interval_s,
        python=profile.machine.python,
        nodes=tuple(msgspec.structs.replace(node, calls=()) for node in profile.nodes),
        pairs=tuple(measured),
    )


def _profile(fns: Mapping[str, Callable[[], Any]], say: Callable[[str], None]) -> Any:
    made = DAG("workloads")
    made.returns([made.add(fn, name=name) for name, fn in fns.items()])
    return made.profile(runs=LEAST_REPEATS, progress=lambda done, total, name: say(f"{done}/{total} {name}"))


# -- telling -----------------------------------------------------------------------------------------------


def makespan_errors(rows: Sequence[tuple[Measured, dict[str, list[float]]]], model: str) -> list[float]:
    """Return the relative errors of the later end."""
    return [abs(max(found[model]) / max(pair.together_s) - 1) for pair, found in rows]


def end_errors(rows: Sequence[tuple[Measured, dict[str, list[float]]]], model: str) -> list[float]:
    """Return the relative errors of both ends."""
    return [
        abs(said / took - 1)
        for pair, found in rows
        for said, took in zip(found[model], pair.together_s, strict=True)
    ]


def describe(values: Sequence[float]) -> dict[str, float]:
    """Return median, mean and 90th percentile."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "mean": statistics.fmean(ordered),
        "p90": ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))],
        "n": len(ordered),
    }


def overall(session: Session) -> list[dict[str, Any]]:
    """Return the errors of each model in each half."""
    found: list[dict[str, Any]] = []
    plain, raw = errors(session), errors(session, as_profiled=True)
    for half in ("tuned", "held out"):
        here = [row for row in plain if row[0].held_out == (half == "held out")]
        there = [row for row in raw if row[0].held_out == (half == "held out")]
        found.extend(
            {"half": half, "model": model, "of": of, **describe(values)}
            for model in MODELS
            for of, values in (
                ("later end", makespan_errors(here, model)),
                ("each end", end_errors(here, model)),
                ("later end, as profiled", makespan_errors(there, model)),
            )
        )
    return found


def table(session: Session) -> str:
    """Return pairs and errors as text."""
    head = f"{'pair':<38}{'half':<9}{'alone ms':>15}{'together ms':>15}{'none':>7}{'sharing':>9}{'events':>8}"
    lines = [f"{head}   (error of the later end)"]
    for pair, found in errors(session):
        later = max(pair.together_s)
        shown = {model: f"{max(found[model]) / later - 1:+.0%}" for model in MODELS}
        alone, both = (
            " ".join(f"{1e3 * s:.0f}" for s in figures) for figures in (pair.alone_s, pair.together_s)
        )
        lines.append(
            f"{' + '.join(pair.names):<38}{'held out' if pair.held_out else 'tuned':<9}{alone:>15}{both:>15}"
            f"{shown['none']:>7}{shown['sharing']:>9}{shown['events']:>8}"
        )
    lines.append(f"\n{'half':<10}{'model':<9}{'of':<24}{'median':>8}{'mean':>8}{'p90':>8}{'n':>6}")
    lines.extend(
        f"{row['half']:<10}{row['model']:<9}{row['of']:<24}"
        f"{row['median']:>8.3f}{row['mean']:>8.3f}{row['p90']:>8.3f}{row['n']:>6}"
        for row in overall(session)
        if "median" in row
    )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure or read, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", default="", help="names, comma-separated; all by default")
    parser.add_argument("--repeats", type=int, default=LEAST_REPEATS)
    parser.add_argument("--seconds", type=float, default=300.0, help="begin no pair after so many")
    parser.add_argument("--json", action="store_true", help="print what was measured, and the errors")
    parser.add_argument("--from", dest="file", help="a file that --json printed")
    options = parser.parse_args()
    known = {workload.name for workload in workloads()}
    wanted = [name for name in options.workloads.split(",") if name]
    if not set(wanted) <= known:
        parser.error(f"workloads are {', '.join(sorted(known))}")
    if options.repeats < LEAST_REPEATS:
        parser.error(f"at least {LEAST_REPEATS} repeats")
    if options.file:
        with open(options.file, "rb") as file:  # noqa: PTH123
            session = msgspec.convert(json.load(file)["session"], Session)
    else:
        session = measure(
            wanted, options.repeats, options.seconds, lambda text: print(text, file=sys.stderr, flush=True)
        )
    if options.json:
        print(json.dumps({"session": msgspec.to_builtins(session), "errors": overall(session)}, indent=1))
    else:
        print(table(session))


if __name__ == "__main__":
    main()
