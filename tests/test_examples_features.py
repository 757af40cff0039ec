"""The example that makes features of records: its shape, its results, and what it writes."""

from __future__ import annotations

import json
import math
import pickle
import re
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pyarrow")

from makespan.processes import codec
from tests.example_modules import EXAMPLES, example

FOLDER = EXAMPLES / "feature_pipeline"
SCALE = 0.08


@pytest.fixture(scope="module")
def module():
    with example("feature_pipeline") as found:
        yield found


@pytest.fixture(scope="module")
def folder(module, tmp_path_factory):
    made = str(tmp_path_factory.mktemp("shop"))
    module.setup(made, SCALE)
    return made


def test_it_is_a_joy_to_read():
    for file in FOLDER.glob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file


def test_the_shape_is_what_its_docstring_says(module):
    structure = module.features.check()
    assert len(structure) == int(re.search(r"a DAG of (\d+) nodes", module.__doc__)[1])
    for name in structure.names:
        assert re.search(rf"\b{re.sub(r'_[0-9]+$', '', name)}\b", module.__doc__), name
    assert {lock for some in structure.locks for lock in some} == {"matplotlib"}
    assert module.process_ok == structure.names


@pytest.fixture(scope="module")
def results(module, folder):
    """What each node returns, one after the other."""
    return module.features.run(folder, threads=1, targets=module.features.check().names).values


def test_another_budget_gives_the_same_report(module, folder, results):
    report = results["report"]
    assert module.features.run(folder, threads=3).result == report
    assert json.loads(json.dumps(report)) == report
    module.check({"report": report}, folder)


def test_a_wrong_report_is_found(module, folder, results):
    report = results["report"]
    wrong = ({"totals": {**report["totals"], "hits": 0}}, {"revenue": {"sum": 0.0}}, {"figures": ["a"]})
    for part in wrong:
        with pytest.raises(AssertionError):
            module.check({"report": {**report, **part}}, folder)


def test_nodes_may_run_in_another_process(module, results):
    for name in module.process_ok:
        fn = module.features.nodes[name].fn
        assert codec.named(fn) is not fn, name  # told by its name
        assert not codec.fault_of(results[name]), name


def test_what_a_chain_of_records_gives_is_small(results):
    size = {name: len(pickle.dumps(value, 5)) for name, value in results.items()}
    chains = {
        ("parse_log", "parse_log_2"): ("visits", "funnel", "navigation", "devices"),
        ("letters", "tokens"): ("sentiment", "topics", "urgency"),
        ("series",): ("rolling", "rolling_2", "streaks"),
    }
    for first, last in chains.items():
        assert sum(size[name] for name in last) < 0.5 * sum(size[name] for name in first), first


def test_inputs_are_written_once_and_are_always_the_same(module, folder, tmp_path):
    files = sorted(Path(folder).iterdir())
    before = {file.name: file.stat().st_mtime_ns for file in files}
    module.setup(folder, SCALE)
    assert {file.name: file.stat().st_mtime_ns for file in files} == before
    module.setup(str(tmp_path / "new" / "folder"), SCALE)
    assert [its.name for its in (tmp_path / "new").iterdir()] == ["folder"]
    module.setup(str(tmp_path), SCALE)
    for file in files:
        if file.suffix != ".parquet":  # those hold the version of their writer
            assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name
    module.setup(str(tmp_path), SCALE / 2)
    assert json.loads((tmp_path / "made.json").read_text())["scale"] == SCALE / 2


def test_features_of_a_few_records(module, tmp_path):
    its = module.of
    line = (
        '203.0.113.1 - c00007 [05/Mar/2025:00:{:02}:00 +0000] "GET {} HTTP/1.1" 200 9 "-" '
        '"X Chrome/9 Mobile"\n'
    )
    pages = ["/product/1?ref=mail", "/cart", "/checkout", "/"]
    (tmp_path / "web.log").write_text("".join(map(line.format, (0, 1, 2, 50), pages)) + "nonsense\n")
    hits = its.parse_log(str(tmp_path), "web.log")
    assert [hit.page for hit in hits] == ["/product/1", "/cart", "/checkout", "/"]
    found = its.sessions([hits])
    assert [len(session) for session in found[7]] == [3, 1]
    assert its.funnel(found).values.tolist() == [[0.5, 0.5, 0.5]]
    assert its.devices([hits]).values.tolist() == [[1.0, 9.0]]
    assert its.visits(found).values[0].tolist() == [4, 60.0, 60.0, 0.0, 0.5, 1.0]
    assert its.sentiment([(1, ["not", its.stem("great")]), (1, ["broken"])]).values.tolist() == [
        [-0.75, -1.0, 2.0]
    ]
    single, pairs = its.together([(1, ["a", "b"]), (2, ["a", "b"])])
    assert its.affinity([(1, ["a", "b"])], single, pairs).values.tolist() == [[1.0, 0.5, 0.5]]
    minutes = {3: [10.0, 10.0, 0.0, 0.0]}
    assert its.streaks(minutes).values.tolist() == [[4.0, 2.0, 2.0, 0.5]]
    recent, spread, fall = its.rolling(minutes, 2).values[0]
    assert (recent, spread, fall) == (0.0, 5.0, 10.0)
    assert math.isfinite(its.topics([(1, ["a"]), (2, [])]).values.sum())
