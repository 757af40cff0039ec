"""Hints: how they are written, what figures they give, and which nodes do not run because of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import dag, node
from makespan.errors import DescribeError, OptionError, ProfileError
from makespan.profile import parse_profile
from makespan_optimizer.measure.hints import SPLITS, Hint, hinted, parse_hint
from makespan_optimizer.measure.isolate import profile
from makespan_optimizer.measure.scope import scope_of


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("0.5s:io", Hint(0.5, "io")),
        ("20ms", Hint(0.02)),
        (" 3 us : native ", Hint(3e-6, "native")),
        ("5µs", Hint(5e-6)),
        ("7ns:holds", Hint(7e-9, "holds")),
        ("2min:Python", Hint(120.0, "python")),
        ("1.5", Hint(1.5)),
        (".5", Hint(0.5)),
        ("1e-3s", Hint(1e-3)),
        (0.25, Hint(0.25)),
        (0, Hint(0.0)),
        ("1s:parallel", Hint(1.0, "parallel", 2.0)),
        ("1s:parallel(x4)", Hint(1.0, "parallel", 4.0)),
        ("1s:parallelx2.5", Hint(1.0, "parallel", 2.5)),
    ],
)
def test_what_can_be_said(said, hint):
    found = parse_hint(said, "a")
    assert found.wall_s == pytest.approx(hint.wall_s)
    assert found[1:] == hint[1:]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "'' is not a duration"),
        ("fast", "'fast' is not a duration"),
        ("-1s", "'-1s' is not a duration"),
        ("1parsec", "'parsec' is not a unit"),
        ("1s:pyton", "'pyton' is not a class .did you mean 'python'"),
        ("1s:", "'' is not a class"),
        ("1s:parallel(x0)", "0 is not a number of cores"),
        ("1s:parallel(x1.2.3)", "is not a number of cores"),
        ("1e300s", "is not a duration from 0 to 1e"),
        (float("nan"), "nan is not a duration"),
        (-1, "-1 is not a duration"),
        (True, "text or a number of seconds, not True"),
        (None, "text or a number of seconds, not None"),
    ],
)
def test_what_cannot_be_said(said, problem):
    with pytest.raises(OptionError, match=problem):
        parse_hint(said, "a")


@given(st.sampled_from(sorted(SPLITS)), st.floats(1e-6, 1e6), st.floats(1, 64))
@settings(deadline=None, max_examples=60)
def test_the_seconds_of_a_hint_add_up(kind, wall_s, cores):
    its = hinted("a", Hint(wall_s, kind, cores))
    assert its.cpu_s + its.blocked_total_s == pytest.approx(wall_s)
    assert its.gil_s + its.native_s == pytest.approx(its.cpu_s + its.other_cpu_s)
    assert its.origin == "hint"
    assert its.runs == 0
    assert its.kind == kind
    if kind == "parallel":
        assert its.cores_peak == pytest.approx(cores)


def test_without_a_class_the_gil_share_is_an_upper_bound():
    its = hinted("a", Hint(2.0))
    assert (its.gil_s, its.quality.gil_share_half_width) == (2.0, None)
    assert hinted("a", Hint(2.0, "python")).quality.gil_share_half_width == 0.0


ran: list[str] = []


@pytest.fixture(autouse=True)
def forget():
    ran.clear()


@node
def load(x):
    ran.append("load")
    return x


@node(profile=False, hint_s=0.5, stand_in=40)
def pay(x):
    ran.append("pay")
    return x + 1


@node(profile=False, hint_s=0.1, stand_in=lambda x: 2 * x)
def double(x):
    ran.append("double")
    return x


@node(profile=False, hint_s=2)
def mail(x):
    ran.append("mail")
    return x


@node
def count(x):
    ran.append("count")
    assert x in (1, 2, 40)
    return x


@node(profile=False)
def silent(x):
    return x


def taken(made, **options):
    return profile(made, (), {}, runs=1, sampler="clocks", **options)


def test_nodes_marked_so_are_not_run_and_stand_ins_feed_the_others():
    @dag
    def bill(x=1):
        here = load(x)
        return count(pay(here)), count(double(here)), mail(here)

    found = taken(bill)
    assert ran == ["load", "count", "count"] * 2
    origins = {its.name: its.origin for its in found.nodes}
    assert origins == {
        "load": "measured",
        "pay": "hint",
        "count": "measured",
        "double": "hint",
        "count_2": "measured",
        "mail": "hint",
    }
    assert [its.name for its in found.shape if not its.measure] == ["pay", "double", "mail"]
    assert found.node("mail").wall_net_s.median == 2.0
    assert parse_profile(found.to_json()) == found
    assert bill.run(1).result[1] == 1  # a run knows no stand-ins
    assert "pay" in ran


def test_a_hint_given_goes_before_the_declared_one():
    @dag
    def bill(x=1):
        return mail(x), load(x)

    found = taken(bill, hints={"mail": "9s:io", "load": 0.5})
    assert ran == []
    assert found.runs == ()
    assert found.node("mail").blocked_s == {"io": 9.0}
    assert found.optimize(threads=2).makespan_s == pytest.approx(9.0)


def test_who_takes_what_nobody_makes_is_named():
    @dag
    def bill(x=1):
        here = mail(x)
        return count(count(here)), load(x)

    with pytest.raises(ProfileError) as caught:
        taken(bill)
    assert ran == []
    text = str(caught.value)
    assert "count (takes mail), count_2 (takes count)" in text
    assert "stand_in" in text
    with pytest.raises(ProfileError, match=r"count_2 \(takes count\)"):
        taken(bill, hints={"count": 1})
    taken(bill, hints={"count": 1, "count_2": "1s"})
    assert ran == ["load"] * 2


def test_a_stand_in_that_would_need_what_nobody_makes():
    @dag
    def bill(x=1):
        return count(double(mail(x)))

    with pytest.raises(ProfileError, match=r"double \(takes mail\)"):
        taken(bill)

    @dag
    def value(x=1):
        return count(pay(mail(x)))

    taken(value)
    assert ran == ["count"] * 2


def test_who_only_waits_is_run():
    @dag
    def bill(x=1):
        first = mail(x)
        return load.options(after=[first])(x)

    taken(bill)
    assert ran == ["load"] * 2


def test_a_node_that_is_not_run_needs_a_duration():
    @dag
    def bill(x=1):
        return silent(x), load(x)

    with pytest.raises(
        ProfileError, match=r"nothing says how long they take: silent.*--hint 'silent=0.5s:io'"
    ):
        taken(bill)
    assert taken(bill, hints={"silent": "1s"}).node("silent").wall_net_s.median == 1.0


@pytest.mark.parametrize(
    ("hints", "problem"),
    [
        ({"maul": 1}, "no node 'maul' .did you mean 'mail'"),
        (["mail"], "is a mapping"),
        ({"mail": "x"}, "hint of"),
    ],
)
def test_hints_that_cannot_be(hints, problem):
    @dag
    def bill(x=1):
        return mail(x)

    with pytest.raises(OptionError, match=problem):
        taken(bill, hints=hints)


@pytest.mark.parametrize("options", [{"profile": 0}, {"profile": None}])
def test_the_option_is_checked(options):
    with pytest.raises(DescribeError, match="profile is True or False"):
        node(**options)


def test_a_stand_in_is_no_result():
    @dag
    def bill(x):
        return count.options(stand_in=load(x))(x)

    with pytest.raises(DescribeError, match="a stand-in is a value or a function"):
        bill.check()


def test_options_of_one_call():
    @dag
    def bill(x=1):
        return load.options(profile=False, hint_s=1, stand_in=None)(x), load(x)

    taken(bill)
    assert ran == ["load"] * 2
    assert "None" not in repr(bill.nodes["load"].options.stand_in)


def test_only_some_nodes_are_measured_and_what_they_need_runs():
    @dag
    def bill(x=1):
        here = load(x)
        return count(pay(here)), count(here), count(x)

    scope = scope_of(bill, only={"count_2"})
    names = list(bill.nodes)
    assert {names[i] for i in scope.walked} == {"load", "count_2"}
    assert {names[i] for i in scope.measured} == {"count_2"}
    found = taken(bill, only={"count"})  # a constant stand-in needs nothing
    assert ran == ["count"] * 2
    assert {its.name for its in found.nodes} == {"count", "pay"}
