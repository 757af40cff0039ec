"""The gallery: its command makes what the index names, in small files; benchmarks' tables have a date."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from reports import make, measured, pages

COMMITTED = Path(__file__).parents[1] / "reports"


@pytest.fixture
def tiny(monkeypatch):
    """Units of a hundredth of a second, and the machine's noise left alone."""
    before = {name: module for name, module in sys.modules.items() if name == "five_problems"}
    monkeypatch.setenv("UNIT_S", "0.01")
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    examples = pages._examples()
    kept = [its for its in examples.PROBLEMS if its.name in {"order", "thread_safe"}]
    monkeypatch.setattr(examples, "PROBLEMS", kept)
    yield
    sys.modules.pop("five_problems", None)


@pytest.mark.filterwarnings("ignore::makespan.ProfileWarning")
def test_a_part_is_made_and_named_in_the_index(tmp_path, tiny):
    assert make.main(["--only", "problems", "-o", str(tmp_path)]) == 0
    text = (tmp_path / "README.md").read_text()
    assert "Five problems" in text
    links = re.findall(r"\]\((problems/[\w.]+)\)", text)
    assert sorted(links) == ["problems/order.html", "problems/order.png", "problems/thread_safe.png"]
    for link in links:
        assert (tmp_path / link).stat().st_size > 1000
    assert (tmp_path / "problems/order.png").read_bytes().startswith(b"\x89PNG")


def test_tables_of_benchmarks_have_command_machine_and_date(tmp_path):
    rows = [
        {"case": "chain", "n": 100, "threads": 2, "engine": engine, "us_per_node": us}
        for engine, us in (("makespan", 1.5), ("plain loop", 0.5))
    ]
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "runtime.json").write_text(json.dumps(rows))
    out = tmp_path / "out"
    assert make.main(["--only", "none", "--benchmarks", str(tmp_path / "made"), "-o", str(out)]) == 0
    page = (out / "benchmarks" / "runtime.md").read_text()
    assert "python benchmarks/runtime.py" in page
    assert re.search(r"\d{4}-\d\d-\d\d, on .+ cores, ", page)
    assert "plain loop" in page
    assert "(benchmarks/runtime.md)" in (out / "README.md").read_text()


def test_all_benchmarks_that_it_knows_are_there():
    for name in measured.BENCHMARKS:
        assert (COMMITTED.parent / "benchmarks" / f"{name}.py").is_file()


def test_large_files_are_named(tmp_path, capsys):
    (tmp_path / "large.html").write_bytes(b"x" * (make.MOST_BYTES + 1))
    assert make.main(["--only", "none", "-o", str(tmp_path)]) == 1
    assert "too large" in capsys.readouterr().err


@pytest.mark.parametrize("said", [["--only", "nothing"], ["--measure", "runtime"], ["--measure", "x"]])
def test_what_cannot_be_is_refused(said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        make.main([*said, "-o", str(tmp_path)])
    assert ended.value.code == 2


def test_the_committed_gallery_is_whole_and_small():
    text = (COMMITTED / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([\w/.]+)\)", text):
        assert (COMMITTED / link).exists(), link
    sizes = {path: path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()}
    assert max(sizes.values()) <= make.MOST_BYTES
    assert sum(sizes.values()) < 3_000_000
