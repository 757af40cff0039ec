"""A pipeline written for Tawazi: as it was, with our configuration, and run here, side by side.

    python benchmarks/tawazi_before_after.py               a table
    python benchmarks/tawazi_before_after.py --json        facts, and rows seed, engine, repeat, seconds
    python benchmarks/tawazi_before_after.py --report DIR  before.json, configured.json, after.json too
    python benchmarks/tawazi_before_after.py --target my/api.py:pipeline --args '["x"]' --threads 2

The rows: *Tawazi* (the DAG as its author left it), *Tawazi, our configuration* (priorities and threads of the
plan, its own scheduler), *makespan, no plan*, *makespan, plan*. They take turns, in another order each time,
so that all see the same machine; the median of the repeats counts. Without priorities of the author's,
Tawazi's order depends on PYTHONHASHSEED, so all is done for each of several seeds, in a process each; the
plan is made once. Results are compared before anything is timed. ``--report`` writes the fastest run of each
of three rows: ``makespan report before.json after.json`` lays them under one another.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from makespan import load_plan
from makespan.adapters.tawazi import apply_to, from_tawazi, run_by_tawazi
from makespan.cli.target import load_target
from makespan.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "tawazi_letters.py"
ENGINES = ("Tawazi", "Tawazi, our configuration", "makespan, no plan", "makespan, plan")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print."""
    options = _parser().parse_args(argv)
    args = tuple(json.loads(options.args))
    if options.worker:
        return _worker(options, args)
    with tempfile.TemporaryDirectory() as folder:
        plan_file = Path(folder) / "plan.json"
        tawazis = load_target(options.target).origin
        profile = from_tawazi(tawazis).profile(*args, runs=options.runs)
        plan = profile.optimize(threads=options.threads or tawazis.max_concurrency)
        plan.save(plan_file)
        rows = [row for seed in range(options.seeds) for row in _in_a_process(seed, plan_file, options)]
    facts = {
        "target": Path(options.target).name,
        "machine": this_machine().cpu,
        "threads": plan.threads,
        "planned_s": plan.makespan_s,
        "lower_bound_s": plan.lower_bound_s,
    }
    if options.json:
        sys.stdout.write(json.dumps({"facts": facts, "rows": rows}) + "\n")
    else:
        sys.stdout.write(table(rows, facts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", default=f"{EXAMPLE}:letters")
    parser.add_argument("--args", default='["2024"]', help="a JSON list: what the DAG is called with")
    parser.add_argument("--threads", type=int, help="of the plan; the author's max_concurrency unless given")
    parser.add_argument("--runs", type=int, default=3, help="of the profile")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=Path, metavar="PLAN", help=argparse.SUPPRESS)
    return parser


def _in_a_process(seed: int, plan_file: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    said = ["--target", options.target, "--args", options.args, "--repeats", str(options.repeats)]
    said += ["--report", str(options.report)] if options.report and seed == 0 else []
    done = subprocess.run(
        [sys.executable, __file__, "--worker", str(plan_file), *said],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [{"seed": seed, **row} for row in json.loads(done.stdout)]


def _worker(options: argparse.Namespace, args: tuple[Any, ...]) -> int:
    """Measure under this process's hash seed, and print rows."""
    plan = load_plan(options.worker)
    as_it_was = load_target(options.target).origin
    configured = copy.deepcopy(as_it_was)
    apply_to(configured, plan)
    ours = from_tawazi(as_it_was)
    calls: dict[str, Callable[[], Any]] = dict(
        zip(
            ENGINES,
            (
                lambda: run_by_tawazi(as_it_was, *args),
                lambda: run_by_tawazi(configured, *args, plan=plan),
                lambda: ours.run(*args, threads=plan.threads),
                lambda: ours.run(*args, plan=plan),
            ),
            strict=True,
        )
    )
    wanted = calls["Tawazi"]().result  # set-up nodes have run after this
    for name, call in calls.items():
        if call().result != wanted:
            raise SystemExit(f"{name} returned something else")
    rows: list[dict[str, Any]] = []
    best: dict[str, Any] = {}
    for repeat in range(options.repeats):
        for name in random.Random(repeat).sample(ENGINES, len(ENGINES)):
            started_s = time.perf_counter()
            run = calls[name]()
            took_s = time.perf_counter() - started_s
            rows.append({"engine": name, "repeat": repeat, "seconds": took_s})
            if name not in best or run.makespan_s < best[name].makespan_s:
                best[name] = run
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        for name, file in zip(
            ("Tawazi", ENGINES[1], ENGINES[3]), ("before", "configured", "after"), strict=True
        ):
            best[name].record.save(options.report / f"{file}.json", force=True)
    sys.stdout.write(json.dumps(rows))
    return 0


def table(rows: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the medians as text: over all seeds, and the slowest and fastest seed."""
    lines = [
        (
            f"{facts['target']}, {facts['threads']} threads: planned {facts['planned_s']:.3f} s, "
            f"lower bound {facts['lower_bound_s']:.3f} s"
        ),
        f"{'':28}{'median':>9}{'best seed':>12}{'worst seed':>12}{'to Tawazi':>11}",
    ]
    base = statistics.median(row["seconds"] for row in rows if row["engine"] == ENGINES[0])
    for name in ENGINES:
        its = [row for row in rows if row["engine"] == name]
        whole = statistics.median(row["seconds"] for row in its)
        seeds = [
            statistics.median(row["seconds"] for row in its if row["seed"] == seed)
            for seed in sorted({row["seed"] for row in its})
        ]
        lines.append(
            f"{name:28}{whole:8.3f}s{min(seeds):11.3f}s{max(seeds):11.3f}s{100 * (whole / base - 1):+10.1f}%"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
