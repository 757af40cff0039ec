"""Predicted against measured: real pipelines are profiled, planned, predicted by the simulator, and run.

    python benchmarks/reality.py                         a table, about ten minutes on two idle cores
    python benchmarks/reality.py --pipelines text,sql --threads 2 --rounds 3
    python benchmarks/reality.py --json > session.json   profiles, orders, runs, predictions, errors
    python benchmarks/reality.py --from session.json     predict again; nothing is run
    python benchmarks/reality.py --from session.json --crowding 0.15

Each pipeline of `pipelines.py` is profiled with trials, and planned for each number of threads. Then the
plan, the default order and one node after the other take turns, so that a machine that drifts is unfair to
none. What other processes take of the cores meanwhile is watched: the quiet runs count, and where there are
too few, more are made.

Two models predict the makespan: *fluid* shares the GIL and the cores without loss, *pairs* knows what nodes
cost each other (`makespan_optimizer.sharing`). What is compared is the median of the quiet runs.

A machine that has become slower or faster since it was profiled is shown by the runs of one node after the
other, beside the sum of the profile: *drift*. Errors are given as they are, and with the drift taken out.

Native libraries get one thread each, unless the environment says otherwise.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.errors import MakespanError
from makespan.order import default_ranks
from makespan.profile import Profile
from makespan_optimizer import neighbours
from makespan_optimizer.instance import instance_of
from makespan_optimizer.measure.load import LOAD_LIMIT, ForeignLoad
from makespan_optimizer.simulate import simulate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.pipelines import Pipeline, pipelines, server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import Plan
    from makespan.prepared import Prepared

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_TIMES = 3  # as many rounds as asked for, until so many runs were quiet
_FEW = 3
MODELS = ("fluid", "pairs")
Groups = tuple[tuple[tuple[int, ...], int], ...]


class Order(msgspec.Struct):
    """An order that was run on a number of threads."""

    name: str
    """``default``, ``plan`` or ``sequential``."""
    threads: int
    ranks: list[int]
    groups: Groups = ()
    measured_s: list[float] = []
    load: list[float] = []
    """What other processes took of the cores during each run, as a share; empty: not watched."""


class Piece(msgspec.Struct):
    """What is known of one pipeline."""

    name: str
    profile: Profile
    orders: list[Order]
    sequential: Order

    @property
    def drift(self) -> float:
        """How much longer one node after the other took than the profile says."""
        total_s = sum(node.wall_net_s.median for node in self.profile.nodes)
        return typical_s(self.sequential) / total_s


class Row(msgspec.Struct):
    """A prediction beside what was measured; errors as shares of the measured."""

    pipeline: str
    order: str
    threads: int
    model: str
    measured_s: float
    predicted_s: float
    error: float
    error_without_drift: float


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


def quiet(order: Order) -> list[float]:
    """Return the runs that other processes left alone."""
    if not order.load:
        return order.measured_s
    return [s for s, load in zip(order.measured_s, order.load, strict=True) if load <= LOAD_LIMIT]


def typical_s(order: Order) -> float:
    """Return the median of the quiet runs; of the least disturbed ones when too few were."""
    found = quiet(order)
    if len(found) < _FEW and order.load:
        pairs = sorted(zip(order.load, order.measured_s, strict=True))
        found = [seconds for _, seconds in pairs[:_FEW]]
    return statistics.median(found)


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


def predict(pieces: Sequence[Piece], models: Sequence[str]) -> list[Row]:
    """Return a row for each pipeline, order and model."""
    rows = []
    for piece in pieces:
        for model in models:
            instance = instance_of(piece.profile, lossless=model == "fluid")
            for order in piece.orders:
                ticks = simulate(instance, order.ranks, order.threads, order.groups).makespan
                predicted_s = instance.seconds(ticks)
                measured_s = typical_s(order)
                rows.append(
                    Row(
                        piece.name,
                        order.name,
                        order.threads,
                        model,
                        measured_s,
                        predicted_s,
                        predicted_s / measured_s - 1,
                        predicted_s * piece.drift / measured_s - 1,
                    )
                )
    return rows


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return median and 90th percentile of the sizes of errors, and the median with its sign."""
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        for what in ("error", "error_without_drift"):
            values = [getattr(row, what) for row in mine]
            sizes = sorted(map(abs, values))
            found.append(
                {
                    "model": model,
                    "of": what,
                    "median": statistics.median(sizes),
                    "p90": sizes[min(len(sizes) - 1, round(0.9 * (len(sizes) - 1)))],
                    "bias": statistics.median(values),
                    "n": len(sizes),
                }
            )
    return found


def table(pieces: Sequence[Piece], rows: Sequence[Row]) -> str:
    """Return rows and summary as text."""
    models = list(dict.fromkeys(row.model for row in rows))
    heads = "".join(f"{f'{model} s':>11}{'error':>8}{'no drift':>10}" for model in models)
    lines = [f"{'pipeline':<12}{'order':<9}{'threads':>7}{'drift':>7}{'measured s':>12}{heads}"]
    drift = {piece.name: piece.drift for piece in pieces}
    by_order: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        by_order.setdefault((row.pipeline, row.order, row.threads), []).append(row)
    for (name, order, threads), mine in by_order.items():
        told = "".join(
            f"{row.predicted_s:>11.3f}{row.error:>+8.1%}{row.error_without_drift:>+10.1%}" for row in mine
        )
        lines.append(f"{name:<12}{order:<9}{threads:>7}{drift[name]:>7.2f}{mine[0].measured_s:>12.3f}{told}")
    lines.append(f"\n{'model':<8}{'of':<22}{'median':>8}{'p90':>8}{'bias':>8}{'n':>5}")
    lines += [
        f"{row['model']:<8}{row['of']:<22}{row['median']:>8.1%}{row['p90']:>8.1%}{row['bias']:>+8.1%}{row['n']:>5}"
        for row in summary(rows)
    ]
    return "\n".join(lines)


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
        body = json.loads(Path(options.file).read_bytes())
        pieces = [its for its in msgspec.convert(body["pieces"], list[Piece]) if its.name in wanted]
    else:
        pieces = []
        for variable in THREAD_VARIABLES:  # before any of these libraries is loaded
            os.environ.setdefault(variable, "1")
        threads = [int(k) for k in options.threads.split(",")]
        with server() as port:
            for its in known:
                if its.name in wanted and its.missing:
                    _say(f"{its.name} needs {', '.join(its.missing)} and is left out")
                elif its.name in wanted:
                    pieces.append(measure(its, port, threads, options.rounds, options.runs, _say))
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
