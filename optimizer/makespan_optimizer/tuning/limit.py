"""The time limit of a tuning: how much is left, and progress told in hundredths of its seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class TimeLimit:
    """Wall seconds from a moment on.

    Parameters
    ----------
    limit_s : float
    begun : float
        On the clock of `time.monotonic`.
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    """

    def __init__(
        self, limit_s: float, begun: float, progress: Callable[[int, int, str], Any] | None = None
    ) -> None:
        self.limit_s = limit_s
        self._begun = begun
        self._progress = progress

    @property
    def used_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def left_s(self) -> float:
        """Seconds that remain; below zero when it is over."""
        return self.limit_s - self.used_s

    def tell(self, label: str) -> None:
        """Report progress."""
        if self._progress is not None:
            done = min(self.limit_s, self.used_s)
            self._progress(round(100 * done), round(100 * self.limit_s), label)
