"""Examples loaded for a test under the names that they import each other by, and forgotten after it."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@contextmanager
def example(folder: str) -> Iterator[ModuleType]:
    """Import ``pipeline`` of a folder of examples, whatever else is called so."""
    before, path = dict(sys.modules), list(sys.path)
    hidden = sys.modules.pop("pipeline", None)
    sys.path.insert(0, str(EXAMPLES / folder))
    try:
        yield importlib.import_module("pipeline")
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if name not in before and str(getattr(module, "__file__", "")).startswith(str(EXAMPLES)):
                del sys.modules[name]
        sys.modules.pop("pipeline", None)
        if hidden is not None:
            sys.modules["pipeline"] = hidden
