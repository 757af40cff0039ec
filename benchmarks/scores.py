"""How far figures of a profiler are from the truth: a row for each workload and source, a summary. Pure."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.uprobe_events import Exact
    from benchmarks.workloads import Truth
    from makespan.measurement import Call


class Seen(NamedTuple):
    """What a source said of one call, or of several taken together: shares of the wall."""

    gil: float | None
    blocked: float | None = None
    cpu: float | None = None
    kind: str | None = None
    gil_calls: tuple[float, ...] | None = ()
    """GIL shares of single calls, where `gil` follows from several; None: they are not known."""


class Row(TypedDict):
    """One workload as one source saw it: medians over the calls, and the errors against the truth."""

    workload: str
    source: str
    calls: int
    wall_s: float | None
    gil: float | None
    gil_truth: float | None
    gil_error: float | None
    """Of the median; signed."""
    gil_calls: list[float]
    gil_call_error: float | None
    """Mean of the absolute errors of the calls; None: the source has one figure for many."""
    blocked: float | None
    blocked_truth: float | None
    blocked_error: float | None
    cpu: float | None
    cpu_truth: float | None
    cpu_error: float | None
    kinds: dict[str, int]
    """How often each class was said."""
    right: int | None
    """How often it was a right one; None: the source knows no classes."""
    ratio: float | None
    """Wall of a call with the tool at work to the median wall without."""
    truth: str


def row(
    workload: str,
    source: str,
    calls: Sequence[Seen],
    truth: Truth,
    *,
    truth_from: str,
    classes: frozenset[str] = frozenset(),
    wall_s: float | None = None,
    ratio: float | None = None,
) -> Row:
    """Hold a source's figures against the truth.

    >>> from benchmarks.workloads import Truth
    >>> made = row("loop", "x", [Seen(0.9), Seen(1.0), Seen(1.0)], Truth(gil=1.0), truth_from="made up")
    >>> made["gil"], made["gil_error"], round(made["gil_call_error"], 3)
    (1.0, 0.0, 0.033)
    """
    gil, gil_error = _against([call.gil for call in calls], truth.gil)
    blocked, blocked_error = _against([call.blocked for call in calls], truth.blocked)
    cpu, cpu_error = _against([call.cpu for call in calls], truth.cpu)
    kinds: dict[str, int] = defaultdict(int)
    for call in calls:
        if call.kind is not None:
            kinds[call.kind] += 1
    known = [call for call in calls if call.gil_calls is not None]
    single = [gil for call in known for gil in call.gil_calls or (call.gil,) if gil is not None]
    errors = [abs(gil - truth.gil) for gil in single if truth.gil is not None]
    return Row(
        workload=workload,
        source=source,
        calls=len(calls),
        wall_s=_short(wall_s, 5),
        gil=_short(gil),
        gil_truth=_short(truth.gil),
        gil_error=_short(gil_error),
        gil_calls=[round(gil, 4) for gil in single],
        gil_call_error=_short(fmean(errors)) if errors else None,
        blocked=_short(blocked),
        blocked_truth=_short(truth.blocked),
        blocked_error=_short(blocked_error),
        cpu=_short(cpu),
        cpu_truth=_short(truth.cpu),
        cpu_error=_short(cpu_error),
        kinds=dict(sorted(kinds.items())),
        right=sum(kinds[kind] for kind in classes) if kinds else None,
        ratio=_short(ratio),
        truth=truth_from,
    )


def _short(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _against(values: Iterable[float | None], truth: float | None) -> tuple[float | None, float | None]:
    """Return the median and its error."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    middle = median(known)
    return middle, None if truth is None else middle - truth


