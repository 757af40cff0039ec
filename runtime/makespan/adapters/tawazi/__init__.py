"""Tawazi: its DAGs run here, and plans go back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.adapters.tawazi.config import TawaziConfig, apply_to, tawazi_config
from makespan.adapters.tawazi.observe import run_by_tawazi
from makespan.adapters.tawazi.walk import TawaziWarning, from_tawazi

if TYPE_CHECKING:
    from makespan.graph import DAG

__all__ = [
    "LIBRARY",
    "TESTED",
    "TawaziConfig",
    "TawaziWarning",
    "adapt",
    "apply_to",
    "from_tawazi",
    "knows",
    "run_by_tawazi",
    "tawazi_config",
]

LIBRARY = "tawazi"
TESTED = ("0.6.2", "0.6.2")


def knows(thing: Any) -> bool:
    """Say whether a thing is a DAG of Tawazi's, by the name of its type's module."""
    return any(
        kind.__module__.partition(".")[0] == LIBRARY and kind.__name__ in {"BaseDAG", "DAG", "AsyncDAG"}
        for kind in type(thing).__mro__
    )


def adapt(thing: Any) -> DAG[..., Any]:
    """Return the DAG of one of Tawazi's."""
    return from_tawazi(thing)
