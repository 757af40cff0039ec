"""What every sampler offers, and what it returns: the seam between measuring calls and watching threads.

A `Sampler` is opened once. Each thread that measures asks it for a `Watch`, tells that when a call begins and
ends, and gets back what was `Seen` meanwhile, or None. None of them ever raises into the user's run.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

SamplerName = Literal["auto", "gil", "canary", "clocks"]
SourceName = Literal["clocks", "canary", "gil"]


class Seen(NamedTuple):
    """How often the measured thread was seen in each state during one call, and how often it took the GIL.

    From the second half `takes.takes_of` tells how often the GIL was taken. `retakes` counts changes from not
    holding it to holding it between samples (a lower bound), `short_up` those of them between samples that
    are close to each other; `pairs_up` and `near_up` count such changes within pairs of looks that are some
    10 µs, and a few µs apart. With each go the number of such pairs, and the sum of their gaps.
    """

    hold: int = 0
    running: int = 0
    gil_wait: int = 0
    sleep: int = 0
    io: int = 0
    lock: int = 0
    child: int = 0
    other: int = 0
    other_hold: int = 0
    """Samples in which another thread held the GIL, whatever the measured one did."""
    retakes: int = 0
    pairs_up: int = 0
    pair_gap_ns: int = 0
    pairs: int = 0
    near_up: int = 0
    near_gap_ns: int = 0
    near_pairs: int = 0
    short_up: int = 0
    short_gap_ns: int = 0
    short_pairs: int = 0

    @property
    def samples(self) -> int:
        """How many samples fell into the call."""
        return sum(self[:8])


class Watch(Protocol):
    """Watches the thread that made it; to be used in that thread alone."""

    @property
    def overhead_s(self) -> float:
        """CPU seconds that watching the last call took in this process, outside of the watched thread."""

    @property
    def overhead_switches(self) -> int:
        """Voluntary switches of the watched thread that watching caused."""

    def begin(self) -> None:
        """Take note that a call begins."""

    def end(self) -> Seen | None:
        """Return what was seen since `begin`; None when nothing was watched, or not to the end."""

    def close(self) -> None:
        """Watch this thread no more. It may be called twice, and from any thread."""


class Sampler(Protocol):
    """Something that watches threads while they make calls; whoever opened it closes it."""

    name: SourceName

    @property
    def rate_hz(self) -> float | None:
        """Samples a second, at present."""

    @property
    def lost(self) -> str | None:
        """Why nothing is seen any more, once that is so."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know: a lower rate, a sampler that was started anew."""

    def watch(self) -> Watch:
        """Return a watch on the calling thread."""

    def cpu_s(self) -> float:
        """Return the CPU seconds that watching takes in another process, so far."""

    def close(self) -> None:
        """End whatever was started. It may be called twice."""


class SamplerUnavailableError(Exception):
    """The sampler cannot work here; the message says why."""


class BlindWatch:
    """Sees nothing."""

    overhead_s = 0.0
    overhead_switches = 0

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> Seen | None:
        """Return None."""
        return None

    def close(self) -> None:
        """Do nothing."""


class NoSampler:
    """Clocks alone."""

    name: SourceName = "clocks"
    rate_hz: float | None = None
    lost: str | None = None
    notes: tuple[str, ...] = ()

    def watch(self) -> Watch:
        """Return a watch that sees nothing."""
        return BlindWatch()

    def cpu_s(self) -> float:
        """Return 0."""
        return 0.0

    def close(self) -> None:
        """Do nothing."""
