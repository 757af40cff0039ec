"""Every committed notebook runs from top to bottom, and was committed with small outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from notebooks import make

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
QUICK = {"UNIT_S": "0.01", "WORK": "0.3", "SURVEY": "json", "REPEATS": "1"}
"""Less of everything: whether it runs is asked here, not what it measures."""


def test_there_are_notebooks():
    assert {"five_problems", "quickstart", "reading_the_report", "where_the_gil_goes"} <= {
        path.stem for path in NOTEBOOKS
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    # nbclient raises CellExecutionError, with the cell and its traceback, when a cell fails.
    notebook = make.executed(path, tmp_path)
    printed = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(printed) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_executed_and_small(path):
    assert path.stat().st_size < make.MOST_BYTES
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert not [out for cell in cells for out in cell.outputs if out.output_type == "error"]


def test_outputs_are_made_small():
    said = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    warned = nbformat.v4.new_output("stream", name="stderr", text="/tmp/ipykernel_12/345.py:1: Warning: x\n")
    cell = nbformat.v4.new_code_cell("1", outputs=[*said, warned], metadata={"execution": {"started": "now"}})
    made = make.small(nbformat.v4.new_notebook(cells=[cell], metadata={"signature": "x"}))
    assert [out.text for out in made.cells[0].outputs] == ["a\nb\n", "cell:1: Warning: x\n"]
    assert not made.cells[0].metadata
    assert set(made.metadata) == {"kernelspec", "language_info"}
