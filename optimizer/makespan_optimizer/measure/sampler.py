"""Which sampler measures: the best one that works here, and why not a better one.

``gil`` (`gilsampler`: another process looks who holds the GIL) → ``clocks`` (wall and CPU only, the GIL share
is an upper bound).
"""

from __future__ import annotations

from makespan.errors import OptionError
from makespan.machine import gil_enabled
from makespan_optimizer.measure.gilsampler import RATE_HZ, OutsideSampler
from makespan_optimizer.measure.watch import (
    NoSampler,
    Sampler,
    SamplerName,
    SamplerUnavailableError,
    Seen,
    SourceName,
    Watch,
)

__all__ = [
    "RATE_HZ",
    "NoSampler",
    "OutsideSampler",
    "Sampler",
    "SamplerName",
    "SamplerUnavailableError",
    "Seen",
    "SourceName",
    "Watch",
    "fallback_note",
    "open_sampler",
    "unavailable",
]


def open_sampler(wanted: SamplerName) -> tuple[Sampler, tuple[str, ...]]:
    """Return the best sampler that works here, and notes that say why it is not a better one.

    Raises
    ------
    OptionError
        An unknown name; or ``gil`` was asked for and cannot be had.
    """
    if wanted not in ("auto", "gil", "clocks"):
        raise OptionError(f"is auto, gil or clocks, not {wanted!r}", where="sampler")
    if wanted == "clocks":
        return NoSampler(), (("no GIL in this build",) if not gil_enabled() else ())
    try:
        return OutsideSampler(), ()
    except SamplerUnavailableError as error:
        if wanted == "gil":
            raise unavailable(str(error)) from error
        return NoSampler(), (fallback_note(str(error)),)


def unavailable(reason: str) -> OptionError:
    """Return the error for a sampler that was asked for by name and cannot be had."""
    return OptionError(
        f"the GIL cannot be sampled here: {reason}", where="sampler", hint="use auto or clocks"
    )


def fallback_note(reason: str) -> str:
    """Say that only clocks measure, and why."""
    if not gil_enabled():
        return "no GIL in this build"
    return f"clocks only, the GIL share is an upper bound: {reason}"
