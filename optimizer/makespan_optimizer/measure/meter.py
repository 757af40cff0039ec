"""One measured call: clocks and sampler together."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from makespan.machine import gil_enabled
from makespan_optimizer.measure.clocks import Stopwatch
from makespan_optimizer.measure.estimate import call_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from makespan.profile import Call
    from makespan_optimizer.measure.sampler import Sampler


class Meter:
    """Measures calls in the thread that made it; a context manager that ends the sampler, whatever happens.

    Attributes
    ----------
    last : Call or None
        The record of the last call that returned.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.gil = gil_enabled()
        self.last: Call | None = None
        self._watch = Stopwatch()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.callback(self.sampler.close)
        try:
            self._open.enter_context(self._watch)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def call(self, run: str, fn: Callable[..., Any], *args: Any) -> Any:
        """Call ``fn(*args)``, leave its record in `last`, and return its value; exceptions pass through."""
        self.last = None
        sampler, watch = self.sampler, self._watch
        sampler.begin()
        began = watch.begin()
        try:
            value = fn(*args)
            passed = watch.end(began)
        finally:
            del args
            seen = sampler.end()
        self.last = call_from(run, passed, seen, gil=self.gil)
        return value
