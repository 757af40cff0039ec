"""Options of a tuning, checked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from makespan.describing.options import check_threads
from makespan.errors import OptionError
from makespan.machine import usable_cores
from makespan_optimizer.modes.choose import MOST_PROCESSES
from makespan_optimizer.options import flag, positive, whole


class Options(NamedTuple):
    """Checked options."""

    threads: int | None
    processes: int
    native_threads: bool
    time_limit_s: float
    confidence: float
    seed: int
    rounds: int
    run_all: bool

    @staticmethod
    def checked(
        threads: int | None,
        processes: int | None,
        time_limit_s: float,
        confidence: float,
        seed: int,
        rounds: int,
        *,
        native_threads: bool,
        run_all: bool,
    ) -> Options:
        """Check them.

        Raises
        ------
        OptionError
            One has a value that it cannot have.
        """
        if threads is not None:
            check_threads(threads)
        if processes is None:
            processes = max(1, round(usable_cores())) if find_spec("cloudpickle") is not None else 0
        if (sure := positive("confidence", confidence)) >= 1:
            raise OptionError(f"must be a number above 0 and below 1, not {confidence!r}", where="confidence")
        return Options(
            threads,
            whole("processes", processes, 0, MOST_PROCESSES),
            flag("native_threads", native_threads),
            positive("time_limit_s", time_limit_s, 1e9),
            sure,
            whole("seed", seed, 0, 2**31 - 1),
            whole("rounds_of_feedback", rounds, 0, 10),
            flag("run_all", run_all),
        )

    def kept(self, sets: int) -> dict[str, int | float | bool | str | None]:
        """Return what has to be the same for a race to go on."""
        return {
            "threads": self.threads,
            "processes": self.processes,
            "native_threads": self.native_threads,
            "confidence": self.confidence,
            "seed": self.seed,
            "run_all": self.run_all,
            "sets of inputs": sets,
        }
