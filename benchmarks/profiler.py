"""How well the profiler sees what a node does: workloads of known nature, held against the truth.

    python benchmarks/profiler.py                        a table and a summary, about three minutes
    python benchmarks/profiler.py --json                 the same as JSON: machine, notes, rows, summary
    python benchmarks/profiler.py --load                 with one core kept busy by another process
    python benchmarks/profiler.py --only loop,sleep --repeats 1 --peers none

Sources, for each workload: makespan (`DAG.profile` with one counted run, so that every repeat is a call and a
class of its own), clocks (thread_time by wall: all that other libraries record), gilknocker and py-spy. Truth
comes from a trace of the interpreter's lock where root and tracefs are there (`benchmarks.uprobes`), in calls
of its own; else by construction. Shares are of the wall net of run delay. For the overhead, calls with and
without the profiler take turns. What is not installed or does not work here is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks.peers import PeerError, gilknocker, gilknocker_missing, py_spy, py_spy_path
from benchmarks.scores import Row, Seen, row, summarize, summary_table, table
from benchmarks.uprobes import Tracer, TracingUnavailableError
from benchmarks.workloads import Parts, Ready, Truth, Workload, missing, prepared, workloads
from makespan import DAG
from makespan.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from makespan.profile import NodeProfile

    Say = Callable[[str], None]

PEERS = ("clocks", "gilknocker", "py-spy")
_DISAGREE = 0.05


class Known(NamedTuple):
    """The truth about a workload, and where it is from."""

    truth: Truth
    source: str


class Overhead(NamedTuple):
    """What the profiler takes."""

    ratios: dict[str, float]
    """By workload: median wall with it to median wall without."""
    walls_s: dict[str, float]
    sampler_share: float
    """CPU of the sampler, as a share of one core, while a call is measured."""


def measure(
    chosen: list[Workload], *, repeats: int, peers: tuple[str, ...], trace: bool, say: Say
) -> dict[str, Any]:
    """Measure workloads from all sides; return machine, notes, rows and summary."""
    notes: list[str] = []
    with ExitStack() as stack:
        ready: dict[str, Ready] = {}
        for workload in chosen:
            if lacking := missing(workload):
                notes.append(f"{workload.name} is left out: {', '.join(lacking)} not installed")
                continue
            say(f"{workload.name}: making its inputs")
            ready[workload.name] = stack.enter_context(prepared(workload))
        kept = [workload for workload in chosen if workload.name in ready]
        known = _truths(kept, ready, notes, say) if trace else {}
        seen: dict[tuple[str, str], list[Seen]] = {}
        for name, calls in _profiled(ready, repeats, notes, say).items():
            seen[name, "makespan"] = calls
        overhead, clocked = _taking_turns(ready, repeats, say)
        if "clocks" in peers:
            seen |= {(name, "clocks"): calls for name, calls in clocked.items()}
        for peer, ask in _askable(peers, notes).items():
            for name, its in ready.items():
                say(f"{name}: {peer}")
                try:
                    seen[name, peer] = [Seen(gil=ask(its.fn))]
                except PeerError as error:
                    notes.append(f"{peer} does not work here: {error}")
                    break
        for workload in kept:
            if workload.name not in known:
                known[workload.name] = _by_construction(workload, ready[workload.name])
    rows = _rows(kept, known, seen, overhead)
    return {
        "machine": _machine(),
        "repeats": repeats,
        "sampler_share": round(overhead.sampler_share, 4),
        "notes": list(dict.fromkeys(notes)),
        "rows": rows,
        "summary": summarize(rows),
    }


def _rows(
    kept: list[Workload], known: dict[str, Known], seen: dict[tuple[str, str], list[Seen]], overhead: Overhead
) -> list[Row]:
    return [
        row(
            workload.name,
            source,
            calls,
            known[workload.name].truth,
            truth_from=known[workload.name].source,
            classes=workload.classes,
            wall_s=overhead.walls_s[workload.name],
            ratio=overhead.ratios[workload.name] if source == "makespan" else None,
        )
        for workload in kept
        for source in ("makespan", *PEERS)
        if (calls := seen.get((workload.name, source)))
    ]


def _truths(kept: list[Workload], ready: dict[str, Ready], notes: list[str], say: Say) -> dict[str, Known]:
    """Trace each workload; empty when nothing can be traced here."""
    known: dict[str, Known] = {}
    try:
        with Tracer() as tracer:
            for workload in kept:
                say(f"{workload.name}: tracing")
                try:
                    told = tracer.truth(ready[workload.name].fn)
                except ValueError as error:
                    notes.append(f"{workload.name} cannot be traced: {error}")
                    continue
                if told.corrected > _DISAGREE / 2:
                    notes.append(
                        f"{workload.name}: the truth's GIL share is corrected by {told.corrected:.3f} "
                        f"for what the probes take ({told.takes_per_s:,.0f} hand-overs a second)"
                    )
                made = workload.truth.gil
                if made is not None and abs(made - told.gil) > _DISAGREE:
                    notes.append(f"{workload.name}: GIL share {made} by construction, {told.gil:.3f} traced")
                known[workload.name] = Known(Truth(told.gil, told.blocked, told.cpu), "trace")
    except TracingUnavailableError as error:
        notes.append(f"truth by construction only, the GIL cannot be traced here: {error}")
    return known


def _by_construction(workload: Workload, ready: Ready) -> Known:
    truth = workload.truth
    if isinstance(ready.fn, Parts):
        return Known(truth._replace(gil=ready.fn.gil), "parts")
    return Known(truth, "none" if truth == Truth() else "construction")


def _profiled(ready: dict[str, Ready], repeats: int, notes: list[str], say: Say) -> dict[str, list[Seen]]:
    """Profile all workloads as the nodes of one DAG, again and again; each time is one call of each."""
    made = DAG("workloads")
    for name, its in ready.items():
        made.add(_plain_function(its.fn), name=name)
    seen: dict[str, list[Seen]] = {name: [] for name in ready}
    for repeat in range(repeats):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            profile = made.profile(
                runs=1,
                progress=lambda done, total, name: say(
                    f"{name}: profile {repeat + 1} of {repeats}, {done} of {total}"  # noqa: B023
                ),
            )
        notes += [str(warning.message) for warning in caught] + list(profile.runs[-1].notes)
        for name, calls in seen.items():
            calls.append(shares_of(profile.node(name)))
    return seen


def _plain_function(fn: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> None:
        fn()

    return call


def shares_of(node: NodeProfile) -> Seen:
    """Return a node's figures as shares of its wall."""
    wall_s = node.wall_net_s.median
    if not wall_s:
        return Seen(gil=None)
    return Seen(
        gil=min(1.0, node.gil_s / wall_s),
        blocked=node.blocked_total_s / wall_s,
        cpu=node.cpu_s / wall_s,
        kind=node.kind,
    )


