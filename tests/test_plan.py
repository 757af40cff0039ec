"""plan.json: written canonically, read strictly; whatever is in the file, it is refused or harmless."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, PlanError, load_plan, schemas
from makespan.jsontext import canonical, readable
from makespan.machine import this_machine
from makespan.plan import DagId, Plan, PlanGroup, PlanNode, Solver, WhatIf, parse_plan
from tests.builders import MACHINE

RAN: list[str] = []


def work(name, *given):
    RAN.append(name)
    return [name, *given]


def other_work(name, *given):
    return work(name, *given)


def made(*, rename=None, edge=True, extra=False, fn=work):
    """Return a DAG of six nodes, or one that differs from it in one thing."""
    #  a ─▶ b ─▶ d ─▶ f      the lock "l": b and c
    #  └──▶ c ─▶ e
    d = DAG("six")
    a = d.add(work, "a", name="a")
    b = d.add(fn, "b", a, name=rename or "b", lock="l")
    c = d.add(work, "c", a, name="c", lock="l")
    e = d.add(work, "e", c, name="e", exclusive=True)
    last = d.add(work, "f", d.add(work, "d", b, name="d"), *([e] if not edge else []), name="f")
    if extra:
        d.add(work, "x", name="x")
    d.returns([last, e])
    return d


def plan_for(d, threads=2, machine=MACHINE):
    """Return a plan as the optimizer would write it."""
    structure = d.check()
    n = len(structure)
    nodes = [
        PlanNode(
            name=name,
            rank=n - 1 - i,
            start_s=0.1 * i,
            duration_s=0.1,
            lane=i % threads,
            alone_s=0.1,
            gil_s=0.05,
            after=tuple(structure.names[p] for p in structure.preds[i]),
            locks=structure.locks[i],
            exclusive=structure.exclusive[i],
            critical=i == 0,
        )
        for i, name in enumerate(structure.names)
    ]
    return Plan(
        makespan_version="0.1.0",
        dag=DagId(d.name, d.fingerprint, "pipeline:six"),
        machine=machine,
        threads=threads,
        cores=2.0,
        makespan_s=0.6,
        default_makespan_s=0.7,
        lower_bound_s=0.5,
        binding="critical path",
        gap=(0.6 - 0.5) / 0.6,
        solver=Solver("cp-sat", "feasible", "time limit", 1, 10.0, candidates=7),
        what_if=(WhatIf(1, 0.9, 0.9), WhatIf(2, 0.6, 0.5)),
        groups=(
            PlanGroup("l", ("b", "c"), 1, "lock"),
            PlanGroup("gil", ("d", "e"), 1, "gil", "1.4 of 1 GIL"),
        ),
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
    )


DAG_OF_SIX = made()
PLAN = plan_for(DAG_OF_SIX)
TEXT = PLAN.to_json()
RESULT = DAG_OF_SIX()


def refused(data, match, where=None):
    with pytest.raises(PlanError, match=match) as caught:
        parse_plan(data, "plan.json")
    assert caught.value.where.startswith("plan.json")
    if where is not None:
        assert caught.value.where == f"plan.json#{where}"
    return caught.value


def signed(body):
    """Return a plan whose sha256 is right, whatever its body says."""
    body = {key: value for key, value in body.items() if key != "sha256"}
    return readable({**body, "sha256": hashlib.sha256(canonical(body)).hexdigest()})


def edited(*path, value):
    """Return the plan with one value replaced, and its sha256 right."""
    body = json.loads(TEXT)
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return signed(body)


# -- writing ------------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    path = tmp_path / "plan.json"
    PLAN.save(path)
    assert load_plan(path) == PLAN
    assert load_plan(str(path)).to_json() == path.read_bytes()
    PLAN.save(path)  # a plan replaces a plan
    path.write_text("my notes")
    with pytest.raises(OptionError, match="-f overwrites"):
        PLAN.save(path)
    PLAN.save(path, force=True)
    assert load_plan(path) == PLAN


def test_it_is_the_same_bytes_every_time_and_a_line_a_node():
    assert plan_for(made()).to_json() == TEXT
    lines = TEXT.decode().splitlines()
    assert sum(line.startswith('  {"name": ') for line in lines) == 6 + 2
    assert json.loads(TEXT)["sha256"] in lines[-2]
    assert lines[1] == ' "format": "makespan-plan/1",'


def test_another_rank_changes_one_line_for_each_node_and_the_sha():
    nodes = {node.name: node for node in PLAN.nodes}
    nodes["b"] = msgspec.structs.replace(nodes["b"], duration_s=0.25)
    changed = msgspec.structs.replace(PLAN, nodes=tuple(nodes.values())).to_json()
    before, after = TEXT.splitlines(), changed.splitlines()
    different = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert len(different) == 2
    assert b'"b"' in before[different[0]]
    assert b"sha256" in before[different[1]]


def test_names_of_any_character(tmp_path):
    d = DAG("été")
    for name in ("a.b", "<b>", "$x^$", "日本 😀", "\n\u2028", '"', "\\"):
        d.add(work, name, name=name)
    plan = plan_for(d)
    plan = msgspec.structs.replace(plan, groups=(PlanGroup("→", ("日本 😀",)),))
    plan.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert d.run(plan=plan).result.keys() == d.nodes.keys()


def test_this_machine_can_be_written():
    plan = plan_for(made(), machine=this_machine())
    assert parse_plan(plan.to_json()) == plan


# -- reading: every byte counts -----------------------------------------------------------------------------


def harmless_or_refused(data):
    """What any corruption must be: a PlanError with the file's name, or the very plan."""
    try:
        plan = parse_plan(data, "plan.json")
    except PlanError as error:
        assert error.where.startswith("plan.json")  # noqa: PT017
    else:
        assert plan == PLAN
        assert plan.to_json() == TEXT


