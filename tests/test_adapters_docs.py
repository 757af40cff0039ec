"""Every code block of docs/other_libraries.md runs, in order, as a reader would type them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "other_libraries.md"


def test_every_block_runs(tmp_path):
    for library in ("dask", "hamilton", "pipefunc", "networkx"):
        pytest.importorskip(library)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    # A file, not -c: worker processes look for the main module.
    body = "\n".join(blocks).replace("trials=False", "trials=False, sampler='clocks'")  # quicker, no more
    body = body.replace("profile_by_kind(dag)", "profile_by_kind(dag, sampler='clocks')")
    body = body.replace("optimize(threads=2)", "optimize(threads=2, time_limit_s=0.5)")
    body = body.replace("\n", "\n    ")
    script = f"import warnings\nwarnings.simplefilter('ignore')\nif __name__ == '__main__':\n    {body}\n"
    (tmp_path / "page.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env={"HAMILTON_AUTOLOAD_EXTENSIONS": "0", "PATH": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
