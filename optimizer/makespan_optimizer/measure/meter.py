"""One measured call: clocks and sampler together."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from makespan.machine import gil_enabled, usable_cores
from makespan_optimizer.measure.calls import call_from
from makespan_optimizer.measure.clocks import Clocks, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from makespan.measurement import Call
    from makespan_optimizer.measure.sampling.watch import Sampler, Seen, Watch


class Meter:
    """Measures calls in the thread that entered it; leaving it ends its watch, never the sampler.

    Attributes
    ----------
    last : Call or None
        The record of the last call that returned.
    clocks : Clocks or None
        What passed on the clocks meanwhile.
    seen : Seen or None
        What the sampler saw meanwhile.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.gil = gil_enabled()
        self.cores = usable_cores()
        self.last: Call | None = None
        self.clocks: Clocks | None = None
        self.seen: Seen | None = None
        self._sampler = sampler
        self._watch: Watch | None = None
        self._stopwatch = Stopwatch()
        self._open = ExitStack()

    @property
    def sampler(self) -> Sampler:
        """What watches.

        Another may be put in its place between calls, in the thread that entered; that one is closed with
        the meter.
        """
        return self._sampler

    @sampler.setter
    def sampler(self, sampler: Sampler) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = sampler.watch()
            self._open.callback(sampler.close)
        self._sampler = sampler

    def __enter__(self) -> Self:
        try:
            self._watch = self._sampler.watch()
            self._open.callback(self._unwatch)
            self._open.enter_context(self._stopwatch)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _unwatch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def call(self, run: str, fn: Callable[..., Any], *args: Any) -> Any:
        """Call ``fn(*args)``, leave its record in `last`, and return its value; exceptions pass through."""
        self.last = self.clocks = self.seen = None
        watch, stopwatch = self._watch, self._stopwatch
        assert watch is not None, "a meter measures once it is entered"
        watch.begin()
        began = stopwatch.begin()
        try:
            value = fn(*args)
            passed = stopwatch.end(began)
        finally:
            del args
            self.seen = seen = watch.end()
        if watch.overhead_s or watch.overhead_switches:
            passed = passed._replace(
                process_s=max(passed.cpu_s, passed.process_s - watch.overhead_s),
                nvcsw=max(0, passed.nvcsw - watch.overhead_switches),
            )
        self.clocks = passed
        self.last = call_from(run, passed, seen, gil=self.gil, cores=self.cores)
        return value
