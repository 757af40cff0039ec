"""Building a DAG by hand: names, options, inputs, output, forward references; each fault with its place."""

from __future__ import annotations

import copy
import functools
import operator
import pickle
import sys
import threading
import xmlrpc.client

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, DescribeError, OptionError, node
from makespan.describing.options import Options, check_threads, function_name
from makespan.describing.placeholder import parts


def double(x):
    return 2 * x


def refused(match, call, *args, **kwargs):
    """Call it; it must refuse and name this file. Returns the error."""
    with pytest.raises(DescribeError, match=match) as caught:
        call(*args, **kwargs)
    assert (caught.value.where or "").startswith(__file__), caught.value.where
    return caught.value


def test_names_are_the_functions_numbered():
    d = DAG()
    for _ in range(3):
        d.add(double, 1)
    assert list(d.nodes) == ["double", "double_2", "double_3"]


def test_names_go_round_those_that_are_taken():
    def render(): ...
    def render_2(): ...

    d = DAG()
    for fn in (render_2, render, render, render_2, render):
        d.add(fn)
    assert list(d.nodes) == ["render_2", "render", "render_3", "render_2_2", "render_4"]
    d.add(render, name="render_5")
    d.add(render)
    assert list(d.nodes)[-1] == "render_6"


def test_a_refused_call_takes_no_name():
    d, other = DAG(), DAG()
    for _ in range(3):
        with pytest.raises(DescribeError):
            d.add(double, other.add(double, 1))
    d.add(double, 1)
    assert list(d.nodes) == ["double"]


def test_names_of_every_kind_of_callable():
    class Adder:
        def __call__(self, x):
            return x + 1

        def method(self, x):
            return x + 2

    d = DAG()
    calls = [
        (len, "abc", 3),
        ("".join, ["a", "b"], "ab"),
        (dict, [("a", 1)], {"a": 1}),
        (Adder(), 1, 2),
        (Adder().method, 1, 3),
        (functools.partial(operator.add, 1), 2, 3),
        (functools.partial(functools.partial(pow, 2), 3), 5, 3),
        (lambda x: x, 7, 7),
        (functools.lru_cache(double), 4, 8),
        (operator.itemgetter(0), [9], 9),
    ]
    d.returns([d.add(fn, argument) for fn, argument, _ in calls])
    names = "len join dict Adder method add pow function double itemgetter"
    assert list(d.nodes) == names.split()
    assert d() == [result for *_, result in calls]


def test_callables_that_answer_to_any_attribute():
    proxy = xmlrpc.client.ServerProxy("http://127.0.0.1:1").anything
    assert function_name(proxy) == "_Method"
    d = DAG()
    d.add(proxy)
    assert list(d.nodes) == ["_Method"]
    assert d.fingerprint


def test_the_place_is_the_line_of_the_call():
    d = DAG()
    d.add(double, 1)
    line = sys._getframe().f_lineno - 1
    assert d.nodes["double"].place == f"{__file__}:{line}"


@pytest.mark.parametrize("name", ["", 5, b"a", "\ud800", "a\x00b", ["a"]])
def test_names_that_cannot_be(name):
    refused("named by a string|cannot be written|null character", DAG().add, double, 1, name=name)
    refused("named by a string|cannot be written|null character", DAG().ref, name)
    refused("named by a string|cannot be written|null character", DAG, name)


def test_names_with_any_other_character():
    d = DAG("été → 1")
    for name in ("a.b", "a b", "<b>", "$x^$", "日本", "\n", "__class__"):
        d.add(double, 1, name=name)
    assert len(d.check()) == 7


def test_a_name_twice_names_the_other_place():
    d = DAG()
    d.add(double, 1, name="a")
    line = sys._getframe().f_lineno - 1
    error = refused("two nodes are named 'a'", d.add, double, 2, name="a")
    assert f"{__file__}:{line}" in error.problem
    assert len(d) == 1


