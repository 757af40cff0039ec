"""``makespan export PLAN --to FORM``: a plan, profile, run or DAG in the form that another program takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.errors import OptionError, RecordError, did_you_mean

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal

EXAMPLES = (
    "makespan export plan.json --to csv -o plan.csv",
    "makespan export pipeline:news --to mermaid",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    from makespan.exporting.export import FORMS

    parser.add_argument(
        "source",
        nargs="?",
        default="plan.json",
        metavar="PLAN",
        help="plan.json, profile.json or run.json; - is stdin; or a TARGET (default: plan.json)",
    )
    forms = "; ".join(f"{name}: {form.about}" for name, form in FORMS.items())
    parser.add_argument("--to", metavar="FORM", help=forms)
    parser.add_argument(
        "-o",
        "--output",
        default="-",
        type=opt.output,
        metavar="FILE",
        help="where it goes; - is stdout (default)",
    )
    opt.add_force(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Export, and say what the form cannot carry."""
    from makespan.exporting.export import FORMS, export
    from makespan.files import write_atomic

    if options.to not in FORMS:
        what = "a form is needed" if options.to is None else f"{options.to!r} is none of {', '.join(FORMS)}"
        hint = did_you_mean(str(options.to), FORMS) or f"one of {', '.join(FORMS)}"
        raise OptionError(what, where="--to", hint=hint)
    path = options.output
    if options.json and path == "-":
        raise OptionError("stdout takes what is exported", where="--json", hint="-o FILE")
    opt.ready_output(path, options.to, force=options.force)
    text, lost = export(read_source(options.source), options.to)
    if path == "-":
        terminal.emit(text)
    else:
        write_atomic(path, text.encode())
        terminal.say(f"wrote {path}")
    for sentence in lost:
        terminal.warn(f"not carried: {sentence}")
    if options.json:
        terminal.emit_json({"to": options.to, "output": path, "not_carried": lost})
    return Exit.OK


def read_source(text: str) -> Any:
    """Read what is to be exported: a file of makespan's, or the DAG that a target names.

    Raises
    ------
    PlanError, ProfileError, RecordError
        The file is not whole, or of none of these kinds.
    TargetError, DescribeError
        It is neither a file nor a target.
    """
    from pathlib import Path

    if text != "-" and not Path(text).is_file() and not text.endswith(".json"):
        from makespan.cli.target import load_target

        return load_target(text)
    from makespan.files import read_bytes

    return parse_any(read_bytes(text, RecordError), text)


def parse_any(data: bytes, where: str) -> Any:
    """Read a plan, profile or run, whichever it is."""
    from makespan.cli.reading import kind_of
    from makespan.plan import parse_plan
    from makespan.record import parse_record

    kind = kind_of(data)
    if kind == "plan":
        return parse_plan(data, where)
    if kind == "profile":
        from makespan.cli.reading import heed_profile_warnings
        from makespan.profile import parse_profile

        heed_profile_warnings()
        return parse_profile(data, where)
    return parse_record(data, where)
