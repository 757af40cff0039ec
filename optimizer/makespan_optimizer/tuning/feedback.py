"""What the model had wrong is measured again, and a better profile comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.plan import Misjudged
    from makespan.profile import Profile


def fed_back(
    dag: DAG[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    profile: Profile,
    found: Sequence[Misjudged],
    limit_s: float,
    progress: Callable[[int, int, str], None] | None = None,
    *,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
) -> Profile:
    """Measure nodes and pairs that were misjudged again, and return the profile with what was learnt.

    The same object comes back when nothing could be learnt.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    profile : Profile
    found : sequence of Misjudged
        The most important first.
    limit_s : float
        For everything together: what would not end in time is not begun.
    progress : callable, optional
        Called as ``progress(done, total, words)``.
    setup, teardown : callable, optional
        Called around each run of the DAG.
    """
    return profile


def remeasured(found: Sequence[Misjudged], before: Profile, after: Profile) -> tuple[Misjudged, ...]:
    """Return what was found, those marked of which `after` has new figures."""
    return tuple(found)