@pytest.mark.parametrize("fn", [None, 5, "len", [len]])
def test_what_is_not_callable(fn):
    refused("is not callable", DAG().add, fn)


@pytest.mark.parametrize(
    "options",
    [
        {"lock": 5},
        {"lock": [5]},
        {"lock": [""]},
        {"lock": [["a"]]},
        {"lock": "\ud800"},
        {"tags": 5},
        {"tags": [None]},
        {"outputs": 0},
        {"outputs": -1},
        {"outputs": True},
        {"outputs": 2.0},
        {"outputs": "2"},
        {"hint_s": -1},
        {"hint_s": float("nan")},
        {"hint_s": float("inf")},
        {"hint_s": "1"},
        {"hint_s": True},
        {"exclusive": "yes"},
        {"exclusive": 1},
        {"exclusive": 0},
        {"exclusive": None},
        {"lock": 0},
        {"lock": None},
        {"lock": ""},
        {"tags": False},
    ],
    ids=repr,
)
def test_options_that_cannot_be(options):
    def fn(): ...

    refused("named by|cannot be written|outputs is|hint_s is|exclusive is", DAG().add, fn, **options)
    refused("named by|cannot be written|outputs is|hint_s is|exclusive is", node, **options)
    refused("named by|cannot be written|outputs is|hint_s is|exclusive is", node(fn).options, **options)


def test_options_are_sorted_and_once():
    d = DAG()
    d.add(double, 1, lock=["z", "a", "z"], tags=("t", "b"), exclusive=True, outputs=2, hint_s=1)
    d.add(double, 1, lock="matplotlib", tags="slow", name="b")
    assert d.nodes["double"].options == Options(("a", "z"), True, ("b", "t"), 2, 1)
    assert d.nodes["b"].options == Options(("matplotlib",), False, ("slow",))
    assert d.check().locks == (("a", "z"), ("matplotlib",))
    assert d.check().exclusive == (True, False)


@pytest.mark.parametrize("after", [5, [5], [None], [len], object()])
def test_after_takes_results_and_names(after):
    refused("'after' takes results or names", DAG().add, double, 1, after=after)


def test_after_in_every_form():
    d = DAG()
    a, b = d.add(list, name="a"), d.add(list, name="b")
    d.add(double, 1, after=a, name="one")
    d.add(double, 1, after="a", name="named")
    d.add(double, 1, after=[a, "b"], name="two")
    d.add(double, 1, after=(x for x in (a, b)), name="generated")
    d.add(double, 1, after=b[0], name="indexed")
    d.add(double, a, after=[a, "a"], name="both")
    waits = {name: its.depends_on for name, its in d.nodes.items()}
    assert waits == {
        "a": (),
        "b": (),
        "one": ("a",),
        "named": ("a",),
        "two": ("a", "b"),
        "generated": ("a", "b"),
        "indexed": ("b",),
        "both": ("a",),
    }
    refused("'after' takes results", d.add, double, 1, after=[d.input("x")])


def test_forward_references():
    d = DAG()
    d.returns(d.add(double, d.ref("later")["k"], name="first"))
    d.add(dict, kwargs={"k": 4}, name="later")
    assert d() == 8
    assert d.check().order == (1, 0)


def test_a_cycle_through_forward_references_is_named_in_order():
    d = DAG()
    d.add(double, d.ref("c"), name="a")
    line = sys._getframe().f_lineno - 1
    d.add(double, d.ref("a"), name="b")
    d.add(double, 1, after="b", name="c")
    for use in (d.check, d, d.run, d.prepare, lambda: d.fingerprint):
        error = refused("a → b → c → a", use)
        assert error.where == f"{__file__}:{line}"


def test_an_unknown_dependency():
    d = DAG()
    d.add(double, 1, name="fetch")
    d.add(double, d.ref("fetsh"), name="b")
    refused(r"'b' depends on 'fetsh'.*did you mean 'fetch'", d.check)


