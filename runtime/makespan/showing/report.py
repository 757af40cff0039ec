"""Write the report of a run, a plan, or two of them: page, picture, text, trace or JSON.

`report_of` (of two: `pair_of`) computes every figure once, so that the outputs never disagree; the writers
only draw.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from makespan.errors import OptionError, did_you_mean
from makespan.files import ensure_replaceable, write_atomic
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.account import report_of, report_of_plan
from makespan.showing.beside import Pair
from makespan.showing.figures import Bar, NodeRow, Report, Shares
from makespan.showing.pairing import pair_of

if TYPE_CHECKING:
    import os

    from makespan.profile import Profile

__all__ = [
    "FORMATS",
    "PAIR_FORMATS",
    "Bar",
    "NodeRow",
    "Pair",
    "Report",
    "Shares",
    "as_report",
    "known_format",
    "pair_of",
    "render",
    "report_of",
    "report_of_plan",
    "write_report",
]

FORMATS = ("html", "png", "svg", "pdf", "text", "trace", "json")
PAIR_FORMATS = ("html", "text", "trace", "json")
"""What two runs beside one another are written as."""
Shown = Report | Pair | RunRecord | Plan

_FILES = {"trace": "makespan-trace", "json": "makespan-report"}  # what such a file says it is


def as_report(thing: Shown, profile: Profile | None = None) -> Report | Pair:
    """Return the report of whatever can be shown.

    Raises
    ------
    ProfileError
        The profile has no node in common with it.
    """
    if isinstance(thing, RunRecord):
        return report_of(thing, profile=profile)
    return report_of_plan(thing, profile=profile) if isinstance(thing, Plan) else thing


def render(thing: Shown, format: str, *, profile: Profile | None = None) -> bytes:  # noqa: A002 (users' word)
    """Return the report as bytes.

    Parameters
    ----------
    thing : Report, Pair, RunRecord or Plan
    format : {"html", "png", "svg", "pdf", "text", "trace", "json"}
        ``trace`` is for Perfetto, ``json`` holds all figures.
    profile : Profile, optional
        What is known of the nodes alone; a `Report` or `Pair` has it already.

    Raises
    ------
    OptionError
        The format is unknown, or is none for two runs.
    MissingExtraError
        Pictures need matplotlib.
    ProfileError
        The profile has no node in common with what is shown.
    """
    kind = known_format(format, pair=isinstance(thing, Pair))
    report = as_report(thing, profile)
    return _pair(report, kind) if isinstance(report, Pair) else _one(report, kind)


def _one(report: Report, kind: str) -> bytes:
    match kind:
        case "html":
            from makespan.showing.page import render_page

            return render_page(report)
        case "text":
            from makespan.showing.text import report_text

            return f"{report_text(report)}\n".encode()
        case "trace":
            from makespan.showing.trace import trace_of

            return trace_of(report)
        case "json":
            from makespan.showing.as_json import json_bytes, report_data

            return json_bytes(report_data(report))
    from makespan.showing.plots.picture import picture

    return picture(report, kind)


def _pair(pair: Pair, kind: str) -> bytes:
    match kind:
        case "html":
            from makespan.showing.page import render_pair

            return render_pair(pair)
        case "text":
            from makespan.showing.pair_text import pair_text

            return f"{pair_text(pair)}\n".encode()
        case "trace":
            from makespan.showing.trace import trace_of_pair

            return trace_of_pair(pair)
    from makespan.showing.as_json import json_bytes, pair_data

    return json_bytes(pair_data(pair))


def write_report(
    record: Shown,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    force: bool = False,
    profile: Profile | None = None,
) -> None:
    """Write the report, whole or not at all; the format follows the file's ending unless it is named.

    Raises
    ------
    OptionError
        The format is unknown, the path cannot be written, or it holds something else and `force` is not set.
    MissingExtraError
        Pictures need matplotlib.
    ProfileError
        The profile has no node in common with what is shown.
    """
    pair = isinstance(record, Pair)
    word = format if format is not None else format_of_name(str(path))
    if not word:
        raise OptionError(
            "the name has no ending that says the format", where=str(path), hint=_formats(pair=pair)
        )
    kind = known_format(word, where=None if format is not None else str(path), pair=pair)
    ensure_replaceable(path, file_kind(kind), force=force)
    write_atomic(path, render(record, kind, profile=profile))


def file_kind(format: str) -> str:  # noqa: A002
    """Return what `makespan.files` calls a file of this format."""
    return _FILES.get(format, format)


def format_of_name(path: str) -> str:
    """Return the format that a file's name asks for by its ending; empty when it has none.

    >>> format_of_name("out/run.trace.json"), format_of_name("run.json"), format_of_name("run.htm")
    ('trace', 'json', 'htm')
    """
    if path.lower().endswith((".trace.json", ".perfetto.json")):
        return "trace"
    return Path(path).suffix.removeprefix(".")


def usual(word: str) -> str:
    """Return the format that a word or ending stands for, whether there is such a format or not."""
    return {"txt": "text", "htm": "html"}.get(word.lower(), word.lower())


def known_format(word: str, *, where: str | None = None, pair: bool = False) -> str:
    """Return a format by its name or an ending that is usual for it.

    Raises
    ------
    OptionError
        There is none of that name, or none for two runs.
    """
    kind = usual(word)
    if kind not in FORMATS:
        near = did_you_mean(kind, FORMATS)
        hint = f"{near} {_formats(pair=pair)}" if near else _formats(pair=pair)
        raise OptionError(f"{word!r} is not a format of the report", where=where, hint=hint)
    if pair and kind not in PAIR_FORMATS:
        raise OptionError(
            f"two runs beside one another are not drawn as {kind}", where=where, hint=_formats(pair=True)
        )
    return kind


def _formats(*, pair: bool) -> str:
    return f"formats: {', '.join(PAIR_FORMATS if pair else FORMATS)}"
