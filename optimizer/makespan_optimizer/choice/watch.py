"""Whether the time was up at some point: what was left out then, another machine may not leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watch:
    """Says whether the time is up, and remembers it.

    Parameters
    ----------
    over : callable

    >>> watch = Watch(lambda: True)
    >>> watch.late, watch(), watch.late
    (False, True, True)
    """

    def __init__(self, over: Callable[[], bool]) -> None:
        self._over = over
        self.late = False
        """It was up when somebody asked."""

    def __call__(self) -> bool:
        """Return whether the time is up."""
        self.late = self.late or self._over()
        return self.late
