"""A prepared DAG whose plan asks for another switch interval of the interpreter.

A kind of its own, so that calls of all others need not even ask.
"""

from __future__ import annotations

from typing import Any

from makespan.around.switch_interval import held
from makespan.preparing.prepared import Prepared


class Switching(Prepared):
    """What `DAG.prepare` returns for such a plan; recorded runs are held by `makespan.engine.recording`."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run as `Prepared.__call__` does, within the interval."""
        interval = self._interval()
        try:
            interval.take()
            return super().__call__(*args, **kwargs)
        finally:
            interval.end()

    async def acall(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run as `Prepared.acall` does, within the interval."""
        interval = self._interval()
        try:
            interval.take()
            return await super().acall(*args, **kwargs)
        finally:
            interval.end()

    def _interval(self) -> held:
        assert self.switch_interval_s is not None, "then it is not of this kind"
        return held(self.switch_interval_s)
