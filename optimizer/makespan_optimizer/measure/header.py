"""What stands above the figures of a profile: how they were had, on what machine state, and what fell short.

A `Beginning` is made before any node runs; it opens nothing and closes nothing. Whatever is noticed later on
(a sampler that is lost, calls that were repeated) becomes a note of the header, never a silent fallback.
"""

from __future__ import annotations

import datetime
import uuid
import warnings
from typing import TYPE_CHECKING

from makespan.profile import ProfileWarning, RunHeader
from makespan_optimizer.measure.calibrate import (
    LOAD_LIMIT,
    ForeignLoad,
    cores_measured,
    hand_off_s,
    settle,
)
from makespan_optimizer.measure.sampling.sampler import Sampler, SamplerName, fallback_note

if TYPE_CHECKING:
    from makespan_optimizer.measure.meter import Meter


class Beginning:
    """Id and time of a profile, the calibration of its sampler, and the load of others since then.

    Raises
    ------
    OptionError
        The sampler was asked for by name, and its self-test fails.
    """

    def __init__(self, meter: Meter, wanted: SamplerName, notes: tuple[str, ...]) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.at = datetime.datetime.now(datetime.UTC)
        self.figures: dict[str, float] = {}
        self.load = ForeignLoad(meter.sampler.cpu_s)
        self.notes = notes + _calibrate(self.figures, meter, wanted)

    def warn_of_load(self, stacklevel: int) -> None:
        """Warn when others take more of the cores than figures can bear."""
        taken = self.load.share()
        if taken is not None and taken > LOAD_LIMIT:
            warnings.warn(
                f"other processes take {taken:.0%} of the cores: the figures will be noisy",
                ProfileWarning,
                stacklevel=stacklevel + 1,
            )

    def header(self, sampler: Sampler, *, repeats: int, notes: tuple[str, ...] = ()) -> RunHeader:
        """Return the header of a profile of `repeats` complete runs."""
        name = sampler.name
        notes = (*self.notes, *sampler.notes, *notes)
        if sampler.lost is not None:
            reason = f"the sampler ended in mid-run ({sampler.lost}); calls before that were sampled"
            name, notes = "clocks", (*notes, fallback_note(reason))
        return RunHeader(
            id=self.id,
            at=self.at.isoformat(timespec="milliseconds"),
            repeats=repeats,
            sampler=name,
            rate_hz=sampler.rate_hz,
            load_share=self.load.share(),
            calibration=self.figures,
            notes=notes,
        )


def _calibrate(figures: dict[str, float], meter: Meter, wanted: SamplerName) -> tuple[str, ...]:
    """Test the sampler, and put another in its place when it fails; return notes."""
    figures["cores"] = round(cores_measured(), 3)
    figures["hand_off_s"] = hand_off_s()
    tested, notes = settle(meter, wanted)
    figures.update(tested)
    return notes
