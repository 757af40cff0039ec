"""``@node`` and ``@dag``: what a description records, and what it refuses."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
import typing
from typing import NamedTuple

import pytest

from makespan import DAG, DescribeError, NodeFunction, dag, node
from makespan.describing.arguments import Ref
from makespan.describing.returned import outputs_of


@node
def fetch(url: str, retries: int = 3) -> str:
    """Fetch a page."""
    return f"page of {url} ({retries})"


@node(lock="matplotlib", tags=["slow", "picture"])
def render(page: str) -> str:
    return f"picture of {page}"


@node
def split(page: str) -> tuple[str, str]:
    head, _, tail = page.partition(" ")
    return head, tail


@node
def both(*pages, **named):
    return pages, named


@dag
def sub(page):
    return render(page)


@dag
def news(url: str):
    """Fetch and render."""
    return render(fetch(url))


def names(made):
    return list(made.nodes)


def refused(match, call, *args, **kwargs):
    with pytest.raises(DescribeError, match=match) as caught:
        call(*args, **kwargs)
    assert (caught.value.where or "").startswith(__file__), caught.value.where
    return caught.value


# -- what is recorded ---------------------------------------------------------------------------------------


def test_nothing_runs_while_it_is_described():
    ran = []

    @node
    def work(x):
        ran.append(x)
        return x + 1

    @dag
    def d(x):
        return work(work(x))

    assert names(d) == ["work", "work_2"]
    assert ran == []
    assert d(1) == 3
    assert ran == [1, 2]


def test_the_description_is_called_once_at_first_use():
    calls = []

    @dag
    def d(x):
        calls.append(x)
        return fetch(x)

    assert repr(d) == "<DAG 'd', not described yet>"
    assert calls == []
    d("a"), d("b"), d.check(), d.nodes, d.fingerprint
    assert len(calls) == 1
    assert repr(d) == "<DAG 'd': 1 nodes>"


def test_a_node_outside_a_dag_is_its_function():
    assert fetch("u") == "page of u (3)"
    assert fetch("u", retries=1) == "page of u (1)"
    assert both([1], k={2}) == (([1],), {"k": {2}})
    with pytest.raises(TypeError):
        fetch()


def test_defaults_keywords_and_constants():
    constant = object()

    @dag
    def d(a, b=2, *, c, e=5):
        return both(a, b, constant, c=c, e=e), fetch(a), fetch(url=b, retries=e)

    assert d(1, c=3) == (((1, 2, constant), {"c": 3, "e": 5}), "page of 1 (3)", "page of 2 (5)")
    assert d(1, 9, c=3, e=4)[0] == ((1, 9, constant), {"c": 3, "e": 4})
    assert d(a=1, c=3, b=0)[0][0] == (1, 0, constant)
    refused("takes 2 positional inputs", d, 1, 2, 3)
    refused("needs its input 'c'", d, 1)
    refused("no input 'x'", d, 1, c=1, x=1)


def test_a_default_is_the_very_object():
    default: dict = {}

    @dag
    def d(x=default):
        return both([x], x)

    ((listed, plain), _) = d()
    assert listed[0] is default
    assert plain is default


def test_inputs_in_every_kind_of_parameter():
    @dag
    def d(a, /, b, c=3, *, k, m=5):
        return both(a, b, c, k=k, m=m)

    assert [(i.name, i.keyword_only) for i in d.inputs.values()] == [
        ("a", False),
        ("b", False),
        ("c", False),
        ("k", True),
        ("m", True),
    ]
    assert d(1, 2, k=4) == ((1, 2, 3), {"k": 4, "m": 5})


def test_indexing_and_unpacking():
    @node
    def parse(page):
        return {"k": [page, 2], 5: ("x", "y")}

    @dag
    def d(url):
        parsed = parse(url)
        head, tail = split(parsed["k"][0])
        return both(parsed["k"][0], [parsed[5][1]], head=head), tail, parsed["k"][-1]

    assert d("a b") == ((("a b", ["y"]), {"head": "a"}), "b", 2)


def test_results_in_nested_returns():
    @dag
    def d(url):
        page = fetch(url)
        return {"pages": [page, (render(page), 5)], "url": url}

    assert d("u") == {"pages": ["page of u (3)", ("picture of page of u (3)", 5)], "url": "u"}


def test_a_description_that_returns_nothing_returns_none_and_runs_all():
    ran = []

    @node
    def store(x):
        ran.append(x)

    @dag
    def d(x):
        store(x)
        store(x)

    assert d(4) is None
    assert ran == [4, 4]


def test_stable_names_and_places():
    @dag
    def d(url):
        return [render(fetch(url)) for url in (url, "b", "c")]

    assert names(d) == ["fetch", "render", "fetch_2", "render_2", "fetch_3", "render_3"]
    line = inspect.getsourcelines(d.__wrapped__)[1] + 2
    assert {its.place for its in d.nodes.values()} == {f"{__file__}:{line}"}


def test_names_that_collide_with_functions_of_numbered_names():
    @node
    def render_2(x): ...

    @dag
    def d(x):
        return [render(x), render_2(x), render(x), render_2(x), render(x)]

    assert names(d) == ["render", "render_2", "render_3", "render_2_2", "render_4"]


def test_options_of_the_decorator_and_of_the_call():
    @dag
    def d(x):
        first = fetch.options(name="first", lock="net", hint_s=2)(x)
        second = render.options(after=first, tags="cover").options(exclusive=True, name="second")("p")
        return both.options(after=["first"]).options(after=[second])(), fetch(x)

    nodes = d.nodes
    assert names(d) == ["first", "second", "both", "fetch"]
    assert nodes["first"].options.locks == ("net",)
    assert nodes["first"].options.hint_s == 2
    assert nodes["second"].options.locks == ("matplotlib",)
    assert nodes["second"].options.tags == ("cover", "picture", "slow")
    assert nodes["second"].options.exclusive
    assert nodes["second"].after == ("first",)
    assert nodes["both"].after == ("first", "second")
    assert nodes["fetch"].options.locks == ()  # the options are of that call alone
    assert not render.__makespan_node__[1].exclusive
    refused("'after' takes", fetch.options, after=5)


def test_two_nodes_of_one_name_in_a_description():
    @dag
    def d(x):
        fetch.options(name="a")(x)
        render.options(name="a")(x)

    refused("two nodes are named 'a'", d.check)


def test_a_node_over_a_node_adds_options():
    more = node(lock="net")(render)
    assert more.__makespan_node__[1].locks == ("matplotlib", "net")
    assert more.__makespan_node__[0] is render.__makespan_node__[0]


# -- sub-DAGs -----------------------------------------------------------------------------------------------


def test_a_sub_dag_used_more_than_once():
    @dag
    def d(a, b):
        return sub(a), render(b), sub(page=b)

    assert names(d) == ["sub.render", "render", "sub_2.render"]
    assert d("a", "b") == ("picture of a", "picture of b", "picture of b")
    assert names(sub) == ["render"]


def test_sub_dags_within_sub_dags():
    @dag
    def middle(x, *, y=0):
        return sub(x), [sub(y)], render(x)

    @dag
    def d(x):
        return middle(x), middle(x, y=x)

    assert names(d) == [
        "middle.sub.render",
        "middle.sub_2.render",
        "middle.render",
        "middle_2.sub.render",
        "middle_2.sub_2.render",
        "middle_2.render",
    ]
    one, zero = "picture of 1", "picture of 0"
    assert d(1) == ((one, [zero], one), (one, [one], one))


def test_sub_dags_whose_names_collide():
    def made(name):
        @dag(name=name)
        def inner(x):
            return fetch.options(name="same")(x)

        return inner

    first, second = made("sub"), made("sub_2")

    @dag
    def d(x):
        return [second(x), first(x), first(x), second(x)]

    assert names(d) == ["sub_2.same", "sub.same", "sub_3.same", "sub_2_2.same"]


def test_a_sub_dag_built_by_hand():
    inner = DAG("hand")
    x, y = inner.input("x"), inner.input("y", 7, keyword_only=True)
    late = inner.add(max, inner.ref("made")["k"], [x, 0][0], name="top", lock="l")
    inner.add(dict, kwargs={"k": y, "n": [x, {"d": x}]}, name="made", tags="t")
    inner.add(len, "abc", after=["top"], name="last")
    inner.returns({"top": late, "all": [inner.ref("made"), 1], "x": x})

    @dag
    def d(a):
        return inner(a), inner(3, y=fetch(a)), inner({"deep": 1}["deep"])["x"]

    assert names(d)[:3] == ["hand.made", "hand.top", "hand.last"]
    assert "hand_2.top" in names(d)
    assert "hand_3.made" in names(d)
    assert d.nodes["hand.top"].options.locks == ("l",)
    assert d.nodes["hand.made"].options.tags == ("t",)
    assert d.nodes["hand_2.last"].depends_on == ("hand_2.top",)
    assert d.nodes["hand_2.made"].depends_on == ("fetch",)


def test_a_sub_dag_built_by_hand_gives_what_it_gives_alone():
    inner = DAG("hand")
    x = inner.input("x")
    inner.add(both, [x], name="one")
    inner.add(both, x, {"k": inner.ref("one")[0]}, name="two")
    inner.add(both, x["k"], name="three")

    @dag
    def d(a):
        return inner(a), inner({"k": a})

    value = {"k": 5}
    assert d(value) == (inner(value), inner({"k": value}))


def test_a_sub_dag_built_by_hand_has_its_own_faults():
    inner = DAG("hand")
    inner.add(len, inner.ref("b"), name="a")
    inner.add(len, inner.ref("a"), name="b")

    @dag
    def d():
        return inner()

    refused("a → b → a", d.check)


def test_sub_dags_are_checked_at_the_call():
    @dag
    def d(x):
        return sub(x, x)

    line = inspect.getsourcelines(d.__wrapped__)[1] + 2
    assert refused("takes 1 positional input", d.check).where == f"{__file__}:{line}"

    @dag
    def e(x):
        return sub()

    refused("'sub' needs its input 'page'", e.check)


def test_a_dag_that_calls_itself():
    @dag
    def direct(x):
        return direct(fetch(x))

    @dag
    def ping(x):
        return pong(fetch(x))

    @dag
    def pong(x):
        return ping(x)

    @dag
    def outer(x):
        return ping(x)

    refused("'direct' calls itself: 'direct' → 'direct'", direct.check)
    refused("'ping' → 'pong' → 'ping'", ping.check)
    refused("'outer' → 'ping' → 'pong' → 'ping'", outer.check)


# -- what is refused ----------------------------------------------------------------------------------------


def test_a_description_that_raises_leaves_nothing_and_works_at_the_next_try():
    tries = []

    @dag
    def d(x):
        tries.append(x)
        page = fetch(sub(x))
        if len(tries) < 3:
            raise RuntimeError("the user's own")
        return page

    for _ in range(2):
        with pytest.raises(RuntimeError, match="own"):
            d("u")
    assert names(d) == ["sub.render", "fetch"]
    assert d("u") == "page of picture of u (3)"


def test_a_failed_check_can_be_repeated():
    @dag
    def d(x):
        return [fetch(x), {x: 1}]

    for _ in range(2):
        refused("a key or a member of a set", d.check)
        refused("a key or a member of a set", d, 1)


def test_misuse_in_a_description_names_the_line():
    @dag
    def d(url):
        page = fetch(url)
        return render(page) if page else page

    line = inspect.getsourcelines(d.__wrapped__)[1] + 3
    assert refused("the result of 'fetch'.*tested for truth.*when=", d, "u").where == f"{__file__}:{line}"

    @dag
    def e(url):
        return fetch("http://" + url)

    refused("the input 'url'.*computed with", e, "u")


def test_a_description_without_nodes():
    @dag
    def d(x):
        return x

    refused("calls no node", d, 1)


def test_results_of_another_dag():
    kept = []

    @dag
    def first(x):
        kept.append(fetch(x))
        return kept[0]

    @dag
    def second(x):
        return render(kept[0])

    first.check()
    refused("belongs to another DAG", second.check)

    @dag
    def third(x):
        fetch(x)
        return kept

    assert refused("belongs to another DAG", third.check).where.endswith(
        f":{inspect.getsourcelines(third.__wrapped__)[1]}"
    )


def test_a_result_outside_of_any_description():
    x = DAG().add(len, "abc")
    refused("'fetch' got the result of 'len', but no DAG is being described", fetch, x)
    refused("no DAG is being described", fetch, "u", retries=x)


@pytest.mark.parametrize("what", ["name", 5, None, [], classmethod(lambda cls: 1)], ids=repr)
def test_what_is_no_function(what):
    if what is not None:
        refused("@node takes a plain function", node, what)
        refused("@dag takes a plain function", dag, what)
    refused("@node takes a plain function", node(lock="a"), what)
    refused("@dag takes a plain function", dag(name="a"), what)


def test_functions_that_cannot_be_a_dag():
    async def waits(x): ...

    def yields(x):
        yield x

    for wrong in (waits, yields, len, functools.partial(yields), fetch, news, dict):
        refused("@dag takes a plain function", dag, wrong)
    refused("takes \\*args or \\*\\*kwargs", dag, lambda *args: 1)
    refused("takes \\*args or \\*\\*kwargs", dag, lambda **kwargs: 1)
    refused("a DAG is named by a string", dag(name=""), lambda x: 1)


def test_functions_that_cannot_be_a_node():
    async def waits(x):
        yield x

    refused("@node takes a plain function, not .*waits", node, waits)


def test_a_described_dag_is_not_added_to():
    refused("described by a function", news.add, len, "abc")
    refused("described by a function", news.input, "x")
    refused("described by a function", news.returns, 1)
    assert news.ref("fetch") is not None


def test_a_dag_asked_for_its_nodes_while_it_is_described():
    @dag
    def d(x):
        fetch(x)
        return len(d)

    refused("while it is being described", d.check)


def test_a_dag_that_runs_while_another_is_described():
    @dag
    def d(x):
        return fetch(sub.run("p").result)

    refused("'sub' cannot run while a DAG is being described", d.check)

    prepared = sub.prepare()

    @dag
    def e(x):
        return fetch(prepared("p"))

    refused("cannot run while", e.check)


# -- threads and contexts -----------------------------------------------------------------------------------


def test_many_threads_describe_one_dag():
    calls = []
    start = threading.Barrier(8)

    @dag
    def d(x):
        calls.append(threading.get_ident())
        return [render(fetch(x)) for _ in range(50)]

    found, errors = [], []

    def use():
        start.wait()
        try:
            found.append((names(d), d.fingerprint, d("u")))
        except BaseException as error:
            errors.append(error)

    _together(use)
    assert not errors
    assert len(calls) == 1
    assert all(one == found[0] for one in found)
    assert len(found[0][0]) == 100


def test_many_threads_describe_many_dags():
    start = threading.Barrier(8)
    found, errors = {}, []

    def use():
        me = threading.get_ident()
        try:
            start.wait()
            for _ in range(20):

                @dag
                def d(x):
                    return [sub(fetch(x)) for _ in range(10)]

                found.setdefault(tuple(names(d)), set()).add(me)
                assert fetch("u") == "page of u (3)"  # outside: the plain function
        except BaseException as error:
            errors.append(error)

    _together(use)
    assert not errors
    assert len(found) == 1
    assert len(next(iter(found.values()))) == 8


def test_another_thread_does_not_see_the_description():
    seen = []

    @dag
    def d(x):
        thread = threading.Thread(target=lambda: seen.append(fetch("u")))
        thread.start()
        thread.join()
        return fetch(x)

    assert names(d) == ["fetch"]
    assert seen == ["page of u (3)"]


def test_a_copied_context_does_see_it_and_a_coroutine_describes():
    @dag
    def d(x):
        return contextvars.copy_context().run(fetch, x)

    async def use():
        return names(d), d("u")

    assert asyncio.run(use()) == (["fetch"], "page of u (3)")


def test_a_node_may_describe_and_run_a_dag():
    @node
    def work(x):
        @dag
        def inner(y):
            return render(fetch(y))

        return inner(x), fetch("plain")

    @dag
    def d(x):
        return work(x)

    assert names(d) == ["work"]
    assert d("u") == ("picture of page of u (3)", "page of plain (3)")


def _together(use, n=8):
    workers = [threading.Thread(target=use) for _ in range(n)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


# -- functions of every kind --------------------------------------------------------------------------------


class Shop:
    def __init__(self, prefix):
        self.prefix = prefix

    @node
    def price(self, x):
        return f"{self.prefix}{x}"

    @node(lock="till")
    def sell(self, x):
        return f"sold {x} at {self.prefix}"

    @staticmethod
    @node
    def tax(x):
        return f"tax {x}"

    @classmethod
    @node
    def name(cls, x):
        return f"{cls.__name__} {x}"

    size = node(len)


def test_methods_are_nodes():
    shop = Shop("€")

    @dag
    def d(x):
        return [
            shop.sell(shop.price(x)),
            Shop.price(shop, x),
            Shop.tax(x),
            Shop.name(x),
            Shop.size(x),
            shop.size(x),
            shop.sell.options(name="other")(x),
        ]

    assert shop.price(3) == "€3"
    assert names(d) == ["price", "sell", "price_2", "tax", "name", "len", "len_2", "other"]
    assert d.nodes["sell"].options.locks == ("till",)
    assert d("5") == ["sold €5 at €", "€5", "tax 5", "Shop 5", 1, 1, "sold 5 at €"]
    assert d.nodes["price"].args == (Ref("x", is_input=True),)  # self is bound, no argument


def test_a_method_may_be_described():
    class Pipeline:
        def __init__(self, mark):
            self.mark = mark

        def flow(self, x, y=2):
            return both(x, y, self.mark)

    d = dag(Pipeline("!").flow)
    assert list(d.inputs) == ["x", "y"]
    assert d(1) == ((1, 2, "!"), {})


def test_partials_lambdas_builtins_and_classes():
    class Page:
        size = 3

        def __init__(self, text, **more):
            self.text = text

        def options(self):
            return "the page's own"

    calls = [
        node(functools.partial(pow, 2)),
        node(lambda x: x + 1),
        node(abs),
        node(Page),
        node("{}!".format),
    ]

    @dag
    def d(x):
        return [call(x) for call in calls]

    assert names(d) == ["pow", "function", "abs", "Page", "format"]
    two, four, one, page, text = d(3)
    assert (two, four, one, page.text, text) == (8, 4, 3, 3, "3!")
    assert isinstance(calls[3].options(name="p"), NodeFunction)  # nothing of the class shadows a method


def test_a_node_shows_its_function():
    assert fetch.__name__ == "fetch"
    assert fetch.__doc__ == "Fetch a page."
    assert fetch.__module__ == __name__
    assert list(inspect.signature(fetch).parameters) == ["url", "retries"]
    assert typing.get_type_hints(fetch)["url"] is str
    assert repr(fetch) == "<node fetch>"
    assert news.__name__ == news.name == "news"
    assert news.__doc__ == "Fetch and render."
    assert list(inspect.signature(news).parameters) == ["url"]
    cached = node(functools.lru_cache(lambda x: x))
    cached(1), cached(1)
    assert cached.cache_info().hits == 1
    with pytest.raises(AttributeError):
        fetch.nothing  # noqa: B018


@node
def picklable(x):
    return x


@dag
def picklable_dag(x):
    return picklable(x)


def test_nodes_and_dags_are_pickled_by_reference(monkeypatch):
    # Tests are not imported under a name that pickle finds: lend them one.
    module = type(sys)("pickle_home")
    module.picklable, module.picklable_dag = picklable, picklable_dag
    monkeypatch.setitem(sys.modules, "pickle_home", module)
    monkeypatch.setattr(picklable, "__module__", "pickle_home")
    monkeypatch.setattr(picklable_dag, "__module__", "pickle_home")
    for one in (picklable, picklable_dag):
        assert pickle.loads(pickle.dumps(one)) is one
        assert copy.copy(one) is one
        assert copy.deepcopy([one])[0] is one
    with pytest.raises(pickle.PicklingError):  # one call's options are in no module
        pickle.dumps(picklable.options(name="other"))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(node(functools.partial(pow, 2)))


# -- how many values ----------------------------------------------------------------------------------------


class Two(NamedTuple):
    a: int
    b: str


def test_outputs_from_the_annotation():
    def strings(said):
        def fn(): ...

        fn.__annotations__ = {"return": said}
        return outputs_of(fn)

    for said, count in {
        "tuple[int, str]": 2,
        "tuple[int, dict[str, tuple[int, int]], list[int]]": 3,
        "typing.Tuple[int, str]": 2,
        "tuple[int]": 1,
        "'tuple[int, int]'": 2,
        "tuple[int, int,]": 2,
        "tuple[Callable[[int, str], int], int]": 2,
        "tuple[int, ...]": None,
        "tuple[()]": None,
        "tuple": None,
        "int": None,
        "list[tuple[int, int]]": None,
        "Two": 2,
        "Unknown": None,
    }.items():
        assert strings(said) == count, said
    assert strings(tuple[int, str]) == 2
    assert strings(tuple[int, ...]) is None
    assert strings(tuple[()]) is None
    assert strings(Two) == 2
    assert strings(None) is None
    assert outputs_of(len) is None
    assert outputs_of(functools.partial(split.__wrapped__)) == 2
    assert outputs_of(5) is None


def test_annotations_that_cannot_be_had():
    class Late:
        @property
        def __annotations__(self):
            raise NameError("not there yet")

        def __call__(self): ...

    assert outputs_of(Late()) is None


def test_outputs_said_in_the_decorator_and_the_call():
    @node(outputs=3)
    def three(x) -> tuple[int, ...]:
        return x, x, x

    @node
    def pair(x) -> Two:
        return Two(x, "b")

    @dag
    def d(x):
        a, _, c = three(x)
        e, f = both.options(outputs=2)(x)
        g, h = pair(x)
        return [a, c, e, f, g, h]

    assert d(1) == [1, 1, (1,), {}, 1, "b"]


def test_places_are_of_the_module_that_describes():
    assert os.path.samefile(news.nodes["fetch"].place.rpartition(":")[0], __file__)


# -- cost ---------------------------------------------------------------------------------------------------


def _calls(work):
    """Count the calls of functions, Python's and C's: a cost that is the same on every machine."""
    count = 0

    def tally(_, event, __):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("shape", ["chain", "fan", "lists", "sub"])
def test_describing_is_linear(shape):
    def describe(n):
        @dag
        def d(x):
            if shape == "chain":
                for _ in range(n):
                    x = fetch(x)
                return x
            if shape == "sub":
                return [sub(x) for _ in range(n)]
            pages = [fetch(x) for _ in range(n - 1)]
            return both(pages) if shape == "lists" else both(*pages)

        d.prepare(threads=1)
        assert d.fingerprint
        assert len(d) == n

    small, large = (_calls(lambda n=n: describe(n)) / n for n in (200, 2000))
    assert large < 1.2 * small


def test_the_benchmark_prints_its_rows():
    root = os.path.dirname(os.path.dirname(__file__))
    command = [sys.executable, "benchmarks/describe.py", "--json", "--sizes", "50", "--repeats", "1"]
    command += ["--libraries", "makespan,makespan DAG.add,makespan ready to plan,graphlib"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert len(rows) == 8
    assert all(row.keys() == {"case", "n", "library", "seconds"} and row["seconds"] > 0 for row in rows)


def test_a_name_in_after_is_one_of_the_sub_dag():
    @node
    def clean(): ...

    @dag
    def rooms(page):
        clean()
        return render.options(after="clean")(page)

    @dag
    def d(page):
        clean()
        return rooms(page), rooms(page)

    assert d.nodes["rooms.render"].after == ("rooms.clean",)
    assert d.nodes["rooms_2.render"].after == ("rooms_2.clean",)


def test_an_input_of_a_sub_dag_built_by_hand_that_cannot_be_indexed():
    inner = DAG("hand")
    inner.add(both, inner.input("x")["k"])

    @dag
    def d(a):
        fetch(a)
        return inner({"other": 1})

    refused("the input 'x' of 'hand' cannot be indexed by 'k' \\(KeyError\\)", d.check)


def test_nested_results_outside_of_any_description():
    x = DAG().add(len, "abc")
    refused("'both' got the result of 'len', but no DAG is being described", both, [{"k": (x,)}])


def test_a_parameter_called_self():
    @node
    def show(self):
        return self

    assert show(self=1) == 1

    @dag
    def d(self):
        return show(self=self)

    assert d.run(1).result == d(1) == 1


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("tuple[int,str]|tuple[int,str,int]", None),
        ("tuple[int, *Ts]", None),
        ("tuple[int, Literal['],'], dict[str, int]]", 3),
        ("tuple['A', 'B']", 2),
        (tuple[int, *tuple[str, ...]], None),
    ],
)
def test_counts_of_unusual_annotations(said, count):
    def fn(): ...

    fn.__annotations__["return"] = said
    assert outputs_of(fn) == count
