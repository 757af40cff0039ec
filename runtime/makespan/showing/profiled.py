"""What a profile says of a node, as labels and words: what the report shows of it when it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, percent, plural, seconds, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan.measurement import NodeProfile, Pickling, ThreadTrials
    from makespan.profile import Profile, Shape

_ORIGINS = {"hint": "said by the user, not measured", "trace": "read from a table or a trace"}
_BLOCKED = {
    "sleep": "asleep",
    "io": "in IO",
    "lock": "on a lock",
    "child": "for a child process",
    "other": "otherwise",
}


def profiled(profile: Profile) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what is known of each node of a profile, measured or not, as (label, words)."""
    measured = {node.name: node for node in profile.nodes}
    return {shape.name: tuple(_lines(shape, measured.get(shape.name))) for shape in profile.shape}


def _lines(shape: Shape, node: NodeProfile | None) -> Iterator[tuple[str, str]]:
    if node is None:
        yield "profile", "not measured"
    else:
        yield from _measured(node)
    if shape.process:
        yield "runs in", "a worker process, as declared"
    elif shape.stays:
        yield "stays in this process", clean(shape.stays, 200)
    if shape.tags:
        yield "tags", some(shape.tags)
    if shape.location:
        yield "function", clean(shape.location, 120)
    if shape.place:
        yield "called at", clean(shape.place, 120)


def _measured(node: NodeProfile) -> Iterator[tuple[str, str]]:
    sure = f" ({percent(node.class_confidence)} sure)" if node.class_confidence else ""
    yield "class", f"{node.kind}{sure}"
    if node.origin != "measured":
        yield "from", _ORIGINS[node.origin]
    wall = node.wall_net_s
    spread = f", nine in ten up to {seconds(wall.p90)}" if node.runs > 1 else ""
    runs = f", {plural(node.runs, 'run')}" if node.runs else ""
    yield "alone", f"{seconds(wall.median)}{spread}{runs}"
    known_s = node.gil_s + node.native_s + node.blocked_total_s + node.gil_wait_s

    def part(value_s: float) -> str:
        return f"{seconds(value_s)}, {percent(value_s / known_s)}" if known_s > 0 else seconds(value_s)

    half = node.quality.gil_share_half_width
    if half is None and node.gil_s > 0:
        yield "holds the GIL", f"at most {part(node.gil_s)}: it was not sampled"
    else:
        yield "holds the GIL", part(node.gil_s) + (f" ± {percent(half)}" if half else "")
    yield "native", part(node.native_s)
    kinds = ", ".join(
        f"{seconds(s)} {_BLOCKED.get(kind, kind)}" for kind, s in node.blocked_s.items() if s > 0
    )
    yield "blocked", part(node.blocked_total_s) + (f": {kinds}" if kinds else "")
    if node.gil_wait_s > 0:
        yield "waits for the GIL", part(node.gil_wait_s)
    if node.gil_burst_max_s:
        yield "longest hold", seconds(node.gil_burst_max_s)
    if node.gil_retakes:
        yield "takes the GIL", f"{node.gil_retakes:,} times"
    if node.threads_used and node.threads_used > 1:
        yield "threads", f"{node.threads_used:,} on a core at once"
    if node.first_s is not None and node.first_s > 1.5 * wall.median:
        yield "first call", seconds(node.first_s)
    if node.native_threads is not None and node.native_threads.tried:
        yield "native threads", _trials(node.native_threads)
    pickles = [
        f"{word} {_pickling(its)}"
        for word, its in (("arguments", node.args_pickling), ("result", node.result_pickling))
        if its is not None
    ]
    if pickles:
        yield "pickling", "; ".join(pickles)


def _trials(trials: ThreadTrials) -> str:
    tried = ", ".join(f"{trial.threads} → {seconds(trial.wall_s)}" for trial in trials.tried)
    return f"{tried}; by default {trials.default.threads} → {seconds(trials.default.wall_s)}"


def _pickling(its: Pickling) -> str:
    if its.picklable is False:
        return "cannot be pickled" + (f" ({clean(its.reason, 80)})" if its.reason else "")
    if its.pickle_s is None:
        return "not measured" + (f" ({clean(its.reason, 80)})" if its.reason else "")
    size = "" if its.bytes is None else f" for {plural(its.bytes, 'byte')}"
    return f"{seconds(its.pickle_s + (its.unpickle_s or 0.0))}{size}"