def test_an_unknown_output():
    d = DAG("news")
    d.add(double, 1, name="fetch")
    d.returns([d.ref("fetsh")])
    with pytest.raises(DescribeError, match=r"returns 'fetsh'.*did you mean 'fetch'") as caught:
        d.check()
    assert caught.value.where == "news"


def test_what_it_returns():
    d = DAG()
    a, b = d.add(double, 1, name="a"), d.input("x")
    d.add(double, a, name="b")
    d.add(double, 5, name="c")
    assert d(0) == {"b": 4, "c": 10}  # nothing said: the last nodes
    d.returns(None)
    assert d(0) is None
    d.returns({"k": [a, 7], "in": b})
    assert d(3) == {"k": [2, 7], "in": 3}
    assert DAG("empty")() == {}


def test_inputs():
    d = DAG("sums")
    d.returns([d.input("a"), d.input("b", 5), d.input("c", None, keyword_only=True)])
    assert d(1) == [1, 5, None]
    assert d(1, 2, c=3) == [1, 2, 3]
    assert d(b=1, a=2) == [2, 1, None]
    assert list(d.inputs) == ["a", "b", "c"]
    refused("needs its input 'a'", d)
    refused("no input 'd'", d, 1, d=2)
    refused("did you mean 'bees'", _with_input("bees"), 1, bess=2)
    refused("twice", d, 1, a=2)
    refused("takes 2 positional inputs \\(a, b\\), got 3", d, 1, 2, 3)
    refused("takes 0 positional inputs \\(none\\), got 1", DAG(), 1)


def _with_input(name):
    d = DAG()
    d.input("x")
    d.input(name, 0)
    return d


@pytest.mark.parametrize("name", ["", "a b", "1", 5, None, "a.b"])
def test_inputs_that_cannot_be(name):
    refused("an input cannot be named", DAG().input, name)


def test_two_inputs_of_one_name():
    d = DAG()
    d.input("x")
    refused("two inputs are named 'x'", d.input, "x")


def test_an_input_and_a_node_may_share_a_name():
    d = DAG()
    d.returns(d.add(double, d.input("x"), name="x"))
    assert d(2) == 4


def test_a_node_function_brings_its_options():
    @node(lock="disk", hint_s=3)
    def load(x):
        return x

    d = DAG()
    d.add(load, 1, lock="net", tags="t", hint_s=1)
    assert d.nodes["load"].options == Options(("disk", "net"), False, ("t",), None, 1)
    assert d.nodes["load"].fn is load.__wrapped__


def test_keyword_arguments_are_named_by_strings():
    refused("named by strings", DAG().add, dict, kwargs={1: 2})


def test_a_dag_grows_after_it_ran():
    d = DAG()
    a = d.add(double, 1)
    assert d() == {"double": 2}
    before = d.fingerprint
    d.add(double, a)
    assert d() == {"double_2": 4}
    assert d.fingerprint != before
    assert len(d.check()) == 2


def test_prepared_is_remembered_until_the_dag_grows():
    d = DAG()
    d.add(double, 1)
    first = d.prepare()
    assert d.prepare() is first
    assert d.prepare(threads=3) is not first
    d.add(double, 2)
    assert d.prepare().program is not first.program


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, float("nan"), "2", 1025])
def test_budgets_that_cannot_be(threads):
    with pytest.raises(OptionError, match="from 1 to 1024"):
        check_threads(threads)
    with pytest.raises(OptionError):
        DAG().prepare(threads=threads)


