"""Real pipelines by every engine: the tuned plan beside the best that others can do.

    python benchmarks/pipelines.py                        all examples whose libraries are installed
    python benchmarks/pipelines.py --only api_aggregator --json
    python benchmarks/pipelines.py --pipelines DIR        modules of your own: see `pipeline_modules.py`
    python benchmarks/pipelines.py --from FILE            tables from what --json or --out wrote

Engines: one after the other, graphlib with a ThreadPoolExecutor, Tawazi, Tawazi with ``is_sequential``,
dask.threaded, joblib, and makespan: a call without a plan, plans for each budget, and what ``DAG.tune``
returns, which knows nothing of what the others did. Each peer runs with its default and with 1 to 8 threads,
with native libraries as they are and with one native thread; the best of each in several orders of
declaration. Stages and rules: `pipeline_stages.py`. Every result is checked. Runs beside which others took
more than a twentieth of the cores are done again, within limits; the quietest counts.

A pipeline of one second takes about seven minutes on two cores; ``--limit`` shortens the search for the best
settings first, then repeats.

The tables come from finals of ``--repeats`` turns in which every way runs once, in drawn order. ``--json``
has all rows: ``pipeline, engine, threads, order, median_s, low_s, high_s, predicted_s, bound_s`` and more.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.pipeline_measuring import Asked, Measuring
from benchmarks.pipeline_modules import examples, found_in
from benchmarks.pipeline_processes import ChildError, PipelineProcess, end_all
from benchmarks.pipeline_rows import Row
from benchmarks.pipeline_scores import holdings, scores
from benchmarks.pipeline_tables import table
from makespan.errors import MakespanError, did_you_mean
from makespan.files import write_atomic
from makespan.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOK_S = 300.0  # for importing a module, at most


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure or read, print."""
    parser = _parser()
    options = parser.parse_args(arguments)
    asked = _asked(parser, options)
    try:
        if options.file:
            rows, facts, notes = _read(parser, options.file)
            failed = False
        else:
            files = examples() if options.pipelines is None else found_in(Path(options.pipelines))
            usable = _looked_at(_chosen(parser, options.only, files))
            rows, facts, notes, failed = _measured(usable, asked, options)
    except MakespanError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        _say(f"stopped; what was measured is in {options.out}" if options.out else "stopped")
        return 130
    finally:
        end_all()
    if options.json:
        sys.stdout.write(json.dumps(_document(rows, facts, notes)) + "\n")
    else:
        sys.stdout.write(table(rows) if rows else "nothing was measured\n")
        sys.stdout.writelines(f"note: {note}\n" for note in notes)
    return 1 if failed or not rows else 0


def _measured(
    files: Mapping[str, Path], asked: Asked, options: argparse.Namespace
) -> tuple[list[Row], dict[str, Any], list[str], bool]:
    rows: list[Row] = []
    notes: list[str] = []
    machine = msgspec.to_builtins(this_machine())
    facts: dict[str, Any] = {"machine": machine, "asked": asked._asdict(), "pipelines": {}}
    failed = False

    def keep(its: Measuring) -> None:
        if options.out:
            so_far = _document([*rows, *its.rows()], facts, [*notes, *its.notes])
            write_atomic(options.out, json.dumps(so_far).encode() + b"\n")

    until_s = time.monotonic() + 60 * options.limit
    with tempfile.TemporaryDirectory(prefix="makespan-pipelines-") as folder:
        for number, (name, file) in enumerate(files.items()):
            now_s = time.monotonic()
            own_until_s = now_s + (until_s - now_s) / (len(files) - number)
            with Measuring(name, file, asked, Path(folder), own_until_s, _say, keep) as its:
                try:
                    its.measure()
                except ChildError as error:
                    failed = True
                    its.notes.append(f"{name}: {error}")
                    _say(its.notes[-1])
                facts["pipelines"][name] = its.facts
                keep(its)
            rows += its.rows()
            notes += its.notes
    return rows, facts, notes, failed


