"""Options of the optimizer, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from makespan.describing.options import MAX_THREADS
from makespan.errors import OptionError
from makespan_optimizer.instance import STATISTICS

if TYPE_CHECKING:
    from makespan.profile import Profile
    from makespan_optimizer.instance import Statistic

AUTO = "auto"
MOST_CORES = 100_000
_LEAST_CORES = 0.01


def check_budget(threads: Any, profile: Profile) -> int:
    """Return the thread budget; the profile's cores, at least 2, when none is given or it is to be chosen.

    Raises
    ------
    OptionError
        Neither a whole number from 1 to 1024 nor ``auto``.
    """
    if threads is None or threads == AUTO:
        return min(MAX_THREADS, max(2, round(profile.machine.cores)))
    return whole("threads", threads, 1, MAX_THREADS)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """Check that an option is a whole number within bounds.

    Raises
    ------
    OptionError
        It is not.
    """
    if type(value) is not int or not least <= value <= most:
        raise OptionError(f"must be a whole number from {least} to {most}, not {value!r}", where=name)
    return value


def flag(name: str, value: Any) -> bool:
    """Check that an option is True or False: ``first_call="no"`` would count as yes.

    Raises
    ------
    OptionError
        It is not.
    """
    if not isinstance(value, bool):
        raise OptionError(f"must be True or False, not {value!r}", where=name)
    return value


def budgets(name: str, value: Any) -> list[int]:
    """Check thread budgets: one, or several.

    Raises
    ------
    OptionError
        One is no whole number from 1 to 1024.
    """
    some = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    return [whole(name, budget, 1, MAX_THREADS) for budget in some]


def positive(name: str, value: Any, most: float = math.inf, least: float = 0.0) -> float:
    """Check that an option is a finite number above 0 (or not below `least`).

    Raises
    ------
    OptionError
        It is not.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
        or not least <= value <= most
    ):
        limits = f" from {least:g} to {most:g}" if least or most < math.inf else " above 0"
        raise OptionError(f"must be a number{limits}, not {value!r}", where=name)
    return float(value)


def check_cores(cores: Any) -> float | None:
    """Check the number of cores to plan for; None is the profile's.

    Raises
    ------
    OptionError
        Not a number from 0.01 to 100,000.
    """
    return None if cores is None else positive("cores", cores, MOST_CORES, _LEAST_CORES)


def check_statistic(statistic: Any) -> Statistic:
    """Check which duration of a node's calls to plan for.

    Raises
    ------
    OptionError
        None of median, mean and p90.
    """
    if statistic not in STATISTICS:
        raise OptionError(f"must be one of {', '.join(STATISTICS)}, not {statistic!r}", where="statistic")
    return statistic  # type: ignore[no-any-return]


def check_gap(gap: Any) -> float:
    """Check the gap that is good enough.

    Raises
    ------
    OptionError
        Not a number from 0 to below 1.
    """
    if isinstance(gap, bool) or not isinstance(gap, int | float) or not 0 <= gap < 1:
        raise OptionError(f"must be a number from 0 to below 1, not {gap!r}", where="gap")
    return float(gap)
