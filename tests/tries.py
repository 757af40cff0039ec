"""Tests of real time on a machine that others use too."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


def best_of(tries: int) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Let a test fail only when it failed each time: for what load may spoil, but never bring about."""

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def tried(*args: P.args, **kwargs: P.kwargs) -> None:
            for _ in range(tries - 1):
                try:
                    return test(*args, **kwargs)
                except AssertionError:
                    continue
            return test(*args, **kwargs)

        return tried

    return decorate
