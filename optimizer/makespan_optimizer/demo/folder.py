"""The folder of a demo: the example, and the files that are written beside it.

Nothing of the user's is overwritten: a file is replaced only if it is of the demo's own making (a plan of the
survey, a page, the example unchanged), or if the user says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from makespan.errors import MakespanError, OptionError
from makespan.files import ensure_replaceable, write_atomic

if TYPE_CHECKING:
    import os

EXAMPLE = "stdlib_survey.py"
DAG_NAME = "survey"
KINDS = {
    "profile.json": "makespan-profile",
    "plan.json": "makespan-plan",
    "run.json": "makespan-run",
    "report.html": "html",
    "gantt.png": "png",
}
"""What is written, and of which kind it is."""


def find_example() -> Path:
    """Return the file of the example: beside this module in a wheel, in ``examples/`` in a checkout.

    Raises
    ------
    MakespanError
        It is in neither place.
    """
    here = Path(__file__).resolve().parent
    for place in (here / EXAMPLE, here.parents[2] / "examples" / EXAMPLE):
        if place.is_file():
            return place
    raise MakespanError(f"this installation lacks {EXAMPLE}", where=str(here), hint="install makespan again")


def ensure_usable(folder: Path, example: bytes, *, force: bool = False) -> None:
    """Refuse a folder in which a file of somebody else's would be overwritten.

    Raises
    ------
    OptionError
        A file of one of the demo's names is of another kind, or of another DAG, or the copy of the example
        was changed, and `force` is not set; or the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionError("is not a folder", where=str(folder), hint="name a folder for the demo's files")
    if not folder.exists():
        return
    for name, kind in KINDS.items():
        path = folder / name
        ensure_replaceable(path, kind, force=force)
        if kind.startswith("makespan-") and not force and path.exists():
            _ensure_ours(path)
    copy = folder / EXAMPLE
    if copy.is_dir():
        raise OptionError("is a folder", where=str(copy), hint="name another folder")
    if not force and copy.exists() and copy.read_bytes() not in {b"", example}:
        raise OptionError(
            "is not the example as it is shipped",
            where=str(copy),
            hint="name another folder; -f overwrites it",
        )


def make(folder: str | os.PathLike[str]) -> Path:
    """Make the folder, and return its absolute path.

    Raises
    ------
    OptionError
        It cannot be made.
    """
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    return path


def put_example(folder: Path, example: bytes) -> Path:
    """Write the copy of the example, unless it is there already, and return its path."""
    copy = folder / EXAMPLE
    if not copy.exists() or copy.read_bytes() != example:
        write_atomic(copy, example)
    return copy


def _ensure_ours(path: Path) -> None:
    try:
        name = json.loads(path.read_bytes())["dag"]["name"]
    except (ValueError, KeyError, TypeError):
        return  # nothing readable is lost
    if name != DAG_NAME:
        raise OptionError(
            f"is of the DAG {name!r}", where=str(path), hint="name another folder; -f overwrites it"
        )
