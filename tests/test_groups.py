"""Sequential groups."""

from makespan.structure import build
from makespan_optimizer.choice.groups import computed_group, declared_groups, gil_holders
from makespan_optimizer.instance import instance_from


def test_declared_groups_are_named_and_sorted():
    structure = build(
        ["z", "a", "m", "e"], [[], [], [], []],
        locks=[["db"], ["db", "plot"], ["plot"], ["lonely"]],
        exclusive=[False, False, False, True],
    )  # fmt: skip
    groups = declared_groups(structure)
    assert [(g.name, g.nodes, g.limit, g.reason) for g in groups] == [
        ("lock db", ("a", "z"), 1, "lock"),
        ("lock plot", ("a", "m"), 1, "lock"),
        ("exclusive", ("e",), 1, "exclusive"),
    ]
    assert all("declared" in group.evidence for group in groups)


def holders(after, gil, **options):
    structure = build("abcde"[: len(after)], after, **options)
    return gil_holders(instance_from(structure, [5] * len(after), gil=gil, core=gil))


def test_holders_that_can_overlap():
    assert holders(["", "", ""], [1000, 800, 700]) == (0, 1)  # 0.7 is not above 0.7


def test_holders_of_one_chain_never_overlap():
    assert holders(["", "a", "b"], [1000, 0, 1000]) == ()


def test_a_holder_that_all_others_wait_for_is_left_out():
    assert holders(["", "a", "a"], [1000, 1000, 1000]) == (1, 2)


def test_exclusive_nodes_overlap_nothing():
    assert holders(["", ""], [1000, 1000], exclusive=[True, False]) == ()


def test_the_evidence_says_by_how_much():
    instance = instance_from(build("ba", ["", ""]), [5, 5], gil=[1000, 900], core=[1000, 900])
    group = computed_group(instance, "gil", (0, 1), 1, with_it=900_000.0, without=1_000_000.0)
    assert group.nodes == ("a", "b")
    assert group.reason == "gil"
    assert "90% or more" in group.evidence
    assert "one at a time gives 0.9 s instead of 1 s (-10.0%) in the simulator" in group.evidence
    of_cores = computed_group(instance, "cores", (0, 1), 2, 9e5, 1e6, scenarios=40)
    assert (of_cores.reason, of_cores.limit) == ("cores", 2)
    assert "2 at a time" in of_cores.evidence
    assert of_cores.evidence.endswith("over 40 scenarios")