def test_many_threads_prepare_and_call_at_once():
    d = DAG()
    x = d.input("x")
    d.returns(d.add(sum, [d.add(double, x) for _ in range(20)]))
    start = threading.Barrier(8)
    results, errors = [], []

    def call(threads):
        start.wait()
        try:
            for _ in range(20):
                results.append(d.prepare(threads=threads)(1))
                d.check(), d.fingerprint
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=call, args=(1 + i % 4,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    assert results == [40] * 160


def test_growing_while_others_prepare_leaves_nothing_old_behind():
    d = DAG()
    d.add(double, 1)
    stop = threading.Event()

    def prepare():
        while not stop.is_set():
            d.prepare(threads=1)

    worker = threading.Thread(target=prepare)
    worker.start()
    try:
        for i in range(200):
            d.add(double, i)
            assert len(d.prepare(threads=1).program.calls) == i + 2
            assert len(d.check()) == i + 2
    finally:
        stop.set()
        worker.join()


def test_a_dag_is_true_has_a_length_and_a_short_repr():
    class Loud:
        def __repr__(self):
            raise AssertionError("a value of the user's is printed")

    d = DAG("news")
    assert d
    assert len(d) == 0
    d.add(double, Loud())
    d.input("x", Loud())
    assert repr(d) == "<DAG 'news': 1 nodes>"
    assert repr(d.nodes) == "{'double': <Node 'double'>}"
    assert repr(d.inputs) == "{'x': <DagInput 'x'>}"


def test_a_dag_by_hand_is_not_pickled():
    for again in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="built by hand"):
            again(DAG())


def test_a_dag_may_be_a_node():
    inner = DAG("inner")
    inner.returns(inner.add(double, inner.input("x")))
    d = DAG()
    d.returns(d.add(inner, d.add(double, 1)))
    assert list(d.nodes) == ["double", "inner"]
    assert d() == 4


def test_placeholders_given_to_a_run_are_refused():
    d, other = DAG(), DAG()
    d.input("x")
    refused("given a placeholder", d, other.add(double, 1))


def test_ref_is_the_result():
    d = DAG()
    x = d.add(double, 1)
    assert parts(d.ref("double")) == parts(x)


@given(st.lists(st.tuples(st.sampled_from(["a", "a_2", "a_3", "b"]), st.booleans()), max_size=25))
@settings(deadline=None, max_examples=150)
def test_names_are_unique_and_the_same_every_time(calls):
    def made():
        d = DAG()
        for name, said in calls:

            def fn(): ...

            fn.__name__ = name
            if said and name in d.nodes:
                with pytest.raises(DescribeError, match="two nodes"):
                    d.add(fn, name=name)
            else:
                d.add(fn, name=name if said else None)
        return list(d.nodes)

    names = made()
    assert names == made()
    assert len(set(names)) == len(names)
    for name in names:
        assert name.startswith(("a", "b"))


def test_a_node_function_brings_its_name_and_what_it_waits_for():
    @node
    def load(x):
        return x

    d = DAG()
    first = d.add(double, 1, name="first")
    d.add(load.options(after=[first], name="cover"), 1)
    d.add(load.options(after="first", name="cover"), 1, name="own", after="cover")
    assert d.nodes["cover"].after == ("first",)
    assert d.nodes["own"].after == ("first", "cover")


def _generators():
    def yields():
        yield 1

    async def both():
        yield 1

    class Yields:
        __call__ = yields

        async def method(self):
            yield 1

    kinds = [both, yields, Yields(), Yields().method]
    return kinds + [functools.partial(kind) for kind in kinds]


@pytest.mark.parametrize("fn", _generators(), ids=repr)
def test_generators_are_no_nodes(fn):
    refused("is an? (asynchronous )?generator function", DAG().add, fn)
    refused("@node takes a plain function", node, fn)


def test_a_function_whose_name_cannot_be_written():
    def fn(): ...

    fn.__name__ = "\ud800"
    refused("cannot be written as UTF-8", DAG().add, fn)
    d = DAG()
    d.add(fn, name="said")
    assert d() == {"said": None}


def test_a_default_that_holds_a_result():
    d = DAG()
    x = d.add(double, 1)
    refused("the default of the input 'y' holds a result", d.input, "y", [x])


def test_nested_placeholders_given_to_a_run_are_refused():
    d, other = DAG(), DAG()
    d.input("x")
    refused("given a placeholder", d, [(other.add(double, 1),)])
