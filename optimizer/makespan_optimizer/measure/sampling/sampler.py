"""Which sampler measures: the best one that works here, and why not a better one.

``gil`` (`gilsampler`: a process looks who holds the GIL) → ``canary`` (`canarysampler`: a thread asks for
the GIL and times the answer; less exact) → ``clocks`` (wall and CPU only: all CPU time of the calling thread
counts as holding the GIL, which is an upper bound; of threads that a node starts nothing is known).
"""

from __future__ import annotations

from makespan.errors import OptionError
from makespan.machine import gil_enabled
from makespan_optimizer.measure.sampling.canarysampler import CanarySampler
from makespan_optimizer.measure.sampling.gilsampler import RATE_HZ, OutsideSampler
from makespan_optimizer.measure.sampling.watch import (
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
    "SAMPLERS",
    "CanarySampler",
    "NoSampler",
    "OutsideSampler",
    "Sampler",
    "SamplerName",
    "SamplerUnavailableError",
    "Seen",
    "SourceName",
    "Watch",
    "fallback_note",
    "next_sampler",
    "open_sampler",
    "unavailable",
]


SAMPLERS = ("auto", "gil", "canary", "clocks")


def open_sampler(wanted: SamplerName) -> tuple[Sampler, tuple[str, ...]]:
    """Return the best sampler that works here, and notes that say why it is not a better one.

    Raises
    ------
    OptionError
        An unknown name; or a sampler was asked for by name and cannot be had.
    """
    if wanted not in SAMPLERS:
        raise OptionError(f"is auto, gil, canary or clocks, not {wanted!r}", where="sampler")
    if not gil_enabled():
        if wanted in ("gil", "canary"):
            raise unavailable("this build runs without a GIL")
        return NoSampler(), (fallback_note(""),)
    if wanted == "clocks":
        return NoSampler(), ()
    if wanted == "canary":
        return CanarySampler(), ()
    try:
        return OutsideSampler(), ()
    except SamplerUnavailableError as error:
        if wanted == "gil":
            raise unavailable(str(error)) from error
        return next_sampler("gil", str(error))


def next_sampler(name: SourceName, reason: str) -> tuple[Sampler, tuple[str, ...]]:
    """Return the sampler that takes the place of one that does not work, and a note that says so."""
    if name == "gil" and gil_enabled():
        note = f"canary: a thread asks for the GIL and times the answer, which is less exact: {reason}"
        return CanarySampler(reason), (note,)
    return NoSampler(), (fallback_note(reason),)


def unavailable(reason: str) -> OptionError:
    """Return the error for a sampler that was asked for by name and cannot be had."""
    return OptionError(
        f"the GIL cannot be sampled here: {reason}", where="sampler", hint="use auto or clocks"
    )


def fallback_note(reason: str) -> str:
    """Say that only clocks measure, and why."""
    if not gil_enabled():
        return "no GIL in this build: nothing is modelled as holding one"
    return f"clocks only, the GIL share of the calling thread is an upper bound: {reason}"
