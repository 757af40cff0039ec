"""``makespan report RUN``: draw the Gantt of a run (or of a plan that has not run yet)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.errors import OptionError, RecordError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.plan import Plan
    from makespan.record import RunRecord

EXAMPLES = (
    "makespan report run.json -o report.html",
    "makespan report run.json --format text -o -",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "run",
        nargs="?",
        default="run.json",
        metavar="RUN",
        help="run.json or plan.json; - is stdin (default: run.json)",
    )
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="html, png, svg, pdf or text (default: as the output's name ends, else html)",
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

    kind = _kind(options.format, options.output)
    if kind not in reports.FORMATS:
        from makespan.errors import did_you_mean

        formats = ", ".join(reports.FORMATS)
        raise OptionError(
            f"{kind!r} is none of {formats}", where="--format", hint=did_you_mean(kind, reports.FORMATS)
        )
    path = options.output or ("report.txt" if kind == "text" else f"report.{kind}")
    if options.open and path == "-":
        raise OptionError("stdout cannot be opened in a browser", where="--open", hint="-o FILE")
    opt.ready_output(path, kind, force=options.force)
    shown = read_run_or_plan(options.run)
    if path == "-":
        terminal.emit(reports.render(shown, kind))
    else:
        reports.write_report(shown, path, format=kind, force=options.force)
        terminal.say(f"wrote {path}")
    if options.json and path != "-":
        terminal.emit_json(reports.as_report(shown))
    if options.open:
        import webbrowser

        if not webbrowser.open(Path(path).resolve().as_uri()):
            terminal.warn(f"no browser could be started; open {path} yourself")
    return Exit.OK


def _kind(given: str | None, output: str | None) -> str:
    word = (
        given or ("html" if output in (None, "-") else Path(output or "").suffix.removeprefix(".")) or "html"
    )
    return {"txt": "text", "htm": "html"}.get(word.lower(), word.lower())


def read_run_or_plan(path: str) -> RunRecord | Plan:
    """Read a run, or a plan to be shown before it has run.

    Raises
    ------
    RecordError, PlanError
        The file is neither, or not whole.
    """
    from makespan.files import read_bytes
    from makespan.plan import parse_plan
    from makespan.record import parse_record

    data = read_bytes(path, RecordError)
    if b'"makespan-plan/' in data[:200]:
        return parse_plan(data, path)
    return parse_record(data, path)
