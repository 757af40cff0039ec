"""docs/tawazi.md, row by row: what Tawazi and makespan do with the code that stands in its table."""

from __future__ import annotations

import asyncio
import inspect
import operator
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tawazi
from tawazi import Resource, and_, not_, xn
from tawazi import dag as tdag

import makespan
from makespan import DAG, DescribeError, dag, node
from makespan.adapters.tawazi import apply_to, from_tawazi, run_by_tawazi, tawazi_config

if TYPE_CHECKING:
    from collections.abc import Callable

GUIDE = Path(__file__).parents[1] / "docs" / "tawazi.md"
ROWS: dict[str, Callable[[Path], None]] = {}


def row(feature: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register what shows a row of the table."""

    def register(test: Callable[[Path], None]) -> Callable[[Path], None]:
        ROWS[feature] = test
        return test

    return register


def add(x: int, y: int = 10) -> int:
    return x + y


def parts(x: int) -> dict[str, Any]:
    return {"n": x, "list": [x, x + 1]}


tadd, tparts = xn(add), xn(parts)
madd, mparts = node(add), node(parts)


@row("a function is a node")
def _functions(_: Path) -> None:
    @xn
    def tawazis(x: int) -> int:
        return x + 1

    @node
    def ours(x: int) -> int:
        return x + 1

    assert tdag(lambda x: tawazis(x))(1) == 2
    assert dag(lambda x: ours(x))(1) == ours(1) == 2  # outside of a DAG it is the plain function


@row("a function describes a DAG")
def _dags(_: Path) -> None:
    @tdag
    def tawazis(x: int, y: int = 5) -> Any:
        return tadd(x), y

    @dag
    def ours(x: int, y: int = 5) -> Any:
        return madd(x), y

    assert tawazis(1) == ours(1) == (11, 5)
    assert tawazis(1, 2) == ours(1, y=2) == (11, 2)  # Tawazi's DAGs take no keywords


@row("max_concurrency")
def _budget(_: Path) -> None:
    @tdag(max_concurrency=2)
    def pipe(x: int) -> Any:
        return tadd(tadd(x), tadd(x))

    dag_ = from_tawazi(pipe)
    assert dag_.prepare().threads == 2
    assert dag_.run(1, threads=3).record.threads == 3
    assert dag(lambda x: madd(x)).run(1, threads=2).result == 11


@row("constants, defaults, keywords")
def _constants(_: Path) -> None:
    assert tdag(lambda: tadd(1, y=2))() == 3
    assert dag(lambda: madd(1, y=2))() == 3


@row("unpack_to")
def _unpack(_: Path) -> None:
    def pair(x: int) -> Any:
        return x, x + 1

    @tdag
    def tawazis(x: int) -> Any:
        a, b = xn(unpack_to=2)(pair)(x)
        return tadd(a, b)

    @dag
    def ours(x: int) -> Any:
        a, b = node(outputs=2)(pair)(x)  # or annotate the function: -> tuple[int, int]
        return madd(a, b)

    assert tawazis(1) == ours(1) == 3


@row("indexing")
def _indexing(_: Path) -> None:
    @tdag
    def tawazis(x: int) -> Any:
        d = tparts(x)
        return tadd(d["list"][1], d["n"])

    @dag
    def ours(x: int) -> Any:
        d = mparts(x)
        return madd(d["list"][1], d["n"])

    assert tawazis(1) == ours(1) == 3


@row("results inside lists and dicts")
def _nested(_: Path) -> None:
    total = node(sum)
    assert dag(lambda: total([madd(1), madd(2)]))() == 23
    lost = tdag(lambda: xn(lambda values: values)([tadd(1)]))
    with pytest.raises(DescribeError, match="handle"):
        from_tawazi(lost)


@row("operators")
def _operators(_: Path) -> None:
    assert tdag(lambda x: tadd(x) + x)(1) == 12
    assert dag(lambda x: node(operator.add)(madd(x), x))(1) == 12


@row("and_, or_, not_")
def _logic(_: Path) -> None:
    assert tdag(lambda a, b: and_(a, not_(b)))(1, 0) is True
    assert dag(lambda a, b: node(lambda a, b: a and not b)(a, b))(1, 0) is True


@row("twz_active")
def _active(_: Path) -> None:
    shown = node(on_skipped="none")(repr)
    tawazis = tdag(lambda x, go: xn(repr)(tadd(x, twz_active=go)))
    ours = dag(lambda x, go: shown(madd.options(when=go)(x)))
    for go in (True, False):
        assert tawazis(1, go) == ours(1, go) == from_tawazi(tawazis)(1, go)
    assert (
        dag(lambda x, go: node(repr)(madd.options(when=go)(x)))(1, False) is None
    )  # skipped too, unless said


@row("tag")
def _tags(_: Path) -> None:
    tawazis = tdag(lambda x: xn(tag="io")(add)(tadd(x), twz_tag="late"))
    ours = dag(lambda x: node(tags="io")(add).options(tags="late")(madd(x)))
    assert tawazis.get_nodes_by_tag("late")[0].id == "add<<1>>"
    assert ours.run(1, targets="tag:late").values == {"add_2": 21}
    assert from_tawazi(tawazis).run(1, targets="tag:late").values == {"add<<1>>": 21}


@row("setup")
def _setup(_: Path) -> None:
    calls: list[str] = []

    def load() -> int:
        calls.append("loaded")
        return 1

    for pipe in (tdag(lambda: tadd(xn(setup=True)(load)())), dag(lambda: madd(node(setup=True)(load)()))):
        pipe.setup()
        assert pipe() == pipe() == 11
    assert calls == ["loaded", "loaded"]


@row("debug")
def _debug(_: Path) -> None:
    tawazis = tdag(lambda x: (tadd(x), xn(debug=True)(repr)(tadd(x))))
    ours = dag(lambda x: (madd(x), node(tags="debug")(repr)(madd(x))))
    assert tawazis(1) == (11, None)
    assert ours.run(1, without="tag:debug").result == (11, None)
    assert from_tawazi(tawazis, debug=True)(1) == ours(1) == (11, "11")


@row("a DAG within a DAG")
def _sub(_: Path) -> None:
    tinner, minner = tdag(lambda x: tadd(x)), dag(lambda x: madd(x))
    assert tdag(lambda x: tadd(tinner(x)))(1) == 21
    with pytest.raises(KeyError):
        tdag(lambda x: tadd(tinner(x), tinner(x)))
    assert dag(lambda x: madd(minner(x), minner(x)))(1) == 22  # as often as you like


@row("compose")
def _compose(_: Path) -> None:
    def show(x: int) -> str:
        return str(x)

    tawazis = tdag(lambda x: xn(show)(tadd(x)))
    ours = dag(lambda x: node(show)(madd(x)))
    part = tawazis.compose("part", ["add"], _id(tawazis, "show"))
    assert part(5) == "5"
    assert ours.run(0, targets="show", given={"add": 5}).values["show"] == "5"
    assert from_tawazi(part)(5) == "5"


@row("AsyncDAG")
def _async(_: Path) -> None:
    @tdag(is_async=True)
    def tawazis(x: int) -> Any:
        return tadd(x)

    ours = dag(lambda x: madd(x))

    async def main() -> None:
        assert await tawazis(1) == await ours.acall(1) == await from_tawazi(tawazis).acall(1) == 11

    asyncio.run(main())


@row("Resource")
def _resources(_: Path) -> None:
    from threading import current_thread

    def where() -> str:
        return current_thread().name

    here = current_thread().name
    assert tdag(lambda: xn(resource=Resource.main_thread)(where)())() == here
    assert dag(lambda: node(mode="caller")(where)())() == here

    @node
    async def waits() -> int:
        return 1

    assert dag(lambda: waits())() == 1


@row("is_sequential")
def _sequential(_: Path) -> None:
    tawazis = tdag(lambda x: xn(is_sequential=True)(add)(x))
    ours = dag(lambda x: node(exclusive=True)(add)(x))
    assert tawazis(1) == ours(1) == dag(lambda x: node(lock="db")(add)(x))(1) == 11
    (only,) = from_tawazi(tawazis).nodes.values()
    assert only.options.exclusive


@row("priority")
def _priority(_: Path) -> None:
    tawazis = tdag(lambda x: xn(priority=2)(add)(x))
    assert tawazis(1) == 11
    ours = dag(lambda x: (madd(x), madd(x)))
    plan = ours.profile(1, runs=1, trials=False).optimize(threads=1, time_limit_s=0.2, pins=["add_2 first"])
    assert plan.node("add_2").rank == 0


@row("executor")
def _executor(_: Path) -> None:
    def late(x: int) -> int:
        return x + 1

    tawazis = tdag(lambda x: (tadd(x), xn(late)(tadd(x))))
    ours = dag(lambda x: (madd(x), node(late)(madd(x))))
    assert tawazis.executor(target_nodes=["add"])(1) == (11, None)
    assert ours.run(1, targets="add").values == {"add": 11}
    assert ours.run(1, roots="add_2").result == (None, 12)
    assert ours.run(1, without="late").result == (11, None)
    assert from_tawazi(tawazis).run(1, targets="add").values == {"add": 11}


@row("results of an executor")
def _results(_: Path) -> None:
    tawazis = tdag(lambda x: tadd(tadd(x)))
    execution = tawazis.executor()
    execution(1)
    assert execution.results["add"] == 11
    ours = dag(lambda x: madd(madd(x)))
    assert ours.run(1, targets=["add", "add_2"]).values["add"] == 11


@row("cache_in, from_cache")
def _cache(_: Path) -> None:
    kept = dag(lambda x: node(cache=lambda x: x)(add)(x))
    assert kept(1) == kept(1) == 11
    assert kept.cache_info()["add"].hits == 1
    assert kept.run(1, given={"add": 3}).result == 3


@row("TAWAZI_PROFILE_ALL_NODES")
def _profile(_: Path) -> None:
    tawazis = tdag(lambda x: tadd(x))
    profile = from_tawazi(tawazis).profile(1, runs=1, trials=False)
    assert [one.name for one in profile.nodes] == ["add"]


@row("config_from_json")
def _config(folder: Path) -> None:
    @tdag
    def pipe(x: int) -> Any:
        return tadd(tadd(x), tadd(x))

    plan = from_tawazi(pipe).profile(1, runs=1, trials=False).optimize(threads=2, time_limit_s=0.2)
    tawazi_config(plan, pipe).save(folder / "tawazi.json")
    pipe.config_from_json(str(folder / "tawazi.json"))
    assert pipe(1) == 22
    apply_to(pipe, plan)
    assert run_by_tawazi(pipe, 1, plan=plan).result == from_tawazi(pipe).run(1, plan=plan).result == 22


@row("methods")
def _methods(_: Path) -> None:
    class Scaler:
        def __init__(self, by: int) -> None:
            self.by = by

        @xn
        def tawazis(self, x: int) -> int:
            return x * self.by

        @node
        def ours(self, x: int) -> int:
            return x * self.by

    scaler = Scaler(3)
    assert tdag(lambda x: scaler.tawazis(x))(2) == dag(lambda x: scaler.ours(x))(2) == 6


@row("ExecNode(id, function)")
def _exec_nodes(_: Path) -> None:
    """The article: name, function, dependencies, priority, is_sequential, max_concurrency."""
    pipe = DAG("pipe")
    a = pipe.add(lambda: "a", name="a", exclusive=True)
    b = pipe.add(lambda a: a + "b", a, name="b")
    pipe.add(lambda a, b: a + b + "c", a, b, name="c")
    pipe.add(lambda: "d", name="d", after=["c"], lock="matplotlib")
    run = pipe.run(threads=3)
    assert run.result == {"d": "d"}
    assert pipe.run(targets="c").values["c"] == "aabc"


def _id(made: Any, own: str) -> str:
    return next(name for name in made.exec_nodes if name.endswith(own))


def table() -> dict[str, tuple[str, str]]:
    """Return the rows of the guide's tables: feature → (Tawazi, makespan)."""
    rows = {}
    for line in GUIDE.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and not set(cells[0]) <= set("-: ") and cells[0] != "feature":
            rows[cells[0].strip("`")] = (cells[1], cells[2])
    return rows


def test_the_guide_and_the_tests_speak_of_the_same_features() -> None:
    assert list(table()) == list(ROWS)


@pytest.mark.parametrize("feature", ROWS)
def test_a_row_of_the_guide(feature: str, tmp_path: Path) -> None:
    ROWS[feature](tmp_path)
    source = re.sub(r"\s+", " ", inspect.getsource(ROWS[feature]))
    for code in re.findall(r"`([^`]+)`", " ".join(table()[feature])):
        for part in code.split("…"):
            assert part.strip() in source, f"{part!r} of the guide is not what the test runs"


def test_the_code_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S)
    (tmp_path / "api.py").write_text(blocks[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    space: dict[str, Any] = {}
    for block in blocks[1:]:
        exec(compile(block, str(GUIDE), "exec"), space)
    assert (tmp_path / "before.json").is_file()


def test_the_guide_names_the_version() -> None:
    from makespan.adapters.tawazi import TESTED

    assert f"Tawazi {TESTED[1]}" in GUIDE.read_text()
    assert tawazi.__version__ == TESTED[1]
    assert makespan.__version__