places = st.integers(0, len(TEXT) - 1)


def test_every_byte_flipped():
    for i in range(len(TEXT)):
        harmless_or_refused(TEXT[:i] + bytes([TEXT[i] ^ (1 << i % 8)]) + TEXT[i + 1 :])


def test_every_byte_deleted():
    for i in range(len(TEXT)):
        harmless_or_refused(TEXT[:i] + TEXT[i + 1 :])


def test_every_truncation():
    for i in range(len(TEXT) - 2):
        refused(TEXT[:i], "is not JSON")


@given(places, st.binary(min_size=1, max_size=6), st.integers(0, 6))
@settings(deadline=None, max_examples=300)
def test_any_bytes_anywhere(at, inserted, removed):
    harmless_or_refused(TEXT[:at] + inserted + TEXT[at + removed :])


@given(places, places)
@settings(deadline=None, max_examples=200)
def test_any_slice_deleted_or_doubled(one, two):
    start, end = sorted((one, two))
    harmless_or_refused(TEXT[:start] + TEXT[end:])
    harmless_or_refused(TEXT[:end] + TEXT[start:])


@given(st.binary(max_size=80))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_no_plan(data):
    with pytest.raises(PlanError):
        parse_plan(data)


def test_only_spaces_may_differ():
    body = json.loads(TEXT)
    assert parse_plan(json.dumps(body, indent=7).encode()) == PLAN
    assert parse_plan(json.dumps(dict(reversed(body.items()))).encode()) == PLAN
    refused(json.dumps({**body, "threads": 2.0}).encode(), "threads|altered|Expected")


def test_altered_values_keys_and_signatures():
    body = json.loads(TEXT)
    refused(json.dumps({**body, "threads": 3}).encode(), "was altered")
    refused(json.dumps({**body, "sha256": "0" * 64}).encode(), "was altered")
    refused(json.dumps({**body, "sha256": 5}).encode(), "was altered")
    del body["sha256"]
    refused(json.dumps(body).encode(), "has no sha256")
    refused(TEXT.replace(b'"threads"', b'"threads": 2, "threads"', 1), "'threads' stands twice")
    refused(TEXT.replace(b'{"name": "a"', b'{"name": "a", "name": "a"', 1), "'name' stands twice")