def _looked_at(files: Mapping[str, Path]) -> dict[str, Path]:
    """Import every module once, in a process of its own, before anything runs; leave out what cannot be had.

    Raises
    ------
    MakespanError
        A module does not offer what it has to.
    """
    usable = {}
    for name, file in files.items():
        _say(f"{name}: looking at {file}")
        with PipelineProcess(name, file, "default") as process:
            try:
                process.ask("look", _LOOK_S)
            except ChildError as error:
                if "lacks" not in error.answer:
                    raise MakespanError(
                        str(error), where=None if str(file) in str(error) else str(file)
                    ) from None
                lacks = error.answer["lacks"]
                _say(f"{name} needs {lacks}, and is left out (see {file.parent}/requirements.txt)")
                continue
        usable[name] = file
    return usable


def _document(rows: Sequence[Row], facts: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    some = scores(rows)
    return {
        "facts": facts,
        "rows": msgspec.to_builtins(list(rows)),
        "scores": msgspec.to_builtins(some),
        "holds": msgspec.to_builtins(holdings(some)),
        "notes": list(notes),
    }


def _read(parser: argparse.ArgumentParser, file: str) -> tuple[list[Row], dict[str, Any], list[str]]:
    try:
        found = msgspec.json.decode(Path(file).read_bytes())
        return msgspec.convert(found["rows"], list[Row]), found["facts"], found["notes"]
    except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
        parser.error(f"--from {file}: {error}")


def _chosen(parser: argparse.ArgumentParser, only: str, files: Mapping[str, Path]) -> dict[str, Path]:
    wanted = [name for name in only.split(",") if name] or list(files)
    for name in wanted:
        if name not in files:
            parser.error(f"no pipeline {name!r}: {did_you_mean(name, files) or ', '.join(files)}")
    return {name: files[name] for name in wanted}


def _asked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Asked:
    first, dots, last = options.threads.partition("..")
    try:
        threads = tuple(range(int(first), int(last) + 1)) if dots else tuple(map(int, first.split(",")))
    except ValueError:
        parser.error(f"--threads {options.threads}: 1..8, or 1,2,4")
    if not threads or not all(1 <= k <= 64 for k in threads):
        parser.error(f"--threads {options.threads}: 1..8, or 1,2,4; from 1 to 64")
    for name, least in {"repeats": 1, "orders": 1, "profile_runs": 1}.items():
        if getattr(options, name) < least:
            parser.error(f"--{name.replace('_', '-')}: at least {least}")
    if not (options.limit > 0 and options.tune_limit > 0 and options.plan_limit > 0):
        parser.error("limits are above 0")
    return Asked(
        tuple(sorted(set(threads))),
        options.repeats,
        options.orders,
        options.profile_runs,
        options.trials_limit,
        options.plan_limit,
        options.tune_limit,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = Asked()
    parser.add_argument("--only", default="", help="names, comma-separated; all by default")
    parser.add_argument("--pipelines", metavar="DIR", help="a folder of NAME.py and NAME/pipeline.py")
    parser.add_argument("--threads", default="1..8", help="budgets: 1..8 or 1,2,4")
    parser.add_argument("--repeats", type=int, default=known.repeats, help="turns of the finals")
    parser.add_argument(
        "--orders", type=int, default=known.orders, help="of declaration; the first as written"
    )
    parser.add_argument(
        "--limit", type=float, default=math.inf, metavar="MINUTES", help="for everything, about"
    )
    parser.add_argument("--profile-runs", type=int, default=known.profile_runs)
    parser.add_argument("--trials-limit", type=float, default=known.trials_limit_s, metavar="SECONDS")
    parser.add_argument("--plan-limit", type=float, default=known.plan_limit_s, metavar="SECONDS")
    parser.add_argument("--tune-limit", type=float, default=known.tune_limit_s, metavar="SECONDS")
    parser.add_argument("--json", action="store_true", help="print rows and scores")
    parser.add_argument("--out", metavar="FILE", help="write what --json prints, again and again as it comes")
    parser.add_argument("--from", dest="file", metavar="FILE", help="a file that --json or --out wrote")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
