"""Which nodes, and which pairs of nodes, took another time in real runs than the model of the profile said.

::

    runs ─ afterwards ─▶ excess of each node ─ explained ─▶ its own, or beside whom ─ redrawn ─▶ its share

`afterwards` takes out of what a node took everything that the model knows of its neighbours; `explained`
tells chance from a node's own change and from a neighbour's doing. What is left is ranked by what
it does to the makespan when the plan is `redrawn` with it, alone and after all the others: a node with slack
may be wrong and not matter. Pure.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from makespan.plan import Misjudged
from makespan.record import RunRecord
from makespan_optimizer.tuning.afterwards import model_of, pace_of, seen_in
from makespan_optimizer.tuning.explained import Case, Part, explained, typical_of
from makespan_optimizer.tuning.redrawn import Redrawn
from makespan_optimizer.tuning.why import why_beside, why_itself

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.run import Run
    from makespan_optimizer.tuning.afterwards import Model, Seen

MISS = 0.05
"""Of the predicted makespan: a smaller miss is not looked into."""
_PART = 0.1  # of the miss: what explains less is not told,
_HALF = 0.5  # unless nothing explains much more,
_LEAST_PART = 0.02  # and never what explains less
_MOST_REDRAWN = 40


def misjudged(
    profile: Profile,
    plan: Plan,
    runs: Sequence[Run | RunRecord],
    *,
    others: Sequence[Run | RunRecord] = (),
    most: int = 5,
) -> tuple[Misjudged, ...]:
    """Say where the model was wrong, the largest part of the miss first; empty when it was right.

    Parameters
    ----------
    profile : Profile
        That the plan was made of.
    plan : Plan
    runs : sequence of Run or RunRecord
        Runs of this plan; best with ``measure=True``. Those that did not end well are left out.
    others : sequence of Run or RunRecord
        Runs of the same DAG in other ways (one after the other, other plans): nodes that met other
        neighbours there tell apart what is their own from what is their neighbours', and nodes that met
        nobody by how much the machine is slower than when it was profiled.
    most : int
        So many are told at most.

    Raises
    ------
    OptionError, ProfileError
        The plan is none of this profile.
    """
    records = [record for record in map(_record, runs) if record.status == "ok"]
    if not records:
        return ()
    model = model_of(profile, plan)
    mine = [seen_in(record, model) for record in records]
    cases, pace = _cases(profile, model, mine, [_record(run) for run in others])
    measured_s = median(record.makespan_s for record in records)
    missed_s = measured_s - plan.makespan_s * pace
    if abs(missed_s) <= MISS * plan.makespan_s or plan.makespan_s <= 0:
        return ()
    node_of = {node.name: node for node in profile.nodes}
    alone_s = {name: seconds * pace for name, seconds in model.alone_s.items()}
    found = [
        part
        for name in sorted(cases)
        for part in explained(name, cases[name], alone_s[name], node_of, len(cases))
        if part.excess_s * missed_s > 0
    ]
    worth = _worth(plan, found, pace)
    largest = max((value / missed_s for value in worth), default=0.0)
    least = max(_LEAST_PART, min(_PART, _HALF * largest))
    kept = sorted(
        ((worth[k], part) for k, part in enumerate(found) if worth[k] / missed_s >= least),
        key=lambda pair: (-abs(pair[0]), pair[1].name, pair[1].beside or ""),
    )
    told: list[Misjudged] = []
    for _, part in kept:
        nodes = (part.name,) if part.beside is None else (part.name, part.beside)
        if any(set(nodes) == set(before.nodes) for before in told):
            continue  # the same two, the other way round
        typical = typical_of([case.seen.measured for case in cases[part.name] if case.own])
        if part.beside is None:
            why = why_itself(node_of[part.name], part.excess_s, alone_s[part.name], typical)
        else:
            why = why_beside(
                node_of[part.name], node_of[part.beside], part.excess_s, alone_s[part.name], typical
            )
        told.append(Misjudged(nodes, max(0.0, part.planned_s), max(0.0, part.actual_s), why))
    return tuple(told[:most])


def _record(run: Run | RunRecord) -> RunRecord:
    return run if isinstance(run, RunRecord) else run.record


def _cases(
    profile: Profile, model: Model, mine: Sequence[Mapping[str, Seen]], others: Sequence[RunRecord]
) -> tuple[dict[str, list[Case]], float]:
    """Return the cases of each node of the plan, and the pace of the machine."""
    elsewhere = []
    plain: Model | None = None
    for record in others:
        if record.status == "ok":
            if record.plan is None:
                plain = its = plain or model_of(profile, None)
            else:
                its = model_of(profile, record.plan)
            seen = seen_in(record, its)
            elsewhere.append({name: one for name, one in seen.items() if model.same(its, name)})
    pace = pace_of([*mine, *elsewhere], model.alone_s)
    cases: dict[str, list[Case]] = {}
    for k, run in enumerate([*mine, *elsewhere]):
        for name, one in run.items():
            if k < len(mine) or name in cases:
                excess_s = one.wall_s - one.lost_s - model.alone_s[name] * pace
                cases.setdefault(name, []).append(Case(excess_s, one, k < len(mine)))
    return cases, pace


def _worth(plan: Plan, parts: Sequence[Part], pace: float) -> list[float]:
    """Return what each part does to the makespan: the mean of what it adds alone, and after all others."""
    redrawn = Redrawn(plan, pace)
    looked_at = sorted(range(len(parts)), key=lambda k: (-abs(parts[k].excess_s), k))[:_MOST_REDRAWN]
    every: dict[str, float] = {}
    for k in looked_at:
        every[parts[k].name] = every.get(parts[k].name, 0.0) + parts[k].excess_s
    none_s, all_s = redrawn.makespan_s({}), redrawn.makespan_s(every)
    found = [0.0] * len(parts)
    for k in looked_at:
        part = parts[k]
        first_s = redrawn.makespan_s({part.name: part.excess_s}) - none_s
        last_s = all_s - redrawn.makespan_s({**every, part.name: every[part.name] - part.excess_s})
        found[k] = (first_s + last_s) / 2
    return found
