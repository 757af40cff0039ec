"""Order matters: A ── B, C, D and then C, D ── E, from `five_problems.py` one folder up."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from five_problems import order as dag

process_ok = dag.check().names


def setup() -> None:
    """Nothing: its nodes only wait."""


def check(results: dict[str, Any]) -> None:
    """Look at what the last node got."""
    assert (results["B"], results["E"]) == (1.0, 1.0)


if __name__ == "__main__":
    print(dag())
