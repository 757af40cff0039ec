"""A profile as a table for the terminal: a row a node, bars of what it does with its time.

The terminal's table holds as many columns as fit its width, the most telling ones first; which ones had no
room is said below it. Nothing is cut silently, and every name is cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.caveats import how_measured
from makespan.showing.profile_rows import by, is_bound, shares
from makespan.showing.text import profile_key
from makespan.showing.text_gantt import fill
from makespan.showing.words import (
    TIMES,
    clean,
    columns,
    percent,
    plural,
    seconds,
    signed_seconds,
    some,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.measurement import NodeProfile, PairTrial, Pickling, ThreadTrials
    from makespan.profile import Profile

_BAR = 12
_NAME = 40
_PAIRS = 5


class _Column(NamedTuple):
    """A column of the terminal's table; the smaller `rank`, the longer it stays when there is little room."""

    header: str
    align: str
    rank: int
    cell: Callable[[NodeProfile], str]


def render(
    profile: Profile, *, sort: str = "wall", limit: int | None = None, width: int | None = None
) -> str:
    """Return the table for so many columns (None: as wide as it comes), and what goes with it."""
    ordered = by(profile.nodes, sort)
    shown = ordered if limit is None else ordered[:limit]
    total_s = sum(node.wall_net_s.median for node in profile.nodes)
    size = f"{plural(len(profile.shape), 'node')}, {seconds(total_s)} one after the other"
    lines = [f"{clean(profile.dag.name, 60)}: {size}", *how_measured(profile.runs)]
    if shown:
        text, hidden = _fitting(shown, total_s, width)
        lines += ["", text]
        if len(shown) < len(ordered):
            rest_s = sum(node.wall_net_s.median for node in ordered[len(shown) :])
            lines.append(f"… {len(ordered) - len(shown):,} more, {seconds(rest_s)} together")
        lines += ["", profile_key(shown)]
        if hidden:
            lines.append(f"no room for: {', '.join(hidden)} (a wider terminal, a pipe, or --json)")
    lines += _notes(profile)
    return "\n".join(lines)