def test_other_files():
    refused(b"", "is not JSON")
    refused(b"null", "not a makespan-plan file")
    refused(b"[]", "not a makespan-plan file")
    refused(b'{"format": "makespan-run/1"}', "it is a makespan-run file")
    refused(b'{"format": "makespan-plan/2"}', "has format 'makespan-plan/2'; this version reads")
    refused(b'{"format": "makespan-plan/1"}', "missing required field")


# -- reading: a right signature does not make a right plan --------------------------------------------------

WRONG = [
    (("threads",), 0, "#/threads"),
    (("threads",), -1, "#/threads"),
    (("threads",), 1025, "#/threads"),
    (("threads",), 10**30, "#/threads"),
    (("threads",), "2", "#/threads"),
    (("threads",), True, "#/threads"),
    (("threads",), None, "#/threads"),
    (("cores",), 0, "#/cores"),
    (("cores",), -0.5, "#/cores"),
    (("makespan_s",), -1, "#/makespan_s"),
    (("makespan_s",), 1e300, "#/makespan_s"),
    (("makespan_s",), 10**400, "#/makespan_s"),
    (("gap",), 1.5, "#/gap"),
    (("gap",), -0.1, "#/gap"),
    (("nodes", 2, "start_s"), -1e-9, "#/nodes/2/start_s"),
    (("nodes", 2, "duration_s"), "1", "#/nodes/2/duration_s"),
    (("nodes", 2, "rank"), -1, "#/nodes/2/rank"),
    (("nodes", 2, "rank"), 1.5, "#/nodes/2/rank"),
    (("nodes", 2, "lane"), -1, "#/nodes/2/lane"),
    (("nodes", 2, "name"), "", "#/nodes/2/name"),
    (("nodes", 2, "name"), ["c"], "#/nodes/2/name"),
    (("nodes", 2, "mode"), "rocket", "#/nodes/2/mode"),
    (("nodes", 2, "after"), "a", "#/nodes/2/after"),
    (("nodes", 2, "surplus"), 1, "#/nodes/2"),
    (("nodes", 2), [], "#/nodes/2"),
    (("nodes",), {}, "#/nodes"),
    (("groups", 0, "nodes"), [], "#/groups/0/nodes"),
    (("groups", 0, "limit"), 0, "#/groups/0/limit"),
    (("groups", 0, "reason"), "mood", "#/groups/0/reason"),
    (("solver", "status"), "guessed", "#/solver/status"),
    (("dag", "fingerprint"), None, "#/dag/fingerprint"),
    (("machine", "cores"), 0, "#/machine/cores"),
    (("machine", "thread_variables"), {"A": 1}, "#/machine/thread_variables"),
    (("surplus",), 1, "#"),
    (("what_if", 0, "threads"), 0, "#/what_if/0/threads"),
]
# What a schema cannot say.
WRONG_TOGETHER = [
    (("nodes", 2, "rank"), 0, "#/nodes"),
    (("nodes", 2, "rank"), 6, "#/nodes"),
    (("nodes", 2, "rank"), 10**40, "#/nodes"),
    (("nodes", 2, "name"), "a", "#/nodes"),
    (("nodes", 2, "after"), ["nobody"], "#/nodes/2/after"),
    (("nodes",), [], "#/groups/0/nodes"),
    (("groups", 0, "nodes"), ["b", "nobody"], "#/groups/0/nodes"),
    (("groups", 1, "nodes"), ["d", "d"], "#/groups/1/nodes"),
    (("clusters",), [{"name": "1", "nodes": ["d", "nobody"]}], "#/clusters/0/nodes"),
    (("clusters",), [{"name": "1", "nodes": ["d"], "again": ["nobody"]}], "#/clusters/0/again"),
    (("clusters",), [{"name": "1", "nodes": ["d", "d"]}], "#/clusters"),
    (("clusters",), [{"name": "1", "nodes": ["d"]}, {"name": "2", "nodes": ["b", "d"]}], "#/clusters"),
    (("clusters",), [{"name": "1", "nodes": ["d", "b"]}], "#/nodes"),
    (("chains",), [["d", "nobody"]], "#/chains/0"),
    (("chains",), [["b", "d"], ["d", "f"]], "#/chains"),
    (("chains",), [["f", "d"]], "#/nodes"),
    (("nodes", 2, "starts_after"), ["nobody"], "#/nodes/2/starts_after"),
    (("nodes", 2, "starts_after"), ["c"], "#/nodes"),
    (("nodes", 2, "starts_after"), ["e"], "#/nodes"),
    (("nodes", 0, "after"), ["f"], "#/nodes"),
]


