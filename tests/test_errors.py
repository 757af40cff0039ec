"""Errors carry the place and the next step, also through pickle."""

from __future__ import annotations

import copy
import pickle

import pytest

from makespan import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_place_problem_and_hint(kind):
    error = kind("it is red", where="plan.json#/nodes/3", hint="paint it")
    assert isinstance(error, errors.MakespanError)
    assert str(error) == "plan.json#/nodes/3: it is red (paint it)"
    assert (error.problem, error.where, error.hint) == ("it is red", "plan.json#/nodes/3", "paint it")
    assert str(kind("it is red")) == "it is red"
    assert str(kind("it is red", hint="paint it")) == "it is red (paint it)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_survives_pickle_and_copy_with_its_notes(kind, again):
    error = kind("it is red", where="x.py:3", hint="paint it")
    error.add_note("in node 'a'")
    other = again(error)
    assert type(other) is kind
    assert str(other) == str(error)
    assert (other.problem, other.where, other.hint) == (error.problem, error.where, error.hint)
    assert other.__notes__ == ["in node 'a'"]


def test_did_you_mean_finds_the_near_and_only_the_near():
    assert errors.did_you_mean("optimise", ["run", "optimize"]) == "did you mean 'optimize'?"
    assert errors.did_you_mean("xyz", ["run", "optimize"]) is None
    assert errors.did_you_mean("x", []) is None
    assert errors.did_you_mean("", ["run"]) is None


def test_a_missing_extra_says_the_pip_line():
    error = errors.missing_extra("makespan optimize", "OR-Tools", "optimize")
    assert isinstance(error, errors.MissingExtraError)
    assert "pip install 'makespan[optimize]'" in str(error)


def test_a_node_of_a_sub_dag_is_found_by_its_own_name():
    names = ["one_day.customers", "one_day.join", "one_day_2.join", "write"]
    assert errors.did_you_mean("jion", names) == "did you mean 'one_day.join'?"
    assert errors.did_you_mean("nothing alike", names) is None
