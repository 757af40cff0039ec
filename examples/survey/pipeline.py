"""The survey of the standard library, `stdlib_survey.py` one folder up, as a pipeline to be measured."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from stdlib_survey import LIBRARY
from stdlib_survey import survey as dag

process_ok = dag.check().names


def setup() -> None:
    """Nothing: the library lies on the disk, and fetches bring their own server."""


def check(results: dict[str, Any]) -> None:
    """Count some lines again."""
    its = results["report"]
    modules = {name: LIBRARY / f"{name}.py" for name in its["lines"]}
    again = {name: file.read_bytes().count(b"\n") for name, file in modules.items() if file.is_file()}
    assert again
    assert again.items() <= its["lines"].items()
    assert len(set(its["figures"])) == 6


if __name__ == "__main__":
    print(len(dag()["lines"]), "packages and modules")
