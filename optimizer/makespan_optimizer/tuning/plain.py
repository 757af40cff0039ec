"""A plan that nobody searched for: a given order on so many threads, as the simulator sees it.

So what a call of the DAG does without a plan can be written to plan.json as well, and run from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.plan import Solver
from makespan.preparing.order import default_ranks
from makespan_optimizer.assemble import assemble
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.canonical import canonical
from makespan_optimizer.choice.result import Result
from makespan_optimizer.choice.search import Candidate
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.modes.expand import there_as_declared
from makespan_optimizer.priorities import DEFAULT
from makespan_optimizer.simulate import simulate
from makespan_optimizer.tuning.searched import limited, marked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.plan import Plan
    from makespan.profile import Profile

NOT_SEARCHED = "nothing was searched: the order as it is"


def plain_plan(
    profile: Profile,
    threads: int,
    *,
    hints_s: Sequence[float | None] = (),
    native: Mapping[str, int] | None = None,
) -> Plan:
    """Return the default order as a plan.

    Parameters
    ----------
    profile : Profile
    threads : int
        The thread budget.
    hints_s : sequence of float or None, shape (n,)
        Declared with the nodes: the default order goes by them.
    native : mapping of str to int, optional
        Native threads of nodes; predicted where that number was measured.

    Raises
    ------
    ProfileError
        A node has no usable measurement.

    >>> from tests.builders import make_profile
    >>> plan = plain_plan(make_profile({"a": [], "b": [], "c": ["a"]}), 2)
    >>> plan.threads, plan.solver.winner, plan.makespan_s >= plan.lower_bound_s
    (2, 'default order', True)
    """
    ranks = default_ranks(profile.structure(), hints_s)
    solver = Solver(DEFAULT, "feasible", NOT_SEARCHED, 0, 0.0)
    return ordered_plan(profile, ranks, threads, solver, hints_s=hints_s, native=native)


def ordered_plan(
    profile: Profile,
    ranks: Sequence[int],
    threads: int,
    solver: Solver,
    *,
    hints_s: Sequence[float | None] = (),
    native: Mapping[str, int] | None = None,
    chains: tuple[tuple[str, ...], ...] = (),
) -> Plan:
    """Return an order as a plan, without groups and clusters; `ranks` by declaration."""
    asked = dict(native or {})
    structure = profile.structure()
    bare = instance_of(as_declared(profile))
    default = simulate(bare, default_ranks(structure, hints_s), threads).makespan * bare.tick_s
    native_set = limited(profile, asked)
    seen = as_declared(native_set)
    known = canonical(seen, structure)
    instance = instance_of(known.profile)
    order = known.here(ranks)
    schedule = simulate(instance, order, threads)
    bounds = lower_bounds(instance, threads)
    best = Candidate(solver.winner, order, (), schedule)
    found = Result(best, default / instance.tick_s, bounds, None, [], (), [], solver.stopped, 1)
    if found.proven:
        solver = msgspec.structs.replace(solver, status="optimal")
    plan = assemble(seen, structure, known, instance, threads, found, solver)
    plan = there_as_declared(plan, native_set)
    return msgspec.structs.replace(marked(plan, asked), chains=chains)
