"""Runs in the log, at level DEBUG of the logger ``makespan``: when one starts and ends, and what failed.

`logging` is never imported for this: where nobody has imported it, nobody listens. Nodes are logged by
`makespan.LogHooks` only, for that costs time in each of them.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from makespan.engine.executor import Execution
    from makespan.engine.straight import StraightExecution
    from makespan.preparing.prepared import Prepared

_DEBUG = 10
_logger: logging.Logger | None = None


def listener() -> logging.Logger | None:
    """Return the logger if somebody listens, else None."""
    global _logger  # noqa: PLW0603 (looking it up takes longer than asking it)
    logger = _logger
    if logger is None:
        module = sys.modules.get("logging")
        if module is None:
            return None
        logger = _logger = module.getLogger("makespan")
    return logger if logger.isEnabledFor(_DEBUG) else None


def begins(prepared: Prepared) -> int:
    """Log that a run starts, if somebody listens; return when it did, or 0."""
    logger = listener()
    if logger is None:
        return 0
    nodes = len(prepared.program.calls)
    logger.debug("run of %r starts: %d nodes, %d threads", prepared.dag.name, nodes, prepared.threads)
    return time.perf_counter_ns()


def ends(
    prepared: Prepared,
    begun: int,
    failures: Iterable[tuple[int, BaseException]],
    ended_by: BaseException | None = None,
) -> None:
    """Log that a run is over, and which kinds of exceptions its nodes raised (not their texts)."""
    logger = listener()
    if logger is None or not begun:
        return
    took_s = (time.perf_counter_ns() - begun) / 1e9
    name, names = prepared.dag.name, prepared.program.structure.names
    for i, error in failures:
        logger.debug("run of %r: node %r raised %s", name, names[i], type(error).__name__)
    if ended_by is not None:
        logger.debug("run of %r given up after %.6f s: %s", name, took_s, type(ended_by).__name__)
    else:
        logger.debug("run of %r took %.6f s", name, took_s)


def run_logged(prepared: Prepared, execution: Execution | StraightExecution) -> None:
    """Run, and log it."""
    begun = begins(prepared)
    try:
        execution.run()
    except BaseException as error:
        ends(prepared, begun, execution.failures, error)
        raise
    ends(prepared, begun, execution.failures)