def test_a_circle_is_told_in_its_order():
    data = edited("nodes", 2, "starts_after", value=["f", "e"])
    refused(data, "the nodes wait for each other in a circle: c → e → c, by inputs, starts_after", "/nodes")
    refused(edited("chains", value=[["b", "dd"]]), "a chain holds 'dd', which is not in the plan .*'d'")
    refused(edited("chains", value=[["b", "d", "b"]]), "node 'b' stands twice in a chain")
    refused(edited("chains", value=[["b", "d"], ["a", "b"]]), "node 'b' stands in 2 chains")


def test_what_can_be_followed_is_read():
    for path, value in (
        (("chains",), [["b", "d", "f"], ["c", "e"]]),
        (("clusters",), [{"name": "1", "nodes": ["b", "d"]}, {"name": "2", "nodes": ["c"], "again": ["a"]}]),
        (("nodes", 2, "starts_after"), ["b", "f"]),
    ):
        parse_plan(edited(*path, value=value))


@pytest.mark.parametrize(("path", "value", "where"), WRONG + WRONG_TOGETHER, ids=lambda v: repr(v)[:40])
def test_wrong_values_are_refused_with_their_pointer(path, value, where):
    with pytest.raises(PlanError) as caught:
        parse_plan(edited(*path, value=value), "plan.json")
    assert caught.value.where == f"plan.json{where}"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e400"])
def test_numbers_that_are_none(number):
    data = TEXT.replace(b'"start_s": 0.1,', b'"start_s": ' + number + b",", 1)
    assert data != TEXT
    refused(data, "a number that is not finite", "/nodes/1/start_s")
    refused(TEXT.replace(b'"gap"', b'"gap": 0, "x"', 1), "unknown field")


def test_deep_nesting_and_huge_numbers():
    for data in (b"[" * 200_000, b'{"format":' * 100_000, b'{"threads":' + b"9" * 10_000 + b"}"):
        refused(data, "nested too deeply|is not JSON|not a makespan")
    deep = TEXT.replace(b'"binding": "critical path"', b'"binding": ' + b"[" * 500 + b"]" * 500)
    refused(deep, "Expected `str`", "/binding")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["a", "b", "", "makespan-plan/1", "gil", "cores"])
    | st.text(max_size=4).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


def _leaves(value, path=()):
    yield path
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from _leaves(item, (*path, key))


LEAVES = [path for path in _leaves(json.loads(TEXT)) if path and path != ("sha256",)]


@given(st.sampled_from(LEAVES), json_values)
@settings(deadline=None, max_examples=300)
def test_any_value_in_any_place_is_refused_or_harmless(path, value):
    accepted(edited(*path, value=value))


@given(st.sampled_from(LEAVES), st.sampled_from(LEAVES))
@settings(deadline=None, max_examples=200)
def test_any_two_values_swapped_are_refused_or_harmless(one, two):
    if one == two[: len(one)] or two == one[: len(two)]:
        return
    body = json.loads(TEXT)

    def at(path):
        place = body
        for key in path[:-1]:
            place = place[key]
        return place

    at(one)[one[-1]], at(two)[two[-1]] = at(two)[two[-1]], at(one)[one[-1]]
    accepted(signed(body))