def _fitting(nodes: Sequence[NodeProfile], total_s: float, width: int | None) -> tuple[str, list[str]]:
    """Lay out as many columns as fit; return the table, and the headers of those that did not."""
    name = _NAME if width is None else max(12, min(_NAME, width // 3))
    known = [column for column in _columns(total_s, name) if any(column.cell(node) for node in nodes)]
    kept = list(known)
    while True:
        text = table(
            [column.header for column in kept],
            [[column.cell(node) for column in kept] for node in nodes],
            "".join(column.align for column in kept),
        )
        least = max(kept, key=lambda column: column.rank)
        if width is None or least.rank == 0 or max(map(columns, text.splitlines())) <= width:
            return text, [column.header for column in known if column not in kept]
        kept.remove(least)


def _columns(total_s: float, name: int) -> list[_Column]:
    return [
        _Column("node", "<", 0, lambda node: clean(node.name, name)),
        _Column("class", "<", 2, lambda node: node.kind),
        _Column("conf", ">", 9, _confidence),
        _Column("wall", ">", 0, lambda node: seconds(node.wall_net_s.median)),
        _Column("of all", ">", 10, lambda node: percent(node.wall_net_s.median / total_s) if total_s else ""),
        _Column("shares", "<", 1, lambda node: fill(tuple(shares(node).values()), _BAR)),
        _Column("GIL", ">", 3, _held),
        _Column("±", ">", 6, _half_width),
        _Column("native", ">", 4, lambda node: percent(shares(node)["native"])),
        _Column("blocked", ">", 4, lambda node: percent(shares(node)["blocked"])),
        _Column("GIL wait", ">", 12, _waited),
        _Column("spread", ">", 7, lambda node: f"±{percent(node.quality.cv)}" if node.runs > 1 else ""),
        _Column("retakes", ">", 13, lambda node: f"{node.gil_retakes:,}" if node.gil_retakes else ""),
        _Column("hold", ">", 11, lambda node: seconds(node.gil_burst_max_s) if node.gil_burst_max_s else ""),
        _Column("threads", ">", 8, lambda node: f"{node.threads_used:,}" if node.threads_used else ""),
        _Column("pickles", "<", 14, _pickles),
        _Column("runs", ">", 15, lambda node: f"{node.runs:,}" if node.runs else ""),
        _Column("from", "<", 5, lambda node: "" if node.origin == "measured" else node.origin),
    ]


def _held(node: NodeProfile) -> str:
    return ("≤" if is_bound(node) else "") + percent(shares(node)["gil"])


def _waited(node: NodeProfile) -> str:
    return percent(shares(node)["gil_wait"]) if node.gil_wait_s else ""


def _half_width(node: NodeProfile) -> str:
    half = node.quality.gil_share_half_width
    return percent(half) if half is not None and node.origin == "measured" else ""


def _confidence(node: NodeProfile) -> str:
    return percent(node.class_confidence) if node.class_confidence else ""


def _pickles(node: NodeProfile) -> str:
    """Say what pickling arguments and result would cost, or which of them does not pickle."""
    both: list[tuple[str, Pickling]] = [
        (word, its)
        for word, its in (("args", node.args_pickling), ("result", node.result_pickling))
        if its is not None
    ]
    if not both:
        return ""
    refused = [word for word, its in both if its.picklable is False]
    if refused:
        return f"no: {', '.join(refused)}"
    known = [(its.pickle_s or 0.0) + (its.unpickle_s or 0.0) for _, its in both if its.pickle_s is not None]
    return seconds(sum(known)) if len(known) == len(both) else "yes"


def _notes(profile: Profile) -> list[str]:
    lines = [
        _trials(node.name, node.native_threads)
        for node in profile.nodes
        if node.native_threads is not None and node.native_threads.tried
    ]
    if lines:
        lines = ["", "native threads:", *lines]
    if profile.pairs:
        lines += ["", *_pairs(profile.pairs, profile.machine.switch_interval_s)]
    if lines:
        lines += _verdicts(profile)
    measured = {node.name for node in profile.nodes}
    missing = [shape.name for shape in profile.shape if shape.name not in measured]
    if missing:
        lines += ["", f"not measured: {some(missing)}"]
    return lines


def _trials(name: str, trials: ThreadTrials) -> str:
    tried = ", ".join(f"{trial.threads} → {seconds(trial.wall_s)}" for trial in trials.tried)
    default = trials.default
    text = f"  {clean(name, _NAME)}: {tried}; by default {default.threads} → {seconds(default.wall_s)}"
    best_s = min(trial.wall_s for trial in trials.tried)
    if default.wall_s > 1.1 * best_s:
        text += f", {default.wall_s / best_s:.1f}{TIMES} the best" if best_s else ""
    return f"{text} ({some(trials.limited)})"


def _pairs(pairs: Sequence[PairTrial], usual_s: float) -> list[str]:
    """Say how many pairs were run together, and name those that lose or gain least.

    Some were tried with other switch intervals as well: these stand below, for another machine state.
    """
    own = [pair for pair in pairs if pair.like is None]
    tried = {pair.nodes for pair in own}
    copied = len({pair.nodes for pair in pairs} - tried)
    more = f", {copied:,} taken over from pairs like them" if copied else ""
    lines = [f"{plural(len(tried), 'pair')} run together{more}; together against one after the other:"]
    worst = sorted(
        (pair for pair in own if pair.switch_interval_s == usual_s), key=lambda pair: (pair.gain, pair.nodes)
    )
    lines += [_pair(pair) for pair in worst[:_PAIRS]]
    if len(worst) > _PAIRS:
        lines.append(f"  … {len(worst) - _PAIRS:,} more gain more")
    others = [pair for pair in own if pair.switch_interval_s != usual_s]
    lines += [
        f"{_pair(pair)} (switch interval {seconds(pair.switch_interval_s)})" for pair in others[:_PAIRS]
    ]
    if len(others) > _PAIRS:
        lines.append(f"  … {len(others) - _PAIRS:,} more with other switch intervals")
    return lines


def _pair(pair: PairTrial) -> str:
    a, b = (clean(name, _NAME) for name in pair.nodes)
    apart_s = sum(pair.alone_s)
    limits = ", ".join("any number" if m is None else str(m) for m in pair.native_threads)
    return (
        f"  {a} + {b}: {seconds(pair.makespan_s)} against {seconds(apart_s)}, "
        f"{signed_seconds(pair.makespan_s - apart_s)}"
        f"{f' (native threads: {limits})' if pair.limited else ''}"
    )


def _verdicts(profile: Profile) -> list[str]:
    """Say what follows from the trials; a profile can be shown where only the runtime is installed."""
    try:
        from makespan_optimizer.measure.trials.verdicts import advices
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "makespan_optimizer":
            raise
        return ["", "what the trials say is not told: makespan's measuring half is not installed here"]

    found = advices(profile)
    return ["", "what the trials say:", *(f"  {advice.text}" for advice in found)] if found else []
