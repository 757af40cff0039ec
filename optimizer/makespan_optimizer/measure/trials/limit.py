"""How long trials may take, and what is said of those for which that was too short. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from makespan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_S = 30.0  # of all trials, unless said otherwise
MAX_LIMIT_S = 1e7
_SHOWN = 6


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


def left_out(limit_s: float, nodes: Sequence[str], *, found: bool) -> str:
    """Say what there was no time for; empty when nothing was left out.

    Parameters
    ----------
    limit_s : float
    nodes : sequence of str
        At stake, and not tried with fewer native threads.
    found : bool
        Whether any trial found something.

    >>> left_out(4.0, ["a", "b"], found=True)
    'no time to try native threads of a, b: 4 s for all trials (--trials-limit allows more)'
    >>> left_out(4.0, [], found=True)
    ''
    """
    if not found:
        return (
            f"{limit_s:.3g} s is too short for a trial of nodes side by side or of native threads "
            "(--trials-limit allows more, --trials-limit 0 asks for none)"
        )
    if not nodes:
        return ""
    shown = ", ".join(nodes[:_SHOWN]) + (f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else "")
    return (
        f"no time to try native threads of {shown}: {limit_s:.3g} s for all trials "
        "(--trials-limit allows more)"
    )
