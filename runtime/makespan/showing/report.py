"""Write the report of a run or a plan: page, picture or text, all drawn from one frozen `Report`.

`report_of` computes every figure once, so that the outputs never disagree; the writers only draw.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from makespan.errors import OptionError, did_you_mean
from makespan.files import ensure_replaceable, write_atomic
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.account import report_of, report_of_plan
from makespan.showing.figures import Bar, NodeRow, Report, Shares

if TYPE_CHECKING:
    import os

__all__ = [
    "FORMATS",
    "Bar",
    "NodeRow",
    "Report",
    "Shares",
    "as_report",
    "render",
    "report_of",
    "report_of_plan",
    "write_report",
]

FORMATS = ("html", "png", "svg", "pdf", "text")


def as_report(thing: Report | RunRecord | Plan) -> Report:
    """Return the report of whatever can be shown."""
    if isinstance(thing, RunRecord):
        return report_of(thing)
    return report_of_plan(thing) if isinstance(thing, Plan) else thing


def render(thing: Report | RunRecord | Plan, format: str) -> bytes:  # noqa: A002 (the word users type)
    """Return the report as bytes: ``html``, ``png``, ``svg``, ``pdf`` or ``text``.

    Raises
    ------
    OptionError
        The format is unknown.
    MissingExtraError
        Pictures need matplotlib.
    """
    kind = _known(format)
    report = as_report(thing)
    if kind == "html":
        from makespan.showing.page import render_page

        return render_page(report)
    if kind == "text":
        from makespan.showing.text import report_text

        return f"{report_text(report)}\n".encode()
    from makespan.showing.gantt import picture

    return picture(report, kind)


def write_report(
    record: RunRecord | Report | Plan,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    force: bool = False,
) -> None:
    """Write the report, whole or not at all; the format follows the file's ending unless it is named.

    Raises
    ------
    OptionError
        The format is unknown, the path cannot be written, or it holds something else and `force` is not set.
    MissingExtraError
        Pictures need matplotlib.
    """
    ending = Path(path).suffix.removeprefix(".")
    if format is None and not ending:
        raise OptionError("the name has no ending that says the format", where=str(path), hint=_formats())
    kind = _known(format if format is not None else ending, where=None if format is not None else str(path))
    ensure_replaceable(path, kind, force=force)
    write_atomic(path, render(record, kind))


def _known(word: str, where: str | None = None) -> str:
    kind = {"txt": "text", "htm": "html"}.get(word.lower(), word.lower())
    if kind not in FORMATS:
        near = did_you_mean(kind, FORMATS)
        raise OptionError(
            f"{word!r} is not a format of the report",
            where=where,
            hint=f"{near} {_formats()}" if near else _formats(),
        )
    return kind


def _formats() -> str:
    return f"formats: {', '.join(FORMATS)}"
