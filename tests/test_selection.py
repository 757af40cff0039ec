"""Running a part of a DAG: which nodes run, what they get, what comes back."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError
from tests.ways import Way, chains_of, few_ways, plan_of

pytestmark = pytest.mark.filterwarnings("error")


def news():
    """fetch ─▶ parse ─▶ index ─▶ search; parse ─▶ count ─▶ mail; archive waits for parse."""
    made = DAG("news")
    fetch = made.add(lambda: ["fetch"], name="fetch", tags="io")
    parse = made.add(lambda x: [*x, "parse"], fetch, name="parse")
    index = made.add(lambda x: [*x, "index"], parse, name="index")
    search = made.add(lambda x: [*x, "search"], index, name="search")
    count = made.add(lambda x: [*x, "count"], parse, name="count")
    mail = made.add(lambda x: [*x, "mail"], count, name="mail", tags="io")
    archive = made.add(lambda: ["archive"], name="archive", after=[parse])
    made.returns({"parse": parse, "search": search, "mail": mail, "archive": archive})
    return made


ALL = ["fetch", "parse", "index", "search", "count", "mail", "archive"]


def ran(made, **chosen):
    run = made.run(**chosen)
    names = {node.name for node in run.record.nodes}
    assert names | set(run.record.left_out) == set(made.nodes)
    assert not names & set(run.record.left_out)
    return sorted(names, key=list(made.nodes).index)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({"targets": "index"}, ["fetch", "parse", "index"]),
        ({"targets": ["fetch", "archive"]}, ["fetch", "parse", "archive"]),
        ({"targets": "tag:io"}, ["fetch", "parse", "count", "mail"]),
        ({"targets": []}, []),
        ({"without": "parse"}, ["fetch"]),
        ({"without": ["index", "count"]}, ["fetch", "parse", "archive"]),
        ({"roots": ["fetch"]}, ALL),
        ({"roots": ["archive"]}, ["archive"]),
        ({"targets": "search", "without": "index"}, ["fetch", "parse"]),
        ({"given": {"parse": ["p"]}}, ["index", "search", "count", "mail", "archive"]),
        ({"given": {"count": ["c"]}}, ["fetch", "parse", "index", "search", "mail", "archive"]),
        ({"given": {"parse": ["p"]}, "targets": "mail"}, ["count", "mail"]),
        ({"given": {"parse": ["p"]}, "roots": "count"}, ["count", "mail"]),
        (
            {"given": {"parse": ["p"]}, "roots": "parse", "without": "mail"},
            ["index", "search", "count", "archive"],
        ),
        ({"given": {"parse": ["p"]}, "targets": "parse"}, []),
        ({"given": {name: [name] for name in ALL}}, []),
    ],
)
def test_what_runs(chosen, wanted):
    assert ran(news(), **chosen) == wanted


@few_ways
def test_what_comes_back(way: Way):
    made = news()
    fast = way.prepare(made, targets=["count", "archive"], given={"fetch": ["given"]})
    for _ in range(2):
        assert way.call(fast) == {
            "parse": ["given", "parse"],
            "search": None,
            "mail": None,
            "archive": ["archive"],
        }
        assert fast.run().values == {"count": ["given", "parse", "count"], "archive": ["archive"]}
    kept = ["kept"]
    fast = way.prepare(made, given={"parse": kept})
    got = way.call(fast)
    assert got["parse"] is kept
    assert got["mail"] == ["kept", "count", "mail"]


def test_values_are_of_the_targets_in_their_order_given_ones_too():
    run = news().run(targets=["mail", "fetch", "mail"], given={"parse": ["p"]}, threads=1)
    assert list(run.values) == ["mail", "fetch"]
    assert run.values == {"mail": ["p", "count", "mail"], "fetch": ["fetch"]}
    run = news().run(targets="parse", given={"parse": ["p"]})
    assert run.values == {"parse": ["p"]}
    assert news().run().values == {}


def test_a_skipped_target_is_none():
    made = DAG()
    made.add(int, name="it", when=False)
    assert made.run(targets="it").values == {"it": None}


def test_given_results_are_indexed_unpacked_and_nested_as_others_are():
    made = DAG()
    a, b = made.add(lambda: pytest.fail("it ran"), name="two", outputs=2)
    made.returns([made.add(lambda *x: x, a, [{"k": b}]), b, made.ref("two")])
    two = (1, 2)
    assert made.run(given={"two": two}).result == [(1, [{"k": 2}]), 2, two]
    with pytest.raises(ValueError, match="'two' returned 3 values, 2 were unpacked"):
        made.run(given={"two": (1, 2, 3)})


def test_given_results_meet_conditions():
    made = DAG()
    flag = made.add(lambda: pytest.fail("it ran"), name="flag")
    made.returns(made.add(lambda: "ran", when=flag, name="it"))
    assert made.run(given={"flag": 1}).result == "ran"
    assert made.run(given={"flag": 0}).result is None


@pytest.mark.parametrize(
    ("chosen", "match", "where"),
    [
        ({"targets": ["indx"]}, "has no node 'indx' .did you mean 'index'", "targets"),
        ({"roots": ["x"]}, "'news' has no node 'x'", "roots"),
        ({"without": ["fetsh"]}, "did you mean 'fetch'", "without"),
        ({"given": {"parze": 1}}, "did you mean 'parse'", "given"),
        ({"targets": ["tag:oi"]}, "no node of 'news' has the tag 'oi' .tags: io", "targets"),
        ({"roots": ["count"]}, "'count' would run, but takes the result of 'parse'", "roots"),
        ({"given": {"parse": 1}, "without": ["parse"]}, "'parse' is both given and left out", "given"),
        ({"given": {"parse": iter([])}}, "can be read once only", "given"),
        ({"targets": ["mail", "parse"], "without": "parse"}, "'parse' is asked for, and left out", "targets"),
        ({"roots": "tag:io", "without": ["tag:io"]}, "'tag:io' is asked for, and left out", "roots"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(chosen, match, where):
    made = news()
    with pytest.raises(OptionError, match=match) as caught:
        made.run(**chosen)
    assert caught.value.where == where


def test_a_name_that_looks_like_a_tag_is_a_name():
    made = DAG()
    made.add(int, name="tag:io")
    made.add(int, name="other", tags="io")
    assert ran(made, targets="tag:io") == ["tag:io"]


def test_set_up_nodes_that_are_needed_run_with_roots():
    made = DAG()
    base = made.add(lambda: 1, name="base", setup=True)
    model = made.add(lambda x: x + 1, base, name="model", setup=True)
    made.add(lambda: 1, name="unused", setup=True)
    data = made.add(lambda: 10, name="data")
    made.returns(made.add(lambda x, y: x + y, model, data, name="apply"))
    assert ran(made, roots=["data"]) == ["base", "model", "data", "apply"]
    assert made.run(roots=["data"]).result == 12
    assert ran(made, roots=["data"], given={"model": 5}) == ["data", "apply"]


def test_what_is_returned_is_needed_though_only_a_given_result_took_it():
    made = DAG()
    raw = made.add(lambda: "raw", name="raw")
    parsed = made.add(lambda x: x, raw, name="parsed")
    last = made.add(lambda x: x, parsed, name="last")
    made.returns([raw, last])
    assert ran(made, given={"parsed": 1}) == ["raw", "last"]
    assert ran(made, given={"last": 1}) == ["raw"]
    made.returns(last)
    assert ran(made, given={"parsed": 1}) == ["last"]
    assert ran(made, given={"parsed": 1}, roots=["raw"]) == ["raw", "last"]


def test_what_is_left_out_does_not_make_runs_slower():
    made = DAG()
    made.add(int, name="locked", lock="x")
    made.add(int, name="alone", exclusive=True)
    made.add(int, name="caller", mode="caller")
    made.add(int, name="plain")
    assert not made.prepare(threads=2).rules.plain
    rules = made.prepare(threads=2, targets=["plain"]).rules
    assert rules.plain
    assert not rules.callers


def test_who_only_waits_for_what_does_not_run_does_not_wait():
    made = DAG()
    first = made.add(lambda: 1, name="first")
    middle = made.add(lambda x: x, first, name="middle")
    made.returns(made.add(lambda: "last", name="last", after=[middle]))
    assert ran(made, roots=["last"]) == ["last"]
    assert ran(made, given={"middle": 1}) == ["last"]


def test_results_that_nobody_takes_any_more_are_dropped():
    class Thing:
        pass

    seen = []

    def make():
        thing = Thing()
        seen.append(weakref.ref(thing))
        return thing

    def look(_):
        gc.collect()
        return seen[0]() is None

    made = DAG()
    thing = made.add(make, name="make")
    made.add(id, thing, name="left out")
    used = made.add(bool, thing, name="used")
    made.returns(made.add(look, used, name="look"))
    assert made.run(without=["left out"], threads=1).result


def test_a_plan_is_kept_with_its_ranks_locks_groups_and_chains():
    order = []

    def note(name):
        return lambda *_: order.append(name)

    made = DAG()
    for k in range(6):
        made.add(note(f"n{k}"), name=f"n{k}", lock="shared")
    first = made.add(note("c0"), name="c0")
    second = made.add(note("c1"), first, name="c1")
    third = made.add(note("c2"), second, name="c2")
    made.add(note("c3"), third, name="c3")
    plan = plan_of(made, 2, chains=chains_of(made.check()), ranks=[5, 4, 3, 2, 1, 0, 6, 7, 8, 9])
    fast = made.prepare(plan, without=["n1", "n3"], given={"c1": None})
    fast()
    assert [name for name in order if name[0] == "n"] == ["n5", "n4", "n2", "n0"]
    assert [name for name in order if name[0] == "c"] == ["c2", "c3"]


# -- any part of any DAG, against the rule said in another way ----------------------------------------------


@st.composite
def parts_of_dags(draw):
    n = draw(st.integers(1, 7))
    takes = [[p for p in range(i) if draw(st.integers(0, 3)) == 0] for i in range(n)]
    waits = [[p for p in range(i) if draw(st.integers(0, 5)) == 0] for i in range(n)]
    numbers = st.lists(st.integers(0, n - 1), max_size=2, unique=True)
    return (
        takes,
        waits,
        draw(numbers),  # returned
        draw(st.none() | numbers),
        draw(st.none() | numbers),
        draw(numbers),
        draw(numbers),
    )


def rule(takes, waits, returned, targets, roots, without, values):
    """Return what runs, or None when that is refused."""
    n = len(takes)
    before = [set(takes[i]) | set(waits[i]) for i in range(n)]

    def depends(i, on):
        return i == on or any(depends(p, on) for p in before[i])

    def leads(i, to):
        """Whether a target needs it, by a way on which no result is given."""
        return i == to or any(i in before[j] and j not in values and leads(j, to) for j in range(n))

    def wanted(i):
        later = [j for j in range(n) if i in before[j]]
        if not later or i in returned or i in (roots or ()):
            return True
        return any(j not in values and wanted(j) for j in later)

    running = set()
    for i in range(n):
        needed = wanted(i) if targets is None else any(leads(i, to) for to in targets)
        below = roots is None or any(depends(i, root) for root in roots)
        gone = i in values or any(depends(i, out) for out in without)
        if needed and below and not gone:
            running.add(i)
    if any(p not in running and p not in values for i in running for p in takes[i]):
        return None
    return running


@given(parts_of_dags(), st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=200)
def test_any_part_of_any_dag(part, threads):
    takes, waits, returned, targets, roots, without, values = part
    assume(not set(without) & {*values, *(targets or ()), *(roots or ())})
    made = DAG("drawn")

    def function(i):
        return lambda *args: (f"n{i}", args)

    results = []
    for i, some in enumerate(takes):
        results.append(
            made.add(
                function(i), *(results[p] for p in some), name=f"n{i}", after=[results[p] for p in waits[i]]
            )
        )
    made.returns({f"n{i}": results[i] for i in returned})
    running = rule(*part)
    chosen = {
        "targets": None if targets is None else [f"n{i}" for i in targets],
        "roots": None if roots is None else [f"n{i}" for i in roots],
        "without": [f"n{i}" for i in without],
        "given": {f"n{i}": f"given {i}" for i in values},
    }
    if running is None:
        with pytest.raises(OptionError, match="would run, but takes the result of"):
            Way(threads).prepare(made, **chosen)
        return
    made_of = {i: f"given {i}" for i in values}
    for i in sorted(running):
        made_of[i] = (f"n{i}", tuple(made_of[p] for p in takes[i]))
    for way in (Way(threads), Way(threads, "locks", "chains")):
        fast = way.prepare(made, **chosen)
        wanted = {f"n{i}": made_of.get(i) for i in returned}
        assert fast() == wanted
        run = fast.run()
        assert run.result == wanted
        assert run.values == {f"n{i}": made_of.get(i) for i in targets or ()}
        assert {node.name for node in run.record.nodes} == {f"n{i}" for i in running}
        assert set(run.record.left_out) == set(made.nodes) - {f"n{i}" for i in running}
