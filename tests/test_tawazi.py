"""Tawazi's DAGs run here with Tawazi's results, and what Tawazi would lose is refused by name."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tawazi
from tawazi import dag, xn
from tawazi.node import UsageExecNode

from makespan import DAG, DescribeError
from makespan.adapters import adapt, adapter_of
from makespan.adapters import tawazi as adapter
from makespan.adapters.tawazi import from_tawazi
from makespan.adapters.tawazi.walk import TawaziWarning
from makespan.cli.entry import main
from tests.tawazi_dags import CASES, one, plus, record, same, three, trace


def of_tawazi(made: Any, args: tuple[Any, ...]) -> Any:
    result = made(*args)
    return asyncio.run(result) if inspect.isawaitable(result) else result


def test_the_version_is_the_one_that_is_stated() -> None:
    assert tawazi.__version__ in adapter.TESTED


def test_there_are_enough_kinds() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_results_are_tawazis(name: str) -> None:
    make, arguments = CASES[name]
    kept, ours = make(), from_tawazi(make())
    for args in arguments:
        wanted = of_tawazi(kept, args)
        for result in (ours(*args), ours.run(*args, threads=1).result, ours.run(*args, threads=3).result):
            assert result == wanted
            assert type(result) is type(wanted)
    args = arguments[-1]
    assert asyncio.run(ours.acall(*args)) == of_tawazi(make(), args)
    assert from_tawazi(make(), *args)() == of_tawazi(make(), args)


@pytest.mark.parametrize("name", CASES)
def test_edges_are_tawazis(name: str) -> None:
    made = CASES[name][0]()
    ours = from_tawazi(made, debug=True)
    structure = ours.check()
    for node, preds in zip(structure.names, structure.preds, strict=True):
        wanted, left = set(), list(made.graph_ids.predecessors(node))
        while left:
            before = left.pop()
            if before in ours.nodes:
                wanted.add(before)
            else:
                left += made.graph_ids.predecessors(before)
        assert {structure.names[p] for p in preds} == wanted


def test_debug_nodes_run_where_tawazi_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    make, arguments = CASES["debug_nodes"]
    assert "show" not in " ".join(from_tawazi(make()).nodes)
    monkeypatch.setattr(tawazi.cfg, "RUN_DEBUG_NODES", True)
    for args in arguments:
        assert from_tawazi(make())(*args) == make()(*args)
    assert sum("show" in name for name in from_tawazi(make()).nodes) == 2
    assert from_tawazi(make(), debug=False)(3) == (13, None)


def test_set_up_nodes_run_once_for_both() -> None:
    calls: list[str] = []

    @xn(setup=True)
    def load(what: str) -> str:
        calls.append(what)
        return what

    @dag
    def pipe(x: int) -> Any:
        return trace(x, load("a"), load("b"))

    pipe.setup(target_nodes=[next(name for name in pipe.exec_nodes if name.endswith("load"))])
    ours = from_tawazi(pipe)
    assert ours(1) == ours(1) == (1, "a", "b")
    assert calls == ["a", "b"]
    assert len(ours) == 3  # the same nodes, so the same plan, whether or not it was set up
    assert ours.fingerprint == from_tawazi(pipe).fingerprint


def test_what_nodes_say_is_kept() -> None:
    from tawazi import Resource

    @xn(priority=3, is_sequential=True, tag=("a", "b"), resource=Resource.main_thread)
    def f(x: int) -> int:
        return x

    @dag(max_concurrency=3)
    def pipe(x: int) -> int:
        return f(f(x), twz_tag="own")

    ours = from_tawazi(pipe)
    first, second = ours.nodes.values()
    assert first.options.exclusive
    assert first.options.mode == "caller"
    assert first.options.tags == ("a", "b")
    assert second.options.tags == ("own",)
    assert first.place.startswith(f"{__file__}:")
    assert ours.name == "pipe"
    assert ours.prepare().threads == 3
    assert ours.prepare(threads=2).threads == 2
    assert list(ours.inputs) == ["x"]


def test_nodes_that_tawazi_runs_one_at_a_time_run_one_at_a_time() -> None:
    """max_concurrency is 1 unless said: functions that must not meet do not."""
    inside: list[int] = []
    most: list[int] = []

    @xn
    def unsafe(x: int) -> int:
        inside.append(x)
        most.append(len(inside))
        inside.remove(x)
        return x

    @dag
    def pipe() -> Any:
        return trace(*[unsafe(i) for i in range(30)])

    assert from_tawazi(pipe)() == tuple(range(30))
    assert max(most) == 1


def test_edges_that_were_added_to_tawazis_graph_hold() -> None:
    order: list[str] = []

    @xn
    def step(name: str) -> str:
        order.append(name)
        return name

    @dag(max_concurrency=2)
    def pipe() -> Any:
        return step("later"), step("first")

    first, later = [name for name in pipe.exec_nodes if name.endswith(("step", ">>"))][::-1]
    pipe.graph_ids.add_edge(first, later)
    assert from_tawazi(pipe).run(threads=2).result == ("later", "first")
    assert order == ["first", "later"]


def test_a_condition_is_the_whole_result_as_in_tawazi() -> None:
    @xn
    def flags(x: int) -> dict[str, bool]:
        return {"on": x > 0}

    @dag
    def pipe(x: int) -> Any:
        return same("ran", twz_active=flags(x)["on"])

    with pytest.warns(TawaziWarning, match="whole"):
        ours = from_tawazi(pipe)
    assert ours(-1) == pipe(-1) == "ran"


def test_indexing_an_inactive_result_fails_in_tawazi_and_is_none_here() -> None:
    @dag
    def pipe(go: bool) -> Any:
        return trace(record(1, twz_active=go)["n"])

    ours = from_tawazi(pipe)
    assert ours(True) == pipe(True) == (1,)
    with pytest.raises(AttributeError):  # what Tawazi does then; a run that fails leaves its threads behind
        UsageExecNode("record", ["n"]).result({"record": None})
    assert ours(False) == (None,)


@pytest.mark.filterwarnings("error")
def test_a_condition_within_a_sub_dag_may_be_a_part_of_a_result() -> None:
    """The part is handed on to the sub-DAG, and there it is a whole result."""

    @xn
    def flags(x: int) -> dict[str, bool]:
        return {"on": x > 0}

    @dag
    def inner(v: int, go: bool) -> Any:
        return same(v, twz_active=go)

    @dag
    def pipe(x: int) -> Any:
        return inner(x, flags(x)["on"])

    ours = from_tawazi(pipe)
    assert [ours(x) for x in (1, -1)] == [pipe(x) for x in (1, -1)] == [1, None]


def test_exceptions_are_the_users() -> None:
    @xn
    def broken(x: int) -> int:
        raise LookupError(x)

    @dag
    def pipe(x: int) -> Any:
        return plus(broken(x))

    with pytest.raises(LookupError) as caught:
        from_tawazi(pipe)(7)
    assert caught.value.args == (7,)


def test_context_variables_reach_nodes_as_in_tawazi() -> None:
    from contextvars import ContextVar

    who: ContextVar[str] = ContextVar("who", default="nobody")

    @xn
    def ask(_: int) -> str:
        return who.get()

    @dag(max_concurrency=3)
    def pipe() -> Any:
        return trace(*[ask(i) for i in range(4)])

    token = who.set("me")
    try:
        assert from_tawazi(pipe)() == pipe() == ("me",) * 4
    finally:
        who.reset(token)


# ----------------------------------------------------------------------------- what Tawazi loses in silence


def lost_in_a_list() -> Any:
    @dag
    def pipe() -> Any:
        return trace([same("lost"), 2])

    return pipe


def lost_in_a_dict_deep() -> Any:
    @dag
    def pipe() -> Any:
        return trace({"a": [(1, {"b": same("lost")})]})

    return pipe


def lost_in_a_keyword() -> Any:
    @dag
    def pipe() -> Any:
        return trace(key=(same("lost"),))

    return pipe


def lost_in_an_object() -> Any:
    class Box:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    @dag
    def pipe() -> Any:
        return trace(Box([same("lost")]))

    return pipe


def lost_in_a_record() -> Any:
    @dataclass
    class Box:
        inner: Any

    @dag
    def pipe() -> Any:
        return trace(Box(Box(Box(same("lost")))))

    return pipe


def lost_in_a_closure() -> Any:
    @dag
    def pipe() -> Any:
        x = same("lost")
        return xn(lambda: x)()

    return pipe


def lost_in_a_partial() -> Any:
    from functools import partial

    @dag
    def pipe() -> Any:
        return xn(partial(trace.exec_function, same("lost")))()

    return pipe


def lost_in_a_method() -> Any:
    class Box:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        @xn
        def get(self) -> Any:
            return self.inner

    @dag
    def pipe() -> Any:
        return Box(same("lost")).get()

    return pipe


def lost_as_an_index() -> Any:
    @dag
    def pipe() -> Any:
        return trace(record(1)[same("lost")])

    return pipe


def lost_in_a_slice() -> Any:
    @dag
    def pipe() -> Any:
        return trace(three(1)[same("lost") :])

    return pipe


def lost_in_what_is_returned() -> Any:
    @dag
    def pipe() -> Any:
        return {"a": [same("lost")]}

    return pipe


def lost_in_a_condition() -> Any:
    @dag
    def pipe() -> Any:
        return trace(1, twz_active=[same("lost")])

    return pipe


def lost_in_a_sub_dags_argument() -> Any:
    @dag
    def inner(v: Any) -> Any:
        return trace(v)

    @dag
    def pipe() -> Any:
        return inner([same("lost")])

    return pipe


def lost_in_an_array() -> Any:
    numpy = pytest.importorskip("numpy")
    holder = numpy.empty(2, dtype=object)

    @dag
    def pipe() -> Any:
        holder[0] = same("lost")
        return trace({"array": holder})

    return pipe


def lost_in_a_long_list() -> Any:
    @dag
    def pipe() -> Any:
        return trace([*range(300_000), same("lost"), *range(300_000)])

    return pipe


def lost_in_deep_attributes() -> Any:
    class Box:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

    @dag
    def pipe() -> Any:
        return trace(Box({"b": Box(same("lost"))}))

    return pipe


LOST = [
    lost_in_an_array,
    lost_in_a_long_list,
    lost_in_deep_attributes,
    lost_in_a_list,
    lost_in_a_dict_deep,
    lost_in_a_keyword,
    lost_in_an_object,
    lost_in_a_record,
    lost_in_a_closure,
    lost_in_a_partial,
    lost_in_a_method,
    lost_as_an_index,
    lost_in_a_slice,
    lost_in_what_is_returned,
    lost_in_a_condition,
    lost_in_a_sub_dags_argument,
]


@pytest.mark.parametrize("make", LOST)
def test_a_result_that_tawazi_does_not_see_is_refused_by_name(make: Any) -> None:
    with pytest.raises(DescribeError, match="'same'"):
        from_tawazi(make())


def test_a_result_of_another_dag_is_refused() -> None:
    kept: list[Any] = []

    @dag
    def first() -> Any:
        kept.append(plus(1))
        return one()

    @dag
    def second() -> Any:
        return same(1), kept[0]

    with pytest.raises(DescribeError, match=r"returns takes the result of 'plus', which is not in the DAG"):
        from_tawazi(second)


def test_a_sub_dag_without_an_argument_is_refused() -> None:
    @dag
    def inner(v: int, w: int) -> Any:
        return plus(v, w)

    @dag
    def pipe() -> Any:
        return inner(1)

    with pytest.raises(DescribeError, match="takes 'w', which is given no value"):
        from_tawazi(pipe)


def test_a_composition_that_lost_its_condition_is_refused() -> None:
    @dag
    def pipe() -> Any:
        return plus(1, twz_active=same(1))

    with pytest.raises(DescribeError, match="'same', which is not in the DAG"):
        from_tawazi(pipe.compose("part", ["same"], "plus"))


def test_coroutine_functions_and_generators_are_refused() -> None:
    @xn
    async def later(x: int) -> int:
        return x

    @xn
    def many(x: int) -> Any:
        yield x

    @dag
    def awaits(x: int) -> Any:
        return later(x)

    @dag
    def yields(x: int) -> Any:
        return many(x)

    with pytest.raises(DescribeError, match=r"later.* coroutine function"):
        from_tawazi(awaits)
    with pytest.raises(DescribeError, match=r"many.* generator"):
        from_tawazi(yields)


def test_too_many_values_are_refused() -> None:
    with pytest.raises(DescribeError, match="takes 1 inputs, and 2 values"):
        from_tawazi(CASES["unused_input"][0](), 1, 2)


def test_what_is_no_dag_is_refused() -> None:
    assert adapter_of(same) is None
    assert adapt(CASES["diamond"][0]().executor()) is None
    with pytest.raises(DescribeError, match="not a DAG of Tawazi"):
        from_tawazi(same)


def test_a_graph_within_a_function_is_no_lost_result() -> None:
    @dag
    def inner(v: int) -> Any:
        return plus(v)

    @xn
    def runs_a_dag(v: int) -> Any:
        return inner(v)

    @dag
    def pipe(v: int) -> Any:
        return runs_a_dag(v)

    assert from_tawazi(pipe)(1) == pipe(1) == 11


# ---------------------------------------------------------------------------------------- the command line


def test_a_target_may_be_a_tawazi_dag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tawazis_api.py").write_text(
        "from tawazi import dag, xn\n"
        "@xn\ndef a(x):\n    return x + 1\n"
        "@xn\ndef b(x, y):\n    return x * y\n"
        "@dag(max_concurrency=2)\ndef pipe(x):\n    return b(a(x), a(x))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for verb in (
        ["profile", "tawazis_api:pipe", "--args", "[4]", "--runs", "1", "--no-pairs", "-o", "profile.json"],
        ["optimize", "profile.json", "--threads", "2", "--time-limit", "0.2", "-o", "plan.json"],
        ["run", "tawazis_api:pipe", "--args", "[4]", "--plan", "plan.json", "-o", "run.json"],
        ["run", "tawazis_api.py", "--args", "[4]", "-o", "run.json"],  # the only DAG in the module
        ["export", "plan.json", "--to", "tawazi", "-o", "tawazi.json"],
    ):
        assert main(verb) == 0, capsys.readouterr().err
    assert "not carried: runs of a part" in capsys.readouterr().err
    assert '"a<<1>>"' in (tmp_path / "run.json").read_text()
    config = json.loads((tmp_path / "tawazi.json").read_text())
    assert set(config["nodes"]) == {"a", "a<<1>>", "b"}
    assert config["max_concurrency"] == 2
    assert main(["run", "tawazis_api:a"]) == 2
    assert "not a DAG" in capsys.readouterr().err


def test_composed_dags_have_the_same_order_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tawazi_dags import CASES\n"
        "from makespan.adapters.tawazi import from_tawazi\n"
        "d = from_tawazi(CASES['composed'][0]())\n"
        "print(list(d.nodes), list(d.inputs), d.fingerprint)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_from_tawazi_returns_our_dag() -> None:
    assert isinstance(from_tawazi(CASES["diamond"][0]()), DAG)
