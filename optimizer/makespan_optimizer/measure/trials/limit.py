"""How long trials may take. Pure."""

from __future__ import annotations

import math

from makespan.errors import OptionError

LIMIT_S = 30.0  # of all trials, unless said otherwise
MAX_LIMIT_S = 1e7


def time_limit_s(trials: str | bool, limit_s: float | None, counted_s: float) -> float:
    """Return the seconds that all trials may take: as long as the counted runs took, `LIMIT_S` at most.

    Parameters
    ----------
    trials : {"auto", "native", True, False}
        ``native``: of native threads alone, no nodes side by side.
    limit_s : float or None
        Said by the user; 0 for no trials.
    counted_s : float
        What the counted runs took.

    Raises
    ------
    OptionError
        A value that it cannot have.

    >>> time_limit_s("auto", None, 4.0), time_limit_s("auto", None, 99.0), time_limit_s(False, 9.0, 4.0)
    (4.0, 30.0, 0.0)
    """
    if not isinstance(trials, str | bool) or trials not in ("auto", "native", True, False):
        raise OptionError(f"is auto, native or False, not {trials!r}", where="trials")
    if limit_s is not None and (
        isinstance(limit_s, bool)
        or not isinstance(limit_s, int | float)
        or math.isnan(limit_s)
        or not 0 <= limit_s <= MAX_LIMIT_S
    ):
        raise OptionError(
            f"is a number of seconds from 0 to {MAX_LIMIT_S:g}, not {limit_s!r}", where="trials_limit_s"
        )
    if trials is False:
        return 0.0
    return min(LIMIT_S, counted_s) if limit_s is None else float(limit_s)
