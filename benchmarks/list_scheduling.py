"""What scheduling a large DAG costs: seconds for ranks, for a list schedule, and for a whole plan.

    python benchmarks/list_scheduling.py                      a table, about a minute
    python benchmarks/list_scheduling.py --json               rows set, nodes, threads, what, seconds, ratio
    python benchmarks/list_scheduling.py --plan 50000 --time-limit 60

Every row is the median of repeats that take turns, and its ratio to one list schedule of the same DAG. *list
schedule* makes starts from ranks, with what it prepares for the problem; the others only rank nodes, as the
tools they come from do before they run anything; dask.order is left out where it takes minutes. ``--plan``
times `solve` on a DAG with resources: when the first schedule is there, when one is shorter than the critical
path's, and how much shorter the last is.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks import rival_rules
from benchmarks.cases import Case
from benchmarks.referee import WrongError
from benchmarks.resource_dags import resource_dag
from benchmarks.rivals import MOST_DASK
from makespan.testing import random_edges
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import list_schedule, makespan_of
from makespan_optimizer.rigid.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan_optimizer.rigid.problem import Problem
    from makespan_optimizer.rigid.solve import Progress

THREADS = "threads only"
RESOURCES = "resources"
LIST = "list schedule"


def case_of(kind: str, n: int, seed: int) -> Case:
    """Return a layered random DAG, or one with GIL, cores and locks."""
    if kind == RESOURCES:
        return resource_dag(n, 0, seed, kind)
    edges = random_edges(n, 1.6, seed=seed, layers=max(1, n // 100))
    wall = tuple(1 + (i * 2_654_435_761 + seed) % 9_973 for i in range(n))
    return Case(kind, str(n), wall, tuple(map(tuple, edges)))


def jobs_of(problem: Problem) -> dict[str, Callable[[], object]]:
    """Return what is timed on a problem."""
    ranks = rival_rules.critical_path(problem)
    jobs: dict[str, Callable[[], object]] = {
        LIST: partial(list_schedule, problem, ranks),
        "critical path": partial(rival_rules.critical_path, problem),
        "ninja": partial(rival_rules.ninja, problem),
    }
    if importlib.util.find_spec("dask") and len(problem) <= MOST_DASK:
        jobs["dask.order"] = partial(rival_rules.dask, problem)
    return jobs


def measure(
    kinds: list[str], sizes: list[int], threads: int, repeats: int, seed: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Time all jobs on all DAGs, in turns; return rows."""
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        for n in sizes:
            problem = case_of(kind, n, seed).problem(threads)
            jobs = jobs_of(problem)
            seconds: dict[str, list[float]] = {what: [] for what in jobs}
            for repeat in range(repeats):
                say(f"{kind}, {n} nodes: repeat {repeat + 1} of {repeats}")
                for what, job in jobs.items():
                    if repeat and what == "dask.order":
                        continue  # takes long enough to be told once
                    begun = time.perf_counter()
                    job()
                    seconds[what].append(time.perf_counter() - begun)
            base = median(seconds[LIST])
            rows.extend(
                {
                    "set": kind,
                    "nodes": n,
                    "threads": threads,
                    "what": what,
                    "seconds": round(median(took), 5),
                    "ratio": round(median(took) / base, 2),
                }
                for what, took in seconds.items()
            )
    return rows


def plan(n: int, threads: int, time_limit_s: float, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Solve one DAG with resources; return when what was there."""
    problem = case_of(RESOURCES, n, seed).problem(threads)
    critical = makespan_of(problem, list_schedule(problem, rival_rules.critical_path(problem)))
    first_s: float | None = None
    better_s: float | None = None
    begun = time.perf_counter()

    def hear(progress: Progress) -> None:
        nonlocal first_s, better_s
        if not progress.makespan:
            return  # no schedule yet
        now = time.perf_counter() - begun
        say(f"{n} nodes, {now:.1f} s: makespan / critical path {progress.makespan / critical:.4f}")
        first_s = now if first_s is None else first_s
        if progress.makespan < critical and better_s is None:
            better_s = now

    with SolverProcess() as solver:
        found = solve(problem, time_limit_s=time_limit_s, seed=seed, progress=hear, solver=solver)
    if found.bound > found.makespan or (broken := violations(problem, found.start)):
        raise WrongError(
            f"{n} nodes: the bound {found.bound} is above the makespan {found.makespan}"
            if found.bound > found.makespan
            else f"{n} nodes: {'; '.join(broken[:3])}"
        )
    return {
        "set": RESOURCES,
        "nodes": n,
        "threads": threads,
        "what": "solve",
        "seconds": round(time.perf_counter() - begun, 3),
        "first_s": first_s,
        "better_than_critical_path_s": better_s,
        "over_critical_path": found.makespan / critical,
        "over_bound": found.makespan / found.bound if found.bound else None,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    lines = [f"{'DAG':<14}{'nodes':>8}{'threads':>9}  {'what':<16}{'seconds':>10}{'× list schedule':>17}"]
    for row in rows:
        ratio = f"{row['ratio']:>17.2f}" if "ratio" in row else ""
        lines.append(
            f"{row['set']:<14}{row['nodes']:>8}{row['threads']:>9}  {row['what']:<16}"
            f"{row['seconds']:>10.4f}{ratio}"
        )
        if row["what"] == "solve":
            better_s = row["better_than_critical_path_s"]
            lines.append(
                f"    first schedule after {row['first_s'] or 0:.2f} s, better than the critical path "
                f"{'never' if better_s is None else f'after {better_s:.2f} s'}; "
                f"{row['over_critical_path']:.4f} × critical path, {row['over_bound'] or 0:.4f} × bound"
            )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", default="10000,100000", help="sizes, comma-separated; empty: none")
    parser.add_argument("--sets", default=f"{THREADS},{RESOURCES}", help="kinds of DAGs, comma-separated")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plan", default="", help="sizes to solve as well, comma-separated")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="S", help="of --plan")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    kinds = options.sets.split(",")
    if not set(kinds) <= {THREADS, RESOURCES}:
        parser.error(f"--sets are {THREADS} and {RESOURCES}")
    try:
        sizes, plans = ([int(n) for n in its.split(",") if n] for its in (options.nodes, options.plan))
    except ValueError:
        parser.error("sizes should be whole numbers, comma-separated")
    if min([1, options.repeats, options.threads, *sizes, *plans]) < 1 or not 0 < options.time_limit < 1e6:
        parser.error("sizes, repeats, threads and the time limit should be above 0")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    rows: list[dict[str, Any]] = []
    code = 0
    try:
        rows += measure(kinds, sizes, options.threads, options.repeats, options.seed, say)
        for n in plans:
            rows.append(plan(n, options.threads, options.time_limit, options.seed, say))
    except KeyboardInterrupt:
        say("stopped; this is what is done")
        code = 130
    except WrongError as error:
        say(f"WRONG: {error}")
        code = 1
    print(json.dumps(rows, indent=1) if options.json else table(rows))
    sys.exit(code)


if __name__ == "__main__":
    main()
