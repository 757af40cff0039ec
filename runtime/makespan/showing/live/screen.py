"""How a glance at a run is drawn in a terminal.

::

    news  12 of 34 nodes  1.24 s  about 1.1 s left (planned: 2.25 s)
    caller    █████▉███▉▓▓▓▓▓·············  parse_3  210 ms of 350 ms
    thread 1  ████████▉  ▓▓▓▓·············  fetch  200 ms of 1.80 s
    next      render   parse_4 after fetch   18 more

Names are cleaned: they cannot steer the terminal. What does not fit is counted, not dropped in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, columns, plural, seconds, some

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from makespan.showing.live.glance import Glance, LaneNow, Running

NAME = 28
"""Columns of a node's name at most."""
OVER = 1.5
"""Nodes that take this many times as long as planned are told apart."""
_RAN, _RUNS, _TO_COME, _IDLE = "█", "▓", "·", " "


def draw(glance: Glance, width: int, height: int) -> Text:
    """Return the lines, none wider than `width`, and at most `height` of them.

    Raises
    ------
    ImportError
        rich is not installed.
    """
    from rich.text import Text

    lines = [headline(glance)]
    if glance.failed:
        lines.append([("failed: " + some(glance.failed, 3), "bold red")])
    room = max(1, height - len(lines) - 2)
    shown = glance.lanes if len(glance.lanes) <= room else _busiest(glance.lanes, room - 1)
    margin = max([len("next"), *(len(lane.name) for lane in shown)]) + 2
    strip = max(8, min(48, width - margin - NAME - 22))
    upto_s = max(glance.now_s, glance.end_s or 0.0, glance.planned_s or 0.0)
    lines += [
        [
            (f"{lane.name:{margin}}", "dim"),
            *_strip(lane, strip, glance.now_s, upto_s),
            *_running(lane),
        ]
        for lane in shown
    ]
    if len(shown) < len(glance.lanes):
        hidden = len(glance.lanes) - len(shown)
        busy = sum(bool(lane.running) for lane in glance.lanes) - sum(bool(lane.running) for lane in shown)
        lines.append([(f"{plural(hidden, 'more thread')}, {busy:,} of them busy", "dim")])
    if glance.coming:
        lines.append([(f"{'next':{margin}}", "dim"), *_coming(glance, width - margin)])
    elif glance.waiting and glance.failed:
        lines.append([(f"{plural(glance.waiting, 'node')} will not start", "dim")])
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for at, line in enumerate(lines[:height]):
        text.append("\n" if at else "")
        left = width
        for words, style in line:
            if left > 0:
                shown_words = clean(words, left)
                text.append(shown_words, style or None)
                left -= columns(shown_words)
    return text


def headline(glance: Glance) -> list[tuple[str, str]]:
    """Return how far it is, as pieces of text with their styles."""
    line = [
        (f"{clean(glance.title, NAME)}  ", "bold"),
        (f"{glance.done:,} of {plural(glance.total, 'node')}  {seconds(glance.now_s)}", ""),
    ]
    planned = f" (planned: {seconds(glance.planned_s)})" if glance.planned_s is not None else ""
    if glance.end_s is not None and glance.done < glance.total:
        left_s = glance.end_s - glance.now_s
        words = f"about {seconds(left_s)} left" if left_s > 0 else "longer than planned, over any moment"
        line.append((f"  {words}", "bold"))
        line.append((planned, "dim"))
    elif planned:
        line.append((planned, "dim"))
    return line


def last_line(glance: Glance) -> str:
    """Return what is left on the screen when a run is over."""
    text = "".join(words for words, _ in headline(glance))
    return f"{text}, failed: {some(glance.failed, 3)}" if glance.failed else text


def _busiest(lanes: tuple[LaneNow, ...], most: int) -> list[LaneNow]:
    """Return the lanes in which something runs, then others; in their order."""
    first = sorted(range(len(lanes)), key=lambda k: (not lanes[k].running, k))[: max(0, most)]
    return [lanes[k] for k in sorted(first)]


def _strip(lane: LaneNow, width: int, now_s: float, upto_s: float) -> Iterable[tuple[str, str]]:
    """Draw the lane from the start of the run to its end, as far as that is known."""
    scale = width / upto_s if upto_s > 0 else 0.0
    here = min(width, round(now_s * scale))
    cells = [_IDLE] * here + [_TO_COME] * (width - here)
    for start_s, end_s in lane.spans:
        first = min(width - 1, int(start_s * scale))
        last = max(first + 1, min(width, round(end_s * scale)))
        cells[first:last] = [_RAN] * (last - first)
        if last - first > 1:
            cells[last - 1] = "▉"  # neighbours can be told apart
    begun = len(cells)
    for its in lane.running:
        begun = min(begun, width - 1, int(max(0.0, now_s - its.since_s) * scale))
    past, present = "".join(cells[:begun]), "".join(cells[begun:here] or cells[begun : begun + 1])
    yield past, "blue"
    if lane.running:
        present = _RUNS * len(present)
    yield present, "bold yellow"
    yield "".join(cells[len(past) + len(present) :]), "dim"
    yield "  ", ""


def _running(lane: LaneNow) -> Iterable[tuple[str, str]]:
    many = len(lane.running)
    if not many:
        yield "–", "dim"
        return
    if many > 1:  # coroutine nodes: one thread has them all
        yield f"{many:,} at once: {some((its.name for its in lane.running), 2)}", "yellow"
        return
    its = lane.running[0]
    yield clean(its.name, NAME), "bold"
    yield from _took(its)
    if its.process is not None:
        yield f"  in worker process {its.process + 1}", "dim"


def _took(its: Running) -> Iterable[tuple[str, str]]:
    took = f"  {seconds(its.since_s)}"
    if not its.planned_s:
        yield took, ""
        return
    late = its.since_s > OVER * its.planned_s and its.since_s > its.planned_s + 0.1
    yield f"{took} of {seconds(its.planned_s)}", "bold red" if late else ""


def _coming(glance: Glance, width: int) -> Iterable[tuple[str, str]]:
    """Name what comes next, as many as fit, and count the rest."""
    left = width - len("   10,000 more")
    told = 0
    for node in glance.coming:
        words = clean(node.name, NAME)
        if node.waits:
            words += f" after {some(node.waits, 1)}"
        words += "   "
        if told and columns(words) > left:
            break
        left -= columns(words)
        told += 1
        yield words, "dim" if node.waits else ""
    if told < glance.waiting:
        yield f"{glance.waiting - told:,} more", "dim"
