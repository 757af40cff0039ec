"""Handing the results of a node that stands for several to those that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def deal_out(parts: Sequence[Sequence[tuple[int, int]]], slots: list[Any], values: Sequence[Any]) -> None:
    """Put each of several results into the slots that take it."""
    for links, value in zip(parts, values, strict=True):
        for consumer, slot in links:
            slots[consumer][slot] = value
