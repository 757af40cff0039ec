"""Progress: seldom, on stderr, and gone at the end."""

from __future__ import annotations

import io
import sys

import pytest

from makespan.cli.progress import Progress, bar
from makespan.cli.terminal import Terminal


class Screen(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")

    def install():  # within the test: pytest puts its own stderr in place before each phase
        made = Screen()
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return install


def ticking(*times):
    given = iter(times)
    last = 0.0

    def clock():
        nonlocal last
        last = next(given, last)
        return last

    return clock


def test_a_terminal_is_drawn_over_and_left_clean(screen):
    shown = screen()
    with Progress(Terminal(), ticking(0, 1, 1, 2)) as progress:
        progress.count(1, 4, "fetch\x1b[2J")
        progress.count(2, 4, "parse")
    text = shown.getvalue()
    assert "\n" not in text
    assert text.startswith("\r██████                   1/4 1 s fetch\\x1b[2J\x1b[K\r")
    assert text.endswith("\r\x1b[K")


def test_what_is_left_of_a_time_limit_comes_first(screen):
    shown = screen()
    with Progress(Terminal(), ticking(0, 1, 2)) as progress:
        progress.until(15, 60, "turn 3\x1b[2J")
        progress.until(61, 60, "done")
    lines = shown.getvalue().replace("\x1b[K", "").split("\r")
    assert lines[1:3] == ["██       45 s left · turn 3\\x1b[2J", "████████ 0 s left · done"]


def test_no_line_is_longer_than_the_terminal(screen):
    shown = screen()
    with Progress(Terminal(), ticking(0, 1)) as progress:
        progress.count(1, 4, "x" * 500)
    assert max(len(part) for part in shown.getvalue().replace("\x1b[K", "").split("\r")) < 60


def test_ten_updates_a_second_at_most(screen):
    shown = screen()
    times = [i / 1000 for i in range(1000)]
    with Progress(Terminal(), ticking(0.0, *[t for t in times for _ in range(2)])) as progress:
        for i in range(2000):
            progress.count(i, 2000, "n")
    assert 2 <= shown.getvalue().count("\r") <= 12


@pytest.mark.parametrize(
    ("verbose", "quiet", "lines"), [(False, False, 0), (True, False, 2), (True, True, 0)]
)
def test_without_a_terminal_only_when_asked_for(verbose, quiet, lines, capsys):
    with Progress(Terminal(verbose=verbose, quiet=quiet), ticking(0, 1, 1, 1.5, 1.6, 9, 9)) as progress:
        for done in (1, 2, 3):
            progress.count(done, 4, "n")
        progress.tell("best 1 s")
    err = capsys.readouterr().err
    assert err.count("\n") == lines
    assert "\r" not in err


def test_the_last_step_is_always_said_without_a_terminal(capsys):
    with Progress(Terminal(verbose=True), ticking(0, 1, 1, 1.1, 1.1)) as progress:
        progress.count(3, 4)
        progress.count(4, 4)
    assert "4/4" in capsys.readouterr().err


def test_quiet_is_quiet_on_a_terminal(screen):
    shown = screen()
    with Progress(Terminal(quiet=True)) as progress:
        progress.count(1, 2)
    assert shown.getvalue() == ""


def test_a_broken_stderr_does_not_stop_the_work(monkeypatch):
    class Broken(Screen):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    with Progress(Terminal()) as progress:
        progress.count(1, 2)


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [(0, 4, "    "), (4, 4, "████"), (9, 4, "████"), (0, 0, "████"), (1, 8, "▌   ")],
)
def test_the_bar_has_its_width(done, total, drawn):
    assert bar(done, total, 4) == drawn
