"""Settings of `DAG.prepare` and of the verbs that take them: checked, with the parameter's name."""

import inspect
import math

import pytest

from makespan import DAG, OptionError, dag, node
from makespan.around.hooks import Hooks
from makespan.preparing.settings import _CHECKS, PLAIN, Settings, make_settings


@node
def one(x=1):
    return x


@node
def two(x=1):
    return x


@dag
def d(x=1):
    return one(x), two(x), two(x)


def settings(**said):
    return make_settings(d, **said)


def test_nothing_set_is_plain():
    assert settings() is PLAIN
    assert settings(targets=None, roots=None, without=(), given=None, on_error="stop", drift=None) is PLAIN
    assert settings(timeout_s=None, hooks=None, allow_stale=False) is PLAIN
    assert settings(targets=()) == Settings(targets=())  # nothing is asked for: that is something


def test_all_verbs_take_the_same_settings():
    assert set(Settings.__struct_fields__) == set(_CHECKS)
    for verb in (DAG.prepare, DAG.run, DAG.arun):
        taken = inspect.signature(verb).parameters
        assert set(_CHECKS) <= set(taken)
        for name in _CHECKS:
            assert taken[name].default == inspect.signature(DAG.prepare).parameters[name].default
    for name in _CHECKS:
        assert f"\n        {name} : " in inspect.cleandoc(DAG.prepare.__doc__).replace("\n", "\n        ")


@pytest.mark.parametrize("name", ["targets", "roots", "without"])
def test_names(name):
    assert getattr(settings(**{name: "one"}), name) == ("one",)
    assert getattr(settings(**{name: ["two", "one", "two"]}), name) == ("two", "one")
    assert getattr(settings(**{name: {"two", "one"}}), name) == ("one", "two")
    assert getattr(settings(**{name: (n for n in ("two", one))}), name) == ("two", "one")
    assert getattr(settings(**{name: one}), name) == ("one",)
    assert getattr(settings(**{name: one.__wrapped__}), name) == ("one",)


def test_results_and_methods_name_nodes():
    class Shop:
        @node
        def price(self):
            return 1

    shop = Shop()
    h = DAG("hand")
    x = h.input("x", 1)
    first = h.add(one, x)
    h.add(shop.price)
    assert make_settings(h, targets=first).targets == ("one",)
    assert make_settings(h, targets=[first, shop.price]).targets == ("one", "price")
    for wrong in (x, first["a"], DAG("other").add(one), Shop().price):
        with pytest.raises(OptionError) as caught:
            make_settings(h, targets=[wrong])
        assert caught.value.where == "targets"


def nobody(): ...


WRONG = [
    ("targets", 5, "names of nodes, not an int"),
    ("roots", [5], "names of nodes, not an int"),
    ("without", b"one", "names of nodes, not an int"),
    ("targets", two, r"calls 'two' 2 times \(name the node: 'two', 'two_2'\)"),
    ("roots", nobody, "does not call 'nobody'"),
    ("given", ["one"], "is a mapping of node to result, not a list"),
    ("given", {5: 1}, "names of nodes"),
    ("given", {"one": 1, one: 2}, "given twice"),
    ("given", {"one": [DAG().input("x")]}, "a placeholder"),
    ("on_error", "go on", "is 'stop' or 'continue', not 'go on'"),
    ("on_error", "contine", r"did you mean 'continue'\?"),
    ("on_error", True, "is 'stop' or 'continue'"),
    ("timeout_s", 0, "positive number"),
    ("timeout_s", -1, "positive number"),
    ("timeout_s", math.nan, "positive number"),
    ("timeout_s", math.inf, "positive number"),
    ("timeout_s", True, "positive number"),
    ("timeout_s", "5", "positive number"),
    ("hooks", 5, "subclasses of makespan.Hooks, not an int"),
    ("hooks", Hooks, r"not the class Hooks \(make an object of it\)"),
    ("hooks", [Hooks(), None], "not None"),
    ("allow_stale", 1, "is True or False"),
    ("drift", 5, "is True, False or a function"),
]


@pytest.mark.parametrize(("name", "value", "match"), WRONG)
def test_settings_that_cannot_be(name, value, match):
    for verb in (d.prepare, d.run):
        with pytest.raises(OptionError, match=match) as caught:
            verb(**{name: value})
        assert caught.value.where == name


def test_settings_that_can_be():
    hooks = Hooks()
    made = settings(given={"one": None}, on_error="continue", timeout_s=2, hooks=hooks, drift=True)
    assert (made.given, made.on_error, made.timeout_s) == ({"one": None}, "continue", 2)
    assert made.hooks == (hooks,)
    assert settings(hooks=[hooks, hooks]).hooks == (hooks, hooks)
    assert settings(drift=print).drift is print
