"""A thread that looks at a run now and then and draws it in the terminal.

The run does nothing for it: the trace, which every recorded run writes, is read from outside. The thread
takes `SHARE` of the time at most, because what it takes of the GIL the run may want; it sees to that itself,
by pausing for longer when drawing takes longer. One run is shown at a time; another one that begins meanwhile
is not shown. What goes wrong in drawing ends the view, never the run.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError, missing_extra
from makespan.showing.live.glance import glance_at, scene_of
from makespan.showing.live.screen import draw, last_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.live import Live

    from makespan.engine.tracing import Trace
    from makespan.preparing.prepared import Prepared
    from makespan.showing.live.glance import Glance, Scene

FIRST_S = 0.2
"""A run that is over sooner is not drawn: it would only flicker."""
PAUSE_S = 0.1
SHARE = 0.02
_GIVE_UP_S = 1.0

_one_at_a_time = threading.Lock()


def view_of(progress: bool, *, color: bool | None = None, leave: bool = True) -> View | None:
    """Return a view for a run; None when none is wanted, or where there is no terminal to draw on.

    Parameters
    ----------
    progress : bool
        Whether one is wanted.
    color : bool, optional
        rich finds out when it is None.
    leave : bool
        Whether a last line stays on the screen.

    Raises
    ------
    OptionError
        `progress` is not a truth value.
    MissingExtraError
        There is a terminal, and rich is not installed.
    """
    if not isinstance(progress, bool):
        raise OptionError(
            f"is True or False, not a {type(progress).__name__}",
            where="progress",
            hint="an input of that name is given by position",
        )
    if not progress or not is_screen(sys.stderr):
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        raise missing_extra("a live view of a run", "rich", "live") from error
    return View(Console(file=sys.stderr, no_color=None if color is None else not color), leave=leave)


def is_screen(stream: Any) -> bool:
    """Whether one can draw on a stream: a terminal that knows how to go back, and takes any character."""
    if os.environ.get("TERM", "") in {"dumb", "unknown"}:
        return False
    try:
        return bool(stream.isatty()) and str(stream.encoding).lower().replace("-", "") == "utf8"
    except (AttributeError, ValueError):
        return False


class View:
    """The view of one run: `begin`, and `end` in any case; `end` may be called again.

    Parameters
    ----------
    console : rich.console.Console
    leave : bool
        Whether a last line stays on the screen.
    first_s : float
        When it is drawn for the first time.
    """

    def __init__(self, console: Console, *, leave: bool = True, first_s: float = FIRST_S) -> None:
        self._console = console
        self._leave = leave
        self._first_s = first_s
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None

    def begin(self, prepared: Prepared, trace: Trace, failures: list[tuple[int, BaseException]]) -> None:
        """Look at a run from now on.

        Parameters
        ----------
        prepared : Prepared
        trace : Trace
        failures : list of (int, BaseException)
            Grows while the run goes on.
        """
        if not _one_at_a_time.acquire(blocking=False):
            return
        try:
            scene = scene_of(prepared)
            looks = (scene, trace, failures, trace.clock(), threading.get_ident())
            self._thread = threading.Thread(
                target=self._look_on, args=looks, name="makespan-live", daemon=True
            )
            self._thread.start()
        except BaseException:
            self._thread = None
            _one_at_a_time.release()
            raise

    def end(self) -> None:
        """Take the view away."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._over.set()
        try:
            # A terminal that is stopped (Ctrl-S) stops the thread, but not the run.
            thread.join(_GIVE_UP_S)
        finally:
            _one_at_a_time.release()

    def _look_on(
        self,
        scene: Scene,
        trace: Trace,
        failures: list[tuple[int, BaseException]],
        begun: int,
        caller: int,
    ) -> None:
        def look() -> Glance:
            failed = [i for i, _ in failures.copy()]
            return glance_at(scene, trace, begun, trace.clock(), failed, caller)

        pause_s, well = self._first_s, False
        with suppress(Exception):
            try:
                while not self._over.wait(pause_s):
                    began, cpu = time.perf_counter(), time.thread_time()
                    self._show(look())
                    took_s = max(time.thread_time() - cpu, (time.perf_counter() - began) / 10)
                    pause_s = max(PAUSE_S, took_s * (1 / SHARE - 1))
                well = True
            finally:
                self._close(look if self._leave and well else None)

    def _show(self, glance: Glance) -> None:
        if self._live is None:
            from rich.live import Live

            # What nodes print to the same terminal is written above the view; what goes elsewhere is not
            # touched.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=_is_tty(sys.stdout),
                redirect_stderr=True,
                vertical_overflow="crop",
            )
            self._live.start()
        size = self._console.size
        self._live.update(draw(glance, size.width - 1, max(3, size.height - 1)), refresh=True)

    def _close(self, look: Callable[[], Glance] | None) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        live.stop()
        if look is not None:
            self._console.print(last_line(look()), markup=False, highlight=False, emoji=False)


def _is_tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
