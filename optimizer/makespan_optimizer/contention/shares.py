"""Shares of the GIL and of cores as whole numbers, few enough that a simulator meets the same ones again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGE = 64  # nodes
_MOST_MIXED = 24  # different shares in a large DAG


def whole_shares(
    rows: Sequence[tuple[float, float, float]], stretch: Sequence[float], capacity: int, *, gil: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return thousandths of the GIL and of a core, rounded to hundredths: they are not measured better.

    In a large DAG nodes with similar shares get their mean (by duration, so that the work in all stays what
    it was): then the simulator meets the same mixtures of nodes again.

    Parameters
    ----------
    rows : sequence of (float, float, float), shape (n,)
        Wall seconds of each node, its share of the GIL, and cores.
    stretch : sequence of float, shape (n,)
        By how much it takes longer because it wants more cores than there are.
    capacity : int
        Thousandths of a core that there are.
    gil : bool
        Whether there is one.
    """
    held = [share / factor if gil else 0.0 for (_, share, _), factor in zip(rows, stretch, strict=True)]
    used = [cores / factor for (_, _, cores), factor in zip(rows, stretch, strict=True)]
    fine = [(round(100 * g), round(100 * c)) for g, c in zip(held, used, strict=True)]
    most = max(_MOST_MIXED, 0 if len(rows) > _LARGE else len(rows))
    for steps in (100, 20, 10, 5, 2):
        cells = [(round(steps * g / 100), round(steps * c / 100)) for g, c in fine]
        if len(set(cells)) <= most:
            break
    if steps < 100:
        within: dict[tuple[int, int], list[int]] = {}
        for i, cell in enumerate(cells):
            within.setdefault(cell, []).append(i)
        for alike in within.values():
            seconds = [rows[i][0] * stretch[i] for i in alike]
            total = math.fsum(seconds)
            for shares in (held, used) if total else ():
                mean = math.fsum(s * shares[i] for s, i in zip(seconds, alike, strict=True)) / total
                for i in alike:
                    shares[i] = mean
    whole = (1000, 10 if steps == 100 else 1)
    return tuple(_rounded(g, *whole) for g in held), tuple(min(capacity, _rounded(c, *whole)) for c in used)


def _rounded(share: float, whole: int, step: int) -> int:
    """Return a share in parts of so many for the whole, rounded to steps."""
    return step * round(whole * share / step)
