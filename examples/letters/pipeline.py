"""The letters of `tawazi_letters.py`, one folder up, as a table of nodes that any engine can run.

This is the plainest form of a pipeline to be measured: functions with what they wait for, and groups of
which one runs at a time. There the drawings are `is_sequential`, so that nothing runs beside them; what their
author meant is that no two of them run at once, and that is a group.
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import tawazi_letters as of

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR = "2024"
FOUR = range(4)


def decide(rate: float, *scores: float) -> Any:
    """Call the function of that name, whose rate is a keyword."""
    return of.decide.exec_function(*scores, rate=rate)


nodes: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "load": (of.load.exec_function, ()),
    **{f"fetch_{k}": (partial(of.fetch.exec_function, YEAR, k), ()) for k in FOUR},
    **{f"unpack_{k}": (of.unpack.exec_function, (f"fetch_{k}",)) for k in FOUR},
    **{f"words_{k}": (of.words.exec_function, (f"unpack_{k}",)) for k in FOUR},
    **{f"score_{k}": (of.score.exec_function, (f"words_{k}", "load")) for k in FOUR},
    **{f"preview_{k}": (of.preview.exec_function, (f"unpack_{k}",)) for k in FOUR},
    "rates": (of.rates.exec_function, ()),
    "convert": (partial(of.convert.exec_function, currency="EUR"), ("rates",)),
    "decide": (decide, ("convert", *(f"score_{k}" for k in FOUR))),
    "pages": (of.pages.exec_function, tuple(f"unpack_{k}" for k in FOUR)),
    "archive": (of.archive.exec_function, ("pages",)),
    "answer": (of.answer.exec_function, ("decide", "archive", *(f"preview_{k}" for k in FOUR))),
}
groups = {"drawing": tuple(f"preview_{k}" for k in FOUR)}
process_ok = tuple(nodes)


def setup() -> None:
    """Nothing: letters are drawn from their year and number."""


def check(results: dict[str, Any]) -> None:
    """Look at the answer."""
    its = results["answer"]
    assert len(set(its["previews"])) == 4
    assert of.WORK != 1 or its["bytes"] > 100_000


if __name__ == "__main__":
    print(of.letters(YEAR))
