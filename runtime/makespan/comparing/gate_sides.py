"""What the two sides of the gate are: groups of runs, or two plans; what makes them less comparable is said.

A run that did not reach its end says nothing about how long the DAG takes, and is left out. The same run
given twice would look like two that agree, and counts once. Runs of different parts of the DAG, or of
different DAGs, are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan.comparing.gate import Measured, Repeats, judge_expected, judge_measured, judge_runs
from makespan.errors import RecordError
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.words import plural, some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.comparing.gate import Verdict
    from makespan.plan_parts import Evidence


class Named(NamedTuple):
    """A plan or run, and the file that it stands in."""

    where: str
    its: Plan | RunRecord


class Judged(NamedTuple):
    """The verdict, what is to be said with it, and a plan or run of each side to look into."""

    verdict: Verdict
    notes: tuple[str, ...]
    drawn: tuple[Named, Named]


def judge(a: Sequence[Named], b: Sequence[Named], tolerance: float) -> Judged:
    """Say whether side b is slower than side a by more than the tolerance.

    Parameters
    ----------
    a, b : sequence of Named, at least one each
        Runs on both sides, or one plan on each.
    tolerance : float
        0.05: up to 5 % slower is fine.

    Raises
    ------
    RecordError
        A plan beside runs, several plans, runs of different DAGs or of different parts of one, or a side
        without a run that reached its end.
    """
    plans = [named for named in (*a, *b) if isinstance(named.its, Plan)]
    if plans:
        return _of_plans(a, b, plans[0], tolerance)
    _one_dag([*a, *b])
    (first, first_notes), (second, second_notes) = _whole(a, "a"), _whole(b, "b")
    _one_part(first, second)
    verdict = judge_runs(_repeats(first), _repeats(second), tolerance)
    notes = (*first_notes, *second_notes, *_unlike(first, second))
    return Judged(verdict, notes, (_median_run(first), _median_run(second)))


# -- plans ---------------------------------------------------------------------------------------------------


def _of_plans(a: Sequence[Named], b: Sequence[Named], plan: Named, tolerance: float) -> Judged:
    one, other = a[0].its, b[0].its
    if not isinstance(one, Plan) or not isinstance(other, Plan) or len(a) > 1 or len(b) > 1:
        raise RecordError(
            "is a plan: the gate takes runs on both sides, or one plan on each",
            where=plan.where,
            hint="makespan check PLAN TARGET --runs RUN … asks whether runs take the planned time",
        )
    notes = []
    if one.dag.name != other.dag.name:
        raise RecordError(
            f"is of another DAG ({other.dag.name!r}) than {a[0].where} ({one.dag.name!r})",
            where=b[0].where,
            hint="compare plans of one DAG",
        )
    old, new = _winner(one.evidence), _winner(other.evidence)
    if old is not None and new is not None:
        verdict = judge_measured(old[0], new[0], tolerance, (old[1], new[1]))
        notes.append(
            "the two were raced at different times: what else the machine did then is in the figures"
        )
    else:
        verdict = judge_expected(one.makespan_s, other.makespan_s, tolerance)
        if one.evidence is not None or other.evidence is not None:
            notes.append(
                "only one of the plans holds measured evidence with an interval; expected are compared"
            )
    notes += [f"another machine: {text}" for text in one.machine.differences(other.machine)]
    if one.threads != other.threads:
        notes.append(f"a has {plural(one.threads, 'thread')}, b {other.threads:,}")
    return Judged(verdict, tuple(notes), (a[0], b[0]))


def _winner(evidence: Evidence | None) -> tuple[Measured, int] | None:
    """Return the measured figures of the way that a plan is, and of how many runs; None: no interval."""
    if evidence is None:
        return None
    for way in evidence.ways:
        if way.name == evidence.winner and way.low_s is not None and way.high_s is not None:
            return Measured(way.median_s, way.low_s, way.high_s), way.runs
    return None


# -- runs ----------------------------------------------------------------------------------------------------


def _run(named: Named) -> RunRecord:
    assert isinstance(named.its, RunRecord)
    return named.its


def _one_dag(runs: Sequence[Named]) -> None:
    first = _run(runs[0]).dag.name
    for named in runs[1:]:
        its = _run(named).dag.name
        if its != first:
            raise RecordError(
                f"is of another DAG ({its!r}) than {runs[0].where} ({first!r})",
                where=named.where,
                hint="compare runs of one DAG",
            )


def _whole(side: Sequence[Named], word: str) -> tuple[list[Named], list[str]]:
    """Return the runs that reached their end, each once, and what was left out."""
    notes: list[str] = []
    once: dict[bytes, Named] = {}
    for named in side:
        once.setdefault(_run(named).to_json(), named)
    if len(once) < len(side):
        files, runs = plural(len(side), "file"), plural(len(once), "run")
        notes.append(f"{word}: {files} hold {runs}; a copy does not count")
    ended = [named for named in once.values() if _run(named).status == "ok"]
    if not ended:
        status = _run(side[0]).status
        raise RecordError(
            f"did not reach its end ({status}), nor did any other run of this side"
            if len(once) > 1
            else f"did not reach its end ({status})",
            where=side[0].where,
            hint="a run that ends early does not say how long the DAG takes",
        )
    if len(ended) < len(once):
        lost = [named.where for named in once.values() if _run(named).status != "ok"]
        notes.append(f"{word}: {plural(len(lost), 'run')} that did not reach the end left out: {some(lost)}")
    return ended, notes


def _one_part(a: Sequence[Named], b: Sequence[Named]) -> None:
    """Refuse runs of which one ran nodes that another left out."""
    first = a[0]
    for named in (*a, *b):
        if set(_run(named).left_out) != set(_run(first).left_out):
            raise RecordError(
                f"ran another part of the DAG than {first.where}",
                where=named.where,
                hint="compare runs with the same --target, --root, --without",
            )


def _repeats(side: Sequence[Named]) -> Repeats:
    """Return the makespans; one run that was compared with repeats (`makespan demo`) stands for these."""
    runs = [_run(named) for named in side]
    if len(runs) == 1 and runs[0].plan is not None and runs[0].comparison is not None:
        return Repeats(runs[0].comparison.planned_s or [runs[0].makespan_s])
    return Repeats([run.makespan_s for run in runs], [run.started_at for run in runs])


def _median_run(side: Sequence[Named]) -> Named:
    """Return the run of median makespan; of an even number the shorter of the two in the middle."""
    return sorted(side, key=lambda named: (_run(named).makespan_s, named.where))[(len(side) - 1) // 2]


def _unlike(a: Sequence[Named], b: Sequence[Named]) -> list[str]:
    """Say in what the runs differ beside the code."""
    one, other = _run(a[0]), _run(b[0])
    notes = [f"another machine: {text}" for text in one.machine.differences(other.machine)]
    for word, side in (("a", a), ("b", b)):
        runs = [_run(named) for named in side]
        if any(run.machine.differences(runs[0].machine) for run in runs):
            notes.append(f"{word}: its runs are of different machines")
        if len({(run.threads, run.dag.fingerprint, run.plan is None) for run in runs}) > 1:
            notes.append(f"{word}: its runs differ in threads, in the code, or in whether there was a plan")
    if one.threads != other.threads:
        notes.append(f"a ran with {plural(one.threads, 'thread')}, b with {other.threads:,}")
    if (one.sampler is None) != (other.sampler is None):
        which = "b" if one.sampler is None else "a"
        notes.append(f"{which} was measured while it ran (--measure), which takes time itself")
    return notes