def summarize(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return a summary for each source, in the order of the rows.

    Errors are absolute. ``right_always`` is the share of the workloads whose class was right each time, and
    ``wrong`` names the others; ``overhead`` is the median over the workloads of the walls' ratios, less 1.
    """
    of: dict[str, list[Row]] = defaultdict(list)
    for each in rows:
        of[each["source"]].append(each)
    return [_summary(source, some) for source, some in of.items()]


def _summary(source: str, rows: list[Row]) -> dict[str, Any]:
    per_call = [row["gil_call_error"] for row in rows if row["gil_call_error"] is not None]
    gil = {row["workload"]: abs(row["gil_error"]) for row in rows if row["gil_error"] is not None}
    blocked = {row["workload"]: abs(row["blocked_error"]) for row in rows if row["blocked_error"] is not None}
    cpu = {row["workload"]: abs(row["cpu_error"]) for row in rows if row["cpu_error"] is not None}
    judged = [row for row in rows if row["right"] is not None]
    wrong = [row["workload"] for row in judged if row["right"] != sum(row["kinds"].values())]
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    return {
        "source": source,
        "workloads": len(rows),
        "gil_mae_call": _short(fmean(per_call)) if per_call else None,
        "gil_mae_median": _short(fmean(gil.values())) if gil else None,
        "gil_worst": _worst(gil),
        "blocked_median": _short(median(blocked.values())) if blocked else None,
        "blocked_worst": _worst(blocked),
        "cpu_mae": _short(fmean(cpu.values())) if cpu else None,
        "cpu_worst": _worst(cpu),
        "right_always": _short(1 - len(wrong) / len(judged)) if judged else None,
        "wrong": wrong,
        "overhead": _short(median(ratios) - 1) if ratios else None,
    }


def _worst(errors: dict[str, float]) -> tuple[str, float] | None:
    if not errors:
        return None
    name = max(errors, key=lambda name: errors[name])
    return name, round(errors[name], 4)


MOST_TAKES_PER_S = 2_000.0  # beyond it, probes change what they look at


class SameCall(TypedDict):
    """What the profiler said of calls while they were traced, beside the trace: shares of the net wall."""

    workload: str
    gil: float | None
    """Of calls with probes; None where the lock is taken so often that they change what they look at."""
    gil_truth: float | None
    blocked: float
    """Of calls that were traced without probes, as is the CPU share; with, when they start Python threads."""
    blocked_truth: float
    cpu: float
    cpu_truth: float


def same_call(
    workload: str, calls: Sequence[Call], traced: Exact, probed_calls: Sequence[Call], probed: Exact
) -> SameCall:
    """Hold measured calls against the traces of the very same.

    Parameters
    ----------
    workload : str
    calls, traced
        Records of calls without probes, and their trace.
    probed_calls, probed
        The same with probes; what those take is in both.
    """
    gil = gil_truth = None
    if (probed.takes + probed.others_takes) / probed.net_s < MOST_TAKES_PER_S:
        held_s = sum(
            call.cpu_s * (1.0 if call.gil_share is None else call.gil_share) + call.other_gil_s
            for call in probed_calls
        )
        gil = round(min(1.0, held_s / _net_s(probed_calls)), 4)
        gil_truth = round(min(1.0, (probed.held_s + probed.others_held_s) / _true_s(probed)), 4)
    if probed.others_takes:  # only probes tell when its other threads have the lock, but no core
        calls, traced = probed_calls, probed
    net_s, true_s = _net_s(calls), _true_s(traced)
    return SameCall(
        workload=workload,
        gil=gil,
        gil_truth=gil_truth,
        blocked=round(sum(sum(call.blocked_s.values()) for call in calls) / net_s, 4),
        blocked_truth=round(max(0.0, traced.blocked_s - traced.others_stalled_s) / true_s, 4),
        cpu=round(sum(call.cpu_s for call in calls) / net_s, 4),
        cpu_truth=round(traced.cpu_s / true_s, 4),
    )


def _net_s(calls: Sequence[Call]) -> float:
    return max(1e-9, sum(call.wall_s - call.run_delay_s for call in calls))


def _true_s(traced: Exact) -> float:
    return max(1e-9, traced.net_s - traced.others_stalled_s)


def same_call_table(same: Sequence[SameCall]) -> str:
    """Return the errors in calls that were traced and measured at once, as text."""
    if not same:
        return "no call was traced"
    lines = [f"in the very same calls ({len(same)} traces): mean absolute error, and the worst"]
    for label, ours, truth in (
        ("GIL share", "gil", "gil_truth"),
        ("blocked share", "blocked", "blocked_truth"),
        ("CPU share", "cpu", "cpu_truth"),
    ):
        pairs = [(each[ours], each[truth], each["workload"]) for each in same]  # type: ignore[literal-required]
        errors = [(abs(said - true), name) for said, true, name in pairs if said is not None]
        if errors:
            worst, name = max(errors)
            mean = fmean(error for error, _ in errors)
            lines.append(f"  {label:<44}{mean:.3f}  {worst:.3f} ({name}), {len(errors)} traces")
    return "\n".join(lines)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text."""
    head = f"{'workload':<18}{'source':<12}{'gil':>7}{'truth':>7}{'error':>8}{'a call':>8}"
    lines = [f"{head}{'blocked':>9}{'error':>8}{'cpu':>7}{'error':>8}{'× wall':>8}  class"]
    for each in rows:
        kinds = " ".join(f"{kind}:{count}" for kind, count in each["kinds"].items())
        wrong = each["right"] is not None and each["right"] != sum(each["kinds"].values())
        lines.append(
            f"{each['workload']:<18}{each['source']:<12}{_cell(each['gil'], 7)}{_cell(each['gil_truth'], 7)}"
            f"{_cell(each['gil_error'], 8, '+')}{_cell(each['gil_call_error'], 8)}{_cell(each['blocked'], 9)}"
            f"{_cell(each['blocked_error'], 8, '+')}{_cell(each['cpu'], 7)}{_cell(each['cpu_error'], 8, '+')}"
            f"{_cell(each['ratio'], 8)}  {kinds}{'  ← wrong' if wrong else ''}".rstrip()
        )
    return "\n".join(lines)


def summary_table(summaries: Iterable[dict[str, Any]]) -> str:
    """Return the summaries as text."""
    lines = []
    for each in summaries:
        lines.append(f"{each['source']} ({each['workloads']} workloads)")
        for label, key in (
            ("GIL share, mean abs error of a call", "gil_mae_call"),
            ("GIL share, mean abs error of the medians", "gil_mae_median"),
            ("GIL share, worst median", "gil_worst"),
            ("blocked share, median abs error", "blocked_median"),
            ("blocked share, worst", "blocked_worst"),
            ("CPU share, mean abs error", "cpu_mae"),
            ("CPU share, worst", "cpu_worst"),
            ("class right every time, share of workloads", "right_always"),
            ("overhead, median over the workloads", "overhead"),
        ):
            value = each[key]
            if value is not None:
                text = f"{value[1]:.3f} ({value[0]})" if isinstance(value, tuple) else f"{value:.3f}"
                lines.append(f"  {label:<44}{text}")
        if each["wrong"]:
            lines.append(f"  {'class wrong at least once':<44}{', '.join(each['wrong'])}")
    return "\n".join(lines)


def _cell(value: float | None, width: int, sign: str = "") -> str:
    return f"{'–':>{width}}" if value is None else f"{value:>{sign}{width}.3f}"
