"""The colours of pictures are told apart by the colour-blind, too, and words can be read on their paper.

Simulated after Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color
vision deficiency", at full severity; distances are those of CIE L*a*b* (1976), where 2.3 is just noticeable.
"""

from __future__ import annotations

import itertools

import pytest

from makespan.showing.colours import (
    DARK,
    FILL,
    HATCH,
    IDLE_FILL,
    IDLE_HATCH,
    INK,
    PAPER,
    QUIET,
    RUNNING,
    STRIP,
)
from makespan.showing.plots.what_if import STYLES
from makespan.showing.reprs.card import _DARK_FILL

SEEN = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.01182, 0.04294, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.3039),
    ),
}


def linear(colour: str) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def lab(colour: str, seen: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    r, g, b = (min(1.0, max(0.0, sum(m * c for m, c in zip(row, rgb, strict=True)))) for row in SEEN[seen])
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(a: str, b: str, seen: str) -> float:
    return sum((p - q) ** 2 for p, q in zip(lab(a, seen), lab(b, seen), strict=True)) ** 0.5


def contrast(a: str, b: str) -> float:
    weights = (0.2126, 0.7152, 0.0722)
    low, high = sorted(sum(w * c for w, c in zip(weights, linear(one), strict=True)) for one in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("seen", SEEN)
def test_what_fills_a_bar_is_told_apart(seen: str) -> None:
    # What has no pattern of its own must differ by colour alone.
    for some in (FILL, DARK):
        for a, b in itertools.combinations(("gil", "native", "blocked", "unknown", "longer"), 2):
            if HATCH.get(a) == HATCH.get(b):
                assert apart(some[a], some[b], seen) > 14, (a, b)
        assert apart(some["gil"], some["native"], seen) > 30
        assert apart(some["gil"], some["blocked"], seen) > 25


@pytest.mark.parametrize("seen", SEEN)
def test_strips_of_idle_time_are_told_apart_on_light_and_dark_paper(seen: str) -> None:
    for look in (0, 1):
        for a, b in itertools.combinations([colours[look] for colours in STRIP.values()], 2):
            assert apart(a, b, seen) > 14, (a, b)


@pytest.mark.parametrize("seen", SEEN)
def test_why_a_lane_is_idle_is_told_apart(seen: str) -> None:
    for a, b in itertools.combinations(IDLE_FILL, 2):
        if IDLE_HATCH.get(a) == IDLE_HATCH.get(b):
            assert apart(IDLE_FILL[a], IDLE_FILL[b], seen) > 14, (a, b)
    assert all(apart(RUNNING, colour, seen) > 12 for colour in IDLE_FILL.values())
    assert all(apart(RUNNING, FILL[line], seen) > 20 for line in ("gil", "native"))


def test_lines_differ_in_their_marks_as_well() -> None:
    assert len({mark for _, mark in STYLES}) == len(STYLES)


def test_words_can_be_read_on_their_paper() -> None:
    for ink, paper in ((INK, PAPER), (QUIET, PAPER)):
        assert contrast(ink, paper) >= 4.5
        assert contrast(_DARK_FILL[ink], _DARK_FILL[paper]) >= 4.5
