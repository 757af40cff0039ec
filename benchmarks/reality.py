"""Predicted against measured: real pipelines are profiled, planned, predicted by the simulator, and run.

    python benchmarks/reality.py                         a table, about ten minutes on two idle cores
    python benchmarks/reality.py --pipelines text,sql --threads 2 --rounds 3
    python benchmarks/reality.py --json > session.json   profiles, orders, runs, predictions, errors
    python benchmarks/reality.py --from session.json     predict again; nothing is run
    python benchmarks/reality.py --from session.json --crowding 0.15

Each pipeline of `real_dags.py` is profiled with trials, and planned for each number of threads. Then the
plan, the default order and one node after the other take turns, so that a machine that drifts is unfair to
none. What other processes take of the cores meanwhile is watched: the quiet runs count, and where there are
too few, more are made.

Two models predict the makespan (`benchmarks.forecasts`): *fluid* shares the GIL and the cores without loss,
*pairs* knows what nodes cost each other. What is compared is the median of the quiet runs.

A machine that has become slower or faster since it was profiled is shown by the runs of one node after the
other, beside the sum of the profile: *drift*. Errors are given as they are, and with the drift taken out.

Native libraries get one thread each, unless the environment says otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.errors import MakespanError
from makespan.preparing.order import default_ranks
from makespan_optimizer.contention import neighbours
from makespan_optimizer.measure.load import ForeignLoad

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.forecasts import (
    MODELS,
    Groups,
    Order,
    Piece,
    predict,
    quiet,
    read_session,
    summary,
    table,
)
from benchmarks.real_dags import Pipeline, pipelines, server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import Plan
    from makespan.preparing.prepared import Prepared
    from makespan.profile import Profile

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_TIMES = 3  # as many rounds as asked for, until so many runs were quiet


def measure(
    pipeline: Pipeline, port: int, threads: Sequence[int], rounds: int, runs: int, say: Callable[[str], None]
) -> Piece:
    """Profile, plan and run one pipeline."""
    dag, args = pipeline.load()
    if pipeline.serves:
        args = (port,)
    say(f"{pipeline.name}: profiling {len(dag)} nodes")
    profile = dag.profile(*args, runs=runs)
    ranks = default_ranks(profile.structure())
    orders, ready = [], []
    for k in threads:
        say(f"{pipeline.name}: planning for {k} threads")
        plan = profile.optimize(threads=k, time_limit_s=5.0, what_if=[])
        orders += [Order("default", k, ranks), Order("plan", k, *read_plan(plan, profile))]
        ready += [dag.prepare(threads=k), dag.prepare(plan=plan)]
    alone = dag.prepare(threads=1)
    expected = repr(alone(*args))
    piece = Piece(pipeline.name, profile, orders, Order("sequential", 1, ranks))
    turn = list(zip([*orders, piece.sequential], [*ready, alone], strict=True))
    for number in range(_MOST_TIMES * rounds):
        lacking = [pair for pair in turn if len(quiet(pair[0])) < rounds]
        if not lacking:
            break
        say(f"{pipeline.name}: round {number + 1}, {len(lacking)} of {len(turn)} orders want quiet runs")
        for order, prepared in lacking if number % 2 else lacking[::-1]:
            seconds, load = run(prepared, args, expected)
            order.measured_s.append(seconds)
            order.load.append(load)
    return piece


def read_plan(plan: Plan, profile: Profile) -> tuple[list[int], Groups]:
    """Return the ranks of a plan, and the groups that are not declared anyway, by number of node."""
    rank = {node.name: node.rank for node in plan.nodes}
    names = [shape.name for shape in profile.shape]
    number = {name: i for i, name in enumerate(names)}
    groups = tuple(
        (tuple(number[name] for name in group.nodes), group.limit)
        for group in plan.groups
        if group.reason not in ("lock", "exclusive")
    )
    return [rank[name] for name in names], groups


def run(prepared: Prepared, args: tuple[Any, ...], expected: str) -> tuple[float, float]:
    """Run once; return its seconds, and the share of the cores that others took. The result is checked."""
    gc.collect()
    load = ForeignLoad()
    found = prepared.run(*args)
    if repr(found.result) != expected:
        raise MakespanError(f"{prepared.dag.name} returned something else than one node after the other")
    return found.makespan_s, load.share() or 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure or read, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pipelines", default="", help="names, comma-separated; all by default")
    parser.add_argument("--threads", default="2,3,4", help="budgets, comma-separated")
    parser.add_argument("--rounds", type=int, default=7, help="quiet runs of each order")
    parser.add_argument("--runs", type=int, default=5, help="of the profiler")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument(
        "--crowding", type=float, help="usual slow-down by a second busy core, where no pair tells it"
    )
    parser.add_argument("--json", action="store_true", help="print what was measured, and the errors")
    parser.add_argument("--from", dest="file", help="a file that --json printed")
    options = parser.parse_args(arguments)
    known = pipelines()
    wanted = [name for name in options.pipelines.split(",") if name] or [its.name for its in known]
    models = [name for name in options.models.split(",") if name]
    if unknown := set(wanted) - {its.name for its in known}:
        parser.error(f"no pipeline {', '.join(sorted(unknown))}: {', '.join(its.name for its in known)}")
    if not set(models) <= set(MODELS):
        parser.error(f"models are {', '.join(MODELS)}")
    if options.file:
        try:
            pieces = [its for its in read_session(options.file) if its.name in wanted]
        except (OSError, msgspec.DecodeError) as error:
            parser.error(f"--from {options.file}: {error}")
    else:
        pieces = []
        for variable in THREAD_VARIABLES:  # before any of these libraries is loaded
            os.environ.setdefault(variable, "1")
        threads = [int(k) for k in options.threads.split(",")]
        with server() as port:
            try:
                for its in known:
                    if its.name in wanted and its.missing:
                        _say(f"{its.name} needs {', '.join(its.missing)} and is left out")
                    elif its.name in wanted:
                        pieces.append(measure(its, port, threads, options.rounds, options.runs, _say))
            except KeyboardInterrupt:
                _say("stopped: what follows is of the pipelines that were done")
        if not pieces:
            parser.exit(1, "nothing was measured\n")
    if options.crowding is not None:
        neighbours.USUAL_CROWDING = options.crowding
    rows = predict(pieces, models)
    if options.json:
        found = {"pieces": pieces, "rows": rows, "summary": summary(rows)}
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        print(table(pieces, rows))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
