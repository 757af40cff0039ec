"""How well the profiler sees what a node does: workloads of known nature, held against the truth.

    python benchmarks/profiler.py                        a table and a summary, about three minutes
    python benchmarks/profiler.py --json                 the same as JSON: machine, notes, rows, summary
    python benchmarks/profiler.py --load                 with one core kept busy by another process
    python benchmarks/profiler.py --only loop,sleep --repeats 1 --peers none

Sources, for each workload: makespan (`DAG.profile` with five counted runs; each repeat gives figures and a
class), clocks (thread_time by wall: all that other libraries record), gilknocker and py-spy (one figure for
many calls: no error of a single call follows). Truth comes from a trace of the interpreter's lock where root
and tracefs are there (`benchmarks.uprobes`), in calls of its own; else by construction. Besides, calls that
are traced are measured too (``same_call``): there, nothing but the profiler can be off. Shares of truth and
makespan are of the wall net of run delay; the others know no run delay, so theirs are of the wall as it is.
For the overhead, calls with and without the profiler take turns (`benchmarks.turns`). What is not installed
or does not work here is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks.peers import Asked, PeerError, gilknocker, gilknocker_missing, py_spy, py_spy_path
from benchmarks.scores import Seen, row, same_call_table, summarize, summary_table, table
from benchmarks.truths import Truths, by_construction
from benchmarks.turns import taking_turns
from benchmarks.workloads import Ready, Workload, missing, prepared, workloads
from makespan import DAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from makespan.profile import NodeProfile

    Say = Callable[[str], None]

RUNS = 5  # counted ones, each time: what `profile` does by default
PEERS = ("clocks", "gilknocker", "py-spy")


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
        truths = Truths(stack, notes) if trace else None
        if truths is not None:
            truths.round(ready, say)
        profiled, samplers = _profiled(ready, repeats, notes, say)
        seen = {(name, "makespan"): calls for name, calls in profiled.items()}
        turns = taking_turns(ready, repeats, say)
        if "clocks" in peers:
            seen |= {(name, "clocks"): calls for name, calls in turns.clocked.items()}
        if truths is not None:
            truths.round(ready, say)
        ratios = {(name, "makespan"): ratio for name, ratio in turns.ratios.items()}
        for peer, ask in _askable(peers, notes).items():
            for name, its in ready.items():
                say(f"{name}: {peer}")
                try:
                    asked = ask(its.fn)
                except PeerError as error:
                    notes.append(f"{peer} does not work here: {error}")
                    break
                seen[name, peer] = [Seen(gil=asked.gil, gil_calls=None)]
                ratios[name, peer] = asked.wall_s / turns.walls_s[name]
        known = {
            workload.name: truths.known(workload, ready[workload.name])
            if truths is not None
            else by_construction(workload, ready[workload.name])
            for workload in kept
        }
    rows = [
        row(
            workload.name,
            source,
            seen[workload.name, source],
            known[workload.name].truth,
            truth_from=known[workload.name].source,
            classes=workload.classes,
            wall_s=turns.walls_s[workload.name],
            ratio=ratios.get((workload.name, source)),
        )
        for workload in kept
        for source in ("makespan", *PEERS)
        if (workload.name, source) in seen
    ]
    return {
        "python": sys.version.split()[0],
        "cores": len(os.sched_getaffinity(0)),
        "repeats": repeats,
        "samplers": samplers,
        "sampler_share": round(turns.sampler_share, 4),
        "notes": list(dict.fromkeys(notes)),
        "rows": rows,
        "summary": summarize(rows),
        "same_call": truths.same_call() if truths is not None else [],
    }


def _profiled(
    ready: dict[str, Ready], repeats: int, notes: list[str], say: Say
) -> tuple[dict[str, list[Seen]], list[str]]:
    """Profile all workloads as the nodes of one DAG, again and again.

    The second is the sampler of each time: ``clocks`` where the product fell back, as it does for users.
    """
    made = DAG("workloads")
    for name, its in ready.items():
        made.add(_plain_function(its.fn), name=name)
    seen: dict[str, list[Seen]] = {name: [] for name in ready}
    samplers: list[str] = []
    for repeat in range(repeats):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            profile = made.profile(
                runs=RUNS,
                trials=False,
                pickling=False,
                progress=lambda done, total, name: say(
                    f"{name}: profile {repeat + 1} of {repeats}, {done} of {total}"  # noqa: B023
                ),
            )
        notes += [str(warning.message) for warning in caught] + list(profile.runs[-1].notes)
        for name, calls in seen.items():
            calls.append(shares_of(profile.node(name)))
        samplers.append(profile.runs[-1].sampler)
    return seen, samplers


def _plain_function(fn: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> None:
        fn()

    return call


def shares_of(node: NodeProfile) -> Seen:
    """Return a node's figures as shares of its wall; without samples, all CPU time counts as GIL."""
    wall_s = node.wall_net_s.median
    nets = [(call, call.wall_s - call.run_delay_s) for call in node.calls]
    sampled = any(call.gil_samples for call in node.calls)
    if not wall_s:
        return Seen(gil=None)
    return Seen(
        gil=min(1.0, node.gil_s / wall_s),
        blocked=node.blocked_total_s / wall_s,
        cpu=node.cpu_s / wall_s,
        kind=node.kind,
        gil_calls=tuple(
            min(
                1.0,
                (call.cpu_s * (1.0 if call.gil_share is None else call.gil_share) + call.other_gil_s) / net_s,
            )
            for call, net_s in nets
            if net_s > 0 and (call.gil_samples or not sampled)  # one call is looked at for something else
        ),
    )


def _askable(peers: tuple[str, ...], notes: list[str]) -> dict[str, Callable[[Callable[[], Any]], Asked]]:
    """Return the tools that are there; say of the others that they are not."""
    found: dict[str, Callable[[Callable[[], Any]], Asked]] = {}
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
        print(same_call_table(made["same_call"]))
        print(f"sampler: {', '.join(made['samplers'])}; {made['sampler_share']:.1%} of one core")
        print(*made["notes"], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
