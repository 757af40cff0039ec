"""A plan as dask's scheduler, and a plan's order as priorities of a dask cluster.

``dask.compute(x, scheduler=plan.get)`` is all: dask optimises the graph as ever and calls ``get`` with it.
The plan was made from the same graph (`makespan.adapters.from_dask`), so each task finds its node by name;
when it does not, the graph is another one, and that is said before anything runs. Locks and exclusive tasks
that were said to `from_dask` are in the plan, and hold; its other options hold where that DAG itself runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.adapters.from_dask import dag_of
from makespan.adapters.graphs import declared_in
from makespan.errors import OptionError, PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.plan import Plan


def get(plan: Plan, dsk: Any, keys: Any, settings: Mapping[str, Any]) -> Any:
    """Run a dask graph with a plan, as dask calls its schedulers.

    Parameters
    ----------
    plan : Plan
    dsk : mapping, or an expression with ``__dask_graph__``
    keys : key, or nested list of keys
    settings : mapping
        What was said to ``compute``: ``num_workers`` is a limit of threads, which the plan must keep to.

    Returns
    -------
    The value of the key, or nested tuples of values in the form of `keys`, as dask's schedulers return.

    Raises
    ------
    PlanError
        The plan is for another graph, or for more threads than `num_workers`.
    OptionError
        A setting that means nothing here.
    Exception
        A task raised.
    """
    said = dict(settings)
    threads = said.pop("num_workers", None)
    if said:
        raise OptionError(
            f"plan.get does not know the setting {next(iter(said))!r}",
            where="compute",
            hint="threads are the plan's; num_workers=… is the only setting",
        )
    wanted = _flat(keys)
    dag, result = dag_of(dsk, wanted, declared=declared_in(plan))
    dag.returns(tuple(result(key) for key in wanted))
    try:
        prepared = dag.prepare(plan, threads)
    except PlanError as error:
        raise PlanError(
            error.problem,
            where=error.where,
            hint="plan what is computed: from_dask(…) with the same collections in the same order",
        ) from error
    values = dict(zip(wanted, prepared(), strict=True))
    return _nested(keys, values)


def _flat(keys: Any) -> list[Any]:
    if not isinstance(keys, list):
        return [keys]
    return list(dict.fromkeys(key for some in keys for key in _flat(some)))


def _nested(keys: Any, values: Mapping[Any, Any]) -> Any:
    return tuple(_nested(key, values) for key in keys) if isinstance(keys, list) else values[keys]
