"""How long a whole run in parallel takes with the libraries' own threads, and with a limit on all of them."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from makespan.dispatch import Rules
from makespan.engine.executor import Execution
from makespan.engine.failure import raise_failures
from makespan.preparing.order import bottom_levels, ranks_by
from makespan_optimizer.measure.trials.together import fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.preparing.program import Program
    from makespan_optimizer.measure.trials.pools import Pools
    from makespan_optimizer.measure.trials.together import Inputs


def parallel_s(
    program: Program,
    inputs: Inputs,
    walls_s: Sequence[float],
    budget: int,
    limit: int | None,
    pools: Pools,
) -> float:
    """Return the seconds of one run in parallel, critical path first; with every native pool limited, or not.

    Raises
    ------
    Exception
        A node raised: its own exception.
    KeyboardInterrupt
        Ctrl-C.
    """
    structure = program.structure
    rules = Rules(structure, ranks_by(bottom_levels(structure, walls_s)), budget)
    gc.collect()
    if limit is None:
        return _run_s(program, rules, inputs)
    with pools.limited(limit):
        calls = [_limited(call, limit, pools) for call in program.calls]
        return _run_s(program._replace(calls=calls), rules, inputs)


def _run_s(program: Program, rules: Rules, inputs: Inputs) -> float:
    with fresh(inputs) as values:
        execution = Execution(program, rules, values)
        began = time.perf_counter()
        execution.run()
        passed_s = time.perf_counter() - began
    if execution.failures:
        raise_failures(program, execution.failures)
    return passed_s


def _limited(call: Callable[..., Any], limit: int, pools: Pools) -> Callable[..., Any]:
    """Return the call with the pools limited that count for each thread by itself."""

    def limited(*args: Any) -> Any:
        with pools.limited_here(limit):
            return call(*args)

    return limited
