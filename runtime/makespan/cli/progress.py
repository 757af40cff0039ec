"""Progress on stderr: on a terminal a line drawn over itself; with ``-v`` elsewhere, a line now and then.

It costs the measured work next to nothing: an update is drawn ten times a second at most, and nothing is
formatted in between.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Self

from makespan.cli.terminal import is_tty, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from makespan.cli.terminal import Terminal

_BAR = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Progress:
    """A progress line; as a context manager it leaves the terminal clean.

    Parameters
    ----------
    terminal : Terminal
    clock : callable, optional
        Seconds; ``time.monotonic``.
    """

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._live = is_tty(sys.stderr) and not terminal.quiet
        self._pause_s = 0.1 if self._live else 1.0
        self._on = self._live or (terminal.verbose and not terminal.quiet)
        self._next = 0.0
        self._begun = clock()
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def count(self, done: int, total: int, label: str = "") -> None:
        """Show `done` of `total` steps, and which one it is."""
        if self._due(last=done >= total):
            self._draw(f"{bar(done, total)} {done}/{total} {self._elapsed()} {printable(label)}")

    def tell(self, text: str) -> None:
        """Show a line of words."""
        if self._due():
            self._draw(f"{self._elapsed()} {printable(text)}")

    def until(self, done_s: float, limit_s: float, text: str) -> None:
        """Show how much of a time limit is used, how much is left, and a line of words."""
        if self._due():
            left_s = max(0.0, limit_s - done_s)
            self._draw(f"{bar(done_s, limit_s, 8)} {left_s:.0f} s left · {printable(text)}")

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn and self._live:
            _write("\r\x1b[K")
        self._drawn = False

    def _due(self, *, last: bool = False) -> bool:
        if not self._on:
            return False
        now = self._clock()
        if now < self._next and not (last and not self._live):
            return False
        self._next = now + self._pause_s
        return True

    def _draw(self, text: str) -> None:
        self._drawn = True
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            _write(f"\r{text[:width]}\x1b[K")
        else:
            self._terminal.note(text.rstrip())

    def _elapsed(self) -> str:
        spent = self._clock() - self._begun
        return f"{spent:.0f} s" if spent < 100 else f"{spent / 60:.0f} min"


def bar(done: float, total: float, width: int = _BAR) -> str:
    """Return a bar of fixed width.

    >>> bar(1, 4, 8)
    '██      '
    """
    eighths = round(8 * width * min(1.0, max(0.0, done / total if total else 1.0)))
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def _write(text: str) -> None:
    import contextlib

    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
