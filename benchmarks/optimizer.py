"""How short schedules are and how tight the bounds, in how many seconds: makespan beside its rivals.

    python benchmarks/optimizer.py --sets generated/stg/50,generated/resources/100 --sample 8
    python benchmarks/optimizer.py --instances DIR --sets stg/50,psplib/j30,wf --threads 2,4 --time-limit 10
    python benchmarks/optimizer.py … --json       one row an instance and method
    python benchmarks/optimizer.py … --robust     expected makespans when durations vary (`benchmarks.robust`)

Sets of a folder are those of `benchmarks.instances`, those made by seed of `benchmarks.generated`, methods of
`benchmarks.rivals`. Methods run one after the other on each instance, in an order that rotates, on the same
machine. Every schedule is verified, and every bound held against every schedule (`benchmarks.referee`): a
contradiction ends the run with exit code 1. Ctrl-C ends it with what is done.

Columns: *proven*, the share where a method's own bound is its makespan; *over best*, the mean of makespan /
best known - 1, which is what a table says, else the best of all methods in this run; *over bound*, the same
to the best bound of all; *own gap*, makespan / own bound - 1. Makespans are in ticks of the instance.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks import robust
from benchmarks.cases import Case, InstanceError
from benchmarks.generated import generate, is_generated
from benchmarks.instances import read_set
from benchmarks.referee import Row, WrongError, rows_of, table
from benchmarks.rival_solvers import Process
from benchmarks.rivals import Method, Task, ask, methods
from makespan_optimizer.model.solve import SolverProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Say = Callable[[str], None]

REFERENCE = "reference"


def tasks_of(cases: Sequence[Case], threads: Sequence[int], limits: dict[str, Any]) -> list[Task]:
    """Return what is to be solved: a case for each number of threads, or once if it knows no threads."""
    return [
        Task(case, number, case.problem(number), **limits)
        for case in cases
        for number in (threads if case.threaded else (None,))
    ]


def run(
    tasks: Sequence[Task], chosen: Sequence[Method], process: Process, reference_s: float | None, say: Say
) -> Iterator[list[Row]]:
    """Run the methods on each task; yield its rows."""
    for done, task in enumerate(tasks):
        turned = [*chosen[done % len(chosen) :], *chosen[: done % len(chosen)]]
        answers = {}
        threads = "" if task.threads is None else f", {task.threads} threads"
        where = f"[{done + 1}/{len(tasks)}] {task.case.group} {task.case.name}{threads}"
        for method in turned:
            say(f"{where}: {method.name}")
            answers[method.name] = method.run(task)
        if reference_s is not None:
            say(f"{where}: {REFERENCE}")
            rows_of(task, answers)  # what is wrong is not worth a long run
            found = [answer.start for answer in answers.values() if answer.start is not None]
            hint = min(found, key=lambda start: max(map(int.__add__, start, task.problem.wall)), default=())
            answers[REFERENCE] = ask(process, "cp-sat", task._replace(time_limit_s=reference_s), hint)
        yield rows_of(task, {name: answers[name] for name in (*(m.name for m in chosen), *answers)})


def warm_up(chosen: Sequence[Method]) -> None:
    """Let every method solve something small: what it imports and starts is there before it is measured."""
    case = Case("warm-up", "two", (2, 1, 1), ((), (), ()))
    for method in chosen:
        method.run(Task(case, 2, case.problem(2), 1.0, 0, 1))


def parse() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(methods(Process(), SolverProcess()))
    parser.add_argument("--instances", type=Path, metavar="DIR", help="a folder that holds the sets")
    parser.add_argument("--sets", default="generated/stg/50,generated/psplib/j30,generated/resources/100")
    parser.add_argument("--threads", default="2,4,8,16", help="thread budgets, comma-separated")
    parser.add_argument("--sample", type=int, help="at most so many instances of each set")
    parser.add_argument("--time-limit", type=float, default=1.0, metavar="S", help="of each solver")
    parser.add_argument("--workers", type=int, default=2, help="of each solver")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument(
        "--reference", type=float, metavar="S", help="a long CP-SAT run besides, for best known"
    )
    parser.add_argument("--robust", action="store_true", help="plans over scenarios instead")
    parser.add_argument("--scenarios", type=int, default=robust.SCENARIOS, help="for --robust")
    parser.add_argument("--runs", type=int, default=robust.RUNS, help="that a profile knows, for --robust")
    parser.add_argument("--by-threads", action="store_true", help="a line for each thread budget")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    try:
        options.threads = [int(number) for number in options.threads.split(",")]
    except ValueError:
        parser.error("--threads should be whole numbers, comma-separated")
    for name, least in (
        ("sample", 1),
        ("time_limit", 0.001),
        ("workers", 1),
        ("scenarios", 1),
        ("runs", 2),
        ("reference", 0.001),
    ):
        value = getattr(options, name)
        if value is not None and not least <= value < 1e6:
            parser.error(f"--{name.replace('_', '-')} should be at least {least}")
    if min(options.threads) < 1:
        parser.error("--threads should be at least 1")
    options.methods = options.methods.split(",")
    if unknown := [name for name in options.methods if name not in names]:
        parser.error(f"unknown methods {', '.join(unknown)}; known: {', '.join(names)}")
    return parser, options


def cases_of(options: argparse.Namespace) -> Iterator[Case]:
    """Read or make the sets."""
    for group in options.sets.split(","):
        if is_generated(group):
            yield from generate(group, options.sample, options.seed)
        elif options.instances is None:
            raise InstanceError(f"the set {group!r} needs --instances DIR")
        else:
            yield from read_set(options.instances, group, options.sample, options.seed)


def main() -> None:
    """Parse the command line, solve, print."""
    parser, options = parse()
    rows: list[Row] = []
    try:
        cases = list(cases_of(options))
        code = _robust(cases, options, rows) if options.robust else _solve(cases, options, rows)
    except InstanceError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        code = _stopped()
    if options.json:
        print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    elif options.robust:
        print(robust.table(rows))
    else:
        print(table(rows, by_threads=options.by_threads))
    sys.exit(code)


def _solve(cases: Sequence[Case], options: argparse.Namespace, rows: list[Row]) -> int:
    """Run the methods, adding to `rows`; return an exit code."""
    limits = {"time_limit_s": options.time_limit, "seed": options.seed, "workers": options.workers}
    tasks = tasks_of(cases, options.threads, limits)
    with closing(Process()) as process, SolverProcess() as solver:
        known = methods(process, solver)
        chosen = []
        for name in options.methods:
            if lacking := known[name].missing():
                _say(f"{name} is left out: {lacking}")
            else:
                chosen.append(known[name])
        try:
            warm_up(chosen)
            for some in run(tasks, chosen, process, options.reference, _say):
                rows += some
        except WrongError as error:
            _say(f"WRONG: {error}")
            return 1
    return 0


def _robust(cases: Sequence[Case], options: argparse.Namespace, rows: list[Row]) -> int:
    """Replay plans over scenarios, adding to `rows`; return an exit code."""
    found = robust.rows_of(
        cases,
        options.threads,
        scenarios=options.scenarios,
        runs=options.runs,
        time_limit_s=options.time_limit,
        seed=options.seed,
        say=_say,
    )
    for row in found:  # one by one: Ctrl-C leaves those that are done
        rows.append(row)  # noqa: PERF402
    return 0


def _stopped() -> int:
    _say("stopped; this is what is done")
    return 130


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
