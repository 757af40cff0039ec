"""A fetch and two nodes of Python, which want the GIL: from `five_problems.py` one folder up."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from five_problems import gil as dag

process_ok = dag.check().names


def setup() -> None:
    """Nothing: it waits, and counts."""


def check(results: dict[str, Any]) -> None:
    """Look at what the last node got."""
    assert results["final"] == 3


if __name__ == "__main__":
    print(dag())
