"""``makespan compare A B``: what differs between two plans, two runs, or a plan and a run, and why.

With ``--fail-if-slower`` it is a gate for CI. Exit code 1: b is slower than a by more than that, or (with
``--strict``) that cannot be told. 0: it is not, or it cannot be told, with a warning. 2: nothing to judge.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.terminal import ReaderGoneError
from makespan.errors import OptionError, RecordError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.comparing.differences import Comparison
    from makespan.comparing.gate_sides import Judged, Named
    from makespan.plan import Plan
    from makespan.record import RunRecord

EXAMPLES = (
    "makespan compare plan.json run.json",
    "makespan compare run*.json --against measured*.json --fail-if-slower 5%",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="A and B: plan.json or run.json of the same DAG; - is stdin",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="RUN",
        help="two groups of runs: those named first are a, these b; the median run of each is looked into",
    )
    parser.add_argument(
        "--fail-if-slower",
        type=opt.share,
        metavar="SHARE",
        help="exit code 1 when b is slower than a by more than this, as 5%%: of runs the medians, with "
        "95 %% confidence (5 runs a side at least); of two plans what was measured, else what they expect",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with --fail-if-slower: exit code 1 also when that cannot be told",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Compare, and print text or JSON."""
    if options.strict and options.fail_if_slower is None:
        raise OptionError("is for the gate", where="--strict", hint="--fail-if-slower 5% --strict")
    first, second = _sides(options.files, options.against)
    if options.against is None and options.fail_if_slower is None:
        _show(options, terminal, _compared(_read(first)[0], _read(second)[0]))
        return Exit.OK
    from makespan.comparing.gate_sides import judge

    judged = judge(_read(first), _read(second), options.fail_if_slower or 0.0)
    with suppress(ReaderGoneError):  # the exit code is the verdict, read or not
        _show(options, terminal, _compared(*judged.drawn), judged, (_label(first), _label(second)))
    return Exit.OK if options.fail_if_slower is None else _code(options, terminal, judged)


def _sides(files: list[str], against: list[str] | None) -> tuple[list[str], list[str]]:
    """Return the files of both sides."""
    from makespan.cli.files import matching

    if not files or (len(files) < 2 and against is None):
        raise OptionError(
            f"the following arguments are required: {'A, B' if not files else 'B'}",
            where="makespan compare",
            hint="makespan compare A B, or old*.json --against new*.json",
        )
    if len(files) > 2 and against is None:
        raise OptionError(
            f"a word too many: {files[2]!r}",
            where="makespan compare",
            hint="several of each side: old*.json --against new*.json",
        )
    first, second = (files, against) if against is not None else (files[:1], files[1:])
    if [*first, *second].count("-") > 1:
        raise OptionError("only one of the two can come from stdin", where="-")
    return matching(first), matching(second)


def _read(paths: list[str]) -> list[Named]:
    from makespan.comparing.gate_sides import Named

    return [Named(path, read_plan_or_run(path)) for path in paths]


def _compared(a: Named, b: Named) -> Comparison:
    from makespan.comparing.comparison import compare

    return compare(a.its, b.its, labels=(a.where, b.where))


def _label(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"


def _show(
    options: argparse.Namespace,
    terminal: Terminal,
    compared: Comparison,
    judged: Judged | None = None,
    labels: tuple[str, str] = ("", ""),
) -> None:
    if options.json:
        terminal.emit_json(compared if judged is None else _data(compared, judged, labels))
        return
    text = compared.text()
    if judged is not None:
        from makespan.comparing.gate_text import verdict_text

        told = verdict_text(judged.verdict, labels, judged.notes, gate=options.fail_if_slower is not None)
        text = f"{told}\n\n{text}"
    terminal.emit(text)


def _data(compared: Comparison, judged: Judged, labels: tuple[str, str]) -> dict[str, Any]:
    """Return the comparison of the two median runs (or plans) with the verdict on all of them."""
    import msgspec

    gate = {
        **msgspec.to_builtins(judged.verdict),
        "labels": list(labels),
        "notes": list(judged.notes),
    }
    return {**msgspec.to_builtins(compared), "gate": gate}


def _code(options: argparse.Namespace, terminal: Terminal, judged: Judged) -> int:
    from makespan.comparing.gate_text import headline, reason

    if judged.verdict.answer == "slower":
        return Exit.JUDGED
    if judged.verdict.answer == "not slower":
        return Exit.OK
    terminal.warn(f"{headline(judged.verdict)}; {reason(judged.verdict)}")
    return Exit.JUDGED if options.strict else Exit.OK


def read_plan_or_run(path: str) -> Plan | RunRecord:
    """Read a plan or a run, whichever the file is.

    Raises
    ------
    PlanError, RecordError
        The file is neither, or not whole.
    """
    from makespan.cli.reading import kind_of
    from makespan.files import read_bytes
    from makespan.plan import parse_plan
    from makespan.record import parse_record

    data = read_bytes(path, RecordError)
    kind = kind_of(data)
    if kind == "plan":
        return parse_plan(data, path)
    if kind not in ("", "run"):
        raise RecordError(f"is a {kind}", where=path, hint="plans and runs are compared")
    return parse_record(data, path)