def _taking_turns(ready: dict[str, Ready], repeats: int, say: Say) -> tuple[Overhead, dict[str, list[Seen]]]:
    """Call each workload with and without the profiler in turn; return what it takes, and what clocks say."""
    from makespan_optimizer.measure.meter import Meter
    from makespan_optimizer.measure.sampler import open_sampler

    walls: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ready}
    clocked: dict[str, list[Seen]] = {name: [] for name in ready}
    sampler_s = wall_s = 0.0
    sampler, _ = open_sampler("auto")
    try:
        with Meter(sampler) as meter:
            for name, its in ready.items():
                say(f"{name}: with and without the profiler")
                for repeat in range(2 * repeats):
                    for profiled in (True, False) if repeat % 2 else (False, True):
                        cpu_s, began_s, began = sampler.cpu_s(), time.thread_time(), time.perf_counter()
                        if profiled:
                            meter.call("benchmark", its.fn)
                        else:
                            its.fn()
                        took_s = time.perf_counter() - began
                        walls[name][profiled].append(took_s)
                        if profiled:
                            sampler_s += sampler.cpu_s() - cpu_s
                            wall_s += took_s
                        else:
                            cpu = min(1.0, (time.thread_time() - began_s) / took_s)
                            clocked[name].append(Seen(gil=cpu, blocked=1 - cpu, cpu=cpu))
    finally:
        sampler.close()
    return Overhead(
        ratios={name: median(both[True]) / median(both[False]) for name, both in walls.items()},
        walls_s={name: median(both[False]) for name, both in walls.items()},
        sampler_share=sampler_s / wall_s if wall_s else 0.0,
    ), clocked


def _askable(peers: tuple[str, ...], notes: list[str]) -> dict[str, Callable[[Callable[[], Any]], float]]:
    """Return the tools that are there; say of the others that they are not."""
    found: dict[str, Callable[[Callable[[], Any]], float]] = {}
    if "gilknocker" in peers:
        if reason := gilknocker_missing():
            notes.append(reason)
        else:
            found["gilknocker"] = gilknocker
    if "py-spy" in peers:
        if path := py_spy_path():
            found["py-spy"] = lambda fn: py_spy(path, fn)
        else:
            notes.append("py-spy is not installed")
    return found


def _machine() -> dict[str, Any]:
    machine = this_machine()
    return {"python": sys.version.split()[0], "cores": len(os.sched_getaffinity(0)), "gil": machine.gil}


@contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    """Keep one core busy by another process meanwhile."""
    if not wanted:
        yield
        return
    child = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        yield
    finally:
        child.kill()
        child.wait()


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="which workloads, comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="other sources, comma-separated, or none")
    parser.add_argument("--load", action="store_true", help="keep one core busy by another process")
    parser.add_argument("--no-trace", action="store_true", help="truth by construction only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    names = [workload.name for workload in workloads()]
    only = options.only.split(",") if options.only else names
    peers = () if options.peers == "none" else tuple(options.peers.split(","))
    if not set(only) <= set(names) or not set(peers) <= set(PEERS) or options.repeats < 1:
        parser.error(f"workloads are {', '.join(names)}; peers are {', '.join(PEERS)}; repeats at least 1")
    try:
        with busy_core(options.load):
            made = measure(
                [workload for workload in workloads() if workload.name in only],
                repeats=options.repeats,
                peers=peers,
                trace=not options.no_trace,
                say=lambda text: print(text, file=sys.stderr, flush=True),
            )
    except KeyboardInterrupt:
        return 130
    made["load"] = options.load
    if options.json:
        print(json.dumps(made, indent=1))
    else:
        print(table(made["rows"]), summary_table(made["summary"]), sep="\n\n")
        print(f"sampler: {made['sampler_share']:.1%} of one core", *made["notes"], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
