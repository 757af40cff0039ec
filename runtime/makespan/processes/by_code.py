"""Functions and classes told by what they are made of: cloudpickle, and what it need not do here.

Apart from `makespan.processes.codec`, because to import it takes a worker longer than all the rest of its
start, and most need it never.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import cloudpickle

from makespan.processes import codec


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's, but functions that a node hides are told by their names."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how an object is told."""
        if type(obj) is FunctionType and codec.is_hidden(obj):
            return codec.hidden_function, (obj.__module__, obj.__qualname__)
        return super().reducer_override(obj)