@given(st.permutations(range(6)), st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), max_size=3))
@settings(deadline=None, max_examples=60)
def test_any_order_and_any_groups_give_the_same_result(ranks, groups):
    body = json.loads(TEXT)
    for node, rank in zip(body["nodes"], ranks, strict=True):
        node["rank"] = rank
    body["groups"] = [
        {"name": str(i), "nodes": sorted(some), "limit": 1, "reason": "gil"} for i, some in enumerate(groups)
    ]
    assert accepted(signed(body))


def accepted(data):
    """Say whether a signed plan is accepted; then it must run, and give what it gives without."""
    try:
        plan = parse_plan(data, "plan.json")
        prepared = DAG_OF_SIX.prepare(plan)
    except PlanError as error:
        assert error.where  # noqa: PT017
        return False
    if plan.threads <= 8:
        assert prepared() == RESULT
    return True


# -- a plan for another DAG ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (made(rename="B"), "it lacks 'B'; it has 'b', which the DAG has not"),
        (made(extra=True), "it lacks 'x'"),
        (made(edge=False), "'f' waited for 'd' in the plan, and waits for 'd', 'e' now"),
        (made(fn=other_work), "the same names, but other functions"),
        (DAG("empty"), "it has 'a', 'b', 'c' and 3 more, which the DAG has not"),
    ],
)
def test_a_plan_for_another_dag_says_what_changed_before_anything_runs(tmp_path, other, match):
    path = tmp_path / "plan.json"
    PLAN.save(path)
    RAN.clear()
    for use in (
        lambda: other.run(plan=path),
        lambda: other.run(plan=PLAN),
        lambda: other.prepare(str(path)),
    ):
        with pytest.raises(PlanError, match=match) as caught:
            use()
        assert caught.value.where in {str(path), "plan"}
        assert "optimize again" in caught.value.hint
    assert RAN == []


def test_a_plan_for_more_threads_than_allowed():
    with pytest.raises(PlanError, match="for 2 threads, more than the 1 allowed"):
        DAG_OF_SIX.prepare(PLAN, threads=1)
    assert DAG_OF_SIX.prepare(PLAN, threads=4).threads == 2


def test_missing_and_unreadable_files(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(PlanError, match="cannot be read"):
            DAG_OF_SIX.run(plan=path)


def test_ranks_are_those_of_the_dag():
    structure = DAG_OF_SIX.check()
    ranks = PLAN.ranks(structure, fingerprint=DAG_OF_SIX.fingerprint)
    assert ranks == [PLAN.node(name).rank for name in structure.names]


def test_a_node_of_the_plan():
    assert PLAN.node("e").exclusive
    with pytest.raises(PlanError, match="no node 'A'"):
        PLAN.node("A")


# -- the schema ---------------------------------------------------------------------------------------------


def test_the_shipped_schemas_are_those_of_the_types():
    shipped = resources.files("makespan") / "schemas"
    for kind, schema in schemas.schemas().items():
        assert (shipped / f"{kind}.schema.json").read_bytes() == schemas.text(schema), (
            "run: python -m makespan.schemas"
        )
        jsonschema.Draft202012Validator.check_schema(schema)


def test_real_files_pass_their_schema_and_wrong_ones_do_not():
    made = schemas.schemas()
    jsonschema.validate(json.loads(TEXT), made["plan"])
    record = DAG_OF_SIX.run(plan=PLAN).record
    jsonschema.validate(json.loads(record.to_json()), made["run"])
    for kind in ("profile", "run"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(TEXT), made[kind])


@pytest.mark.parametrize(("path", "value", "where"), WRONG, ids=lambda v: repr(v)[:40])
def test_the_schema_refuses_what_the_types_refuse(path, value, where):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(edited(*path, value=value)), schemas.schemas()["plan"])


def test_the_schemas_are_written_to_a_folder(tmp_path):
    written = schemas.write_schemas(tmp_path / "made")
    assert [path.name for path in written] == ["plan.schema.json", "profile.schema.json", "run.schema.json"]
    assert all(json.loads(path.read_bytes()) for path in written)
