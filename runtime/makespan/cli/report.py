"""``makespan report RUN``: draw the Gantt of a run (or of a plan before it runs), or of two on one axis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.errors import OptionError, RecordError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.record import RunRecord
    from makespan.showing.report import Pair, Report

EXAMPLES = (
    "makespan report run.json -o report.html",
    "makespan report run.json measured.json --format text -o -",
)
DEFAULT = "run.json"


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="run.json or plan.json; - is stdin (default: run.json); two are laid under one another",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="RUN",
        help="two groups of runs: those named first against these; of each the median run is drawn",
    )
    parser.add_argument(
        "--profile", metavar="FILE", help="profile.json: what each node does alone, shown with it"
    )
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="html, png, svg, pdf, text, trace (for Perfetto) or json "
        "(default: as the output's name ends, else html)",
    )
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument(
        "-o",
        "--output",
        type=opt.output,
        metavar="FILE",
        help="where it goes; - is stdout (default: report.html, or with the format's ending)",
    )
    opt.add_force(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the report; with ``--json`` print its figures."""
    from makespan.showing import report as reports

    first, second = _sides(options.runs or [DEFAULT], options.against)
    kind = _kind(options.format, options.output, pair=second is not None)
    path = options.output or _name(kind)
    if options.open and path == "-":
        raise OptionError("stdout cannot be opened in a browser", where="--open", hint="-o FILE")
    opt.ready_output(path, reports.file_kind(kind), force=options.force)
    profile = _profile(options.profile)
    report = _read(first, second, profile)
    if path == "-":
        terminal.emit(reports.render(report, kind))
    else:
        reports.write_report(report, path, format=kind, force=options.force)
        terminal.say(f"wrote {path}")
    if options.json and path != "-":
        terminal.emit_json(_data(report))
    if options.open:
        import webbrowser

        if not webbrowser.open(Path(path).resolve().as_uri()):
            terminal.warn(f"no browser could be started; open {path} yourself")
    return Exit.OK


def _sides(runs: list[str], against: list[str] | None) -> tuple[list[str], list[str] | None]:
    """Return the files of the one, or of both sides."""
    first, second = (runs, against) if against else (runs[:1], runs[1:] or None)
    if not against and len(runs) > 2:
        raise OptionError(
            f"one run or two, not {len(runs)}",
            where="RUN",
            hint="several of each side: before*.json --against after*.json",
        )
    if [*first, *(second or ())].count("-") > 1:
        raise OptionError("only one of them can come from stdin", where="-")
    return first, second


def _kind(given: str | None, output: str | None, *, pair: bool) -> str:
    from makespan.errors import did_you_mean
    from makespan.showing.report import FORMATS, PAIR_FORMATS, format_of_name, usual

    name = "" if output in (None, "-") else format_of_name(output or "")
    kind = usual(given or name or "html")
    if kind not in FORMATS:
        hint = did_you_mean(kind, FORMATS)
        raise OptionError(f"{kind!r} is none of {', '.join(FORMATS)}", where="--format", hint=hint)
    if pair and kind not in PAIR_FORMATS:
        raise OptionError(
            f"two runs are not drawn as {kind}", where="--format", hint=f"as {', '.join(PAIR_FORMATS)}"
        )
    return kind


def _name(kind: str) -> str:
    return {"text": "report.txt", "trace": "report.trace.json"}.get(kind, f"report.{kind}")


def _profile(path: str | None) -> Profile | None:
    if path is None:
        return None
    from makespan.cli.reading import read_profile

    return read_profile(path)


def _read(first: list[str], second: list[str] | None, profile: Profile | None) -> Report | Pair:
    from makespan.showing import report as reports

    if second is None:
        return reports.as_report(read_run_or_plan(first[0]), profile)
    return reports.pair_of(
        _side(first), _side(second), labels=(_label(first), _label(second)), profile=profile
    )


def _side(paths: list[str]) -> Plan | RunRecord | list[RunRecord]:
    if len(paths) == 1:
        return read_run_or_plan(paths[0])
    from makespan.record import load_record

    return [load_record(path) for path in paths]


def _label(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"


def _data(report: Report | Pair) -> dict[str, Any]:
    from makespan.showing.as_json import pair_data, report_data
    from makespan.showing.beside import Pair

    return pair_data(report) if isinstance(report, Pair) else report_data(report)


def read_run_or_plan(path: str) -> RunRecord | Plan:
    """Read a run, or a plan to be shown before it has run.

    Raises
    ------
    RecordError, PlanError
        The file is neither, or not whole.
    """
    from makespan.cli.reading import kind_of
    from makespan.files import read_bytes
    from makespan.plan import parse_plan
    from makespan.record import parse_record

    data = read_bytes(path, RecordError)
    return parse_plan(data, path) if kind_of(data) == "plan" else parse_record(data, path)
