"""A real notebook, whose kernel runs an event loop in the thread of the cells."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    """
import asyncio
from makespan import dag, node

@node
async def fetch(x):
    await asyncio.sleep(0)
    return x

@node
def size(x):
    return len(x)

@dag
def d(x):
    return size(fetch(x))
""",
    "assert d('ab') == 2",
    "assert d.run('ab', threads=2).result == 2",
    "assert await d.acall('ab') == 2",
    "run = await d.arun('ab', timeout_s=60)\nassert run.result == 2",
    "assert d.run('ab', timeout_s=60).result == 2",
    "assert len(d.profile('ab', runs=1, trials=False).nodes) == 2",
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_every_verb_works_in_the_cells_of_a_notebook(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": tmp_path}}).execute()
