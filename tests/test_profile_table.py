"""The table of a profile: what is shown, how it fits, what pandas and JSON get."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.cli import main
from makespan.errors import MissingExtraError, OptionError
from makespan.measurement import PairTrial, Pickling, RunHeader, ThreadTrial, ThreadTrials
from makespan.profile import load_profile
from makespan.showing.profile_rows import SORTS, best_threads, by, rows, shares
from makespan.showing.text_gantt import fill
from makespan.showing.words import columns
from tests.builders import make_profile

AFTER = {"load": [], "sort": ["load"], "hash": ["load"], "fetch": [], "gone": ["sort"]}


def profile_of_all():
    """One node of each kind, one of them not measured, with trials and pairs."""
    made = make_profile(
        AFTER,
        {"load": 0.5, "sort": 2.0, "hash": 1.0, "fetch": 4.0, "gone": 1.0},
        {"sort": "python", "hash": "parallel", "load": "mixed"},
        missing=["gone"],
    )
    trials = ThreadTrials(
        ("openblas",),
        ThreadTrial(8, 1.0, 8.0, 3),
        (ThreadTrial(1, 0.51, 0.5, 3), ThreadTrial(2, 0.5, 1.0, 3)),
    )
    richer = {
        "hash": {
            "native_threads": trials,
            "threads_used": 8,
            "gil_retakes": 1234,
            "gil_burst_max_s": 0.08,
            "args_pickling": Pickling(True, 0.001, 0.002, 100),
            "result_pickling": Pickling(False, reason="a lock"),
        },
        "fetch": {"origin": "hint"},
    }
    nodes = tuple(msgspec.structs.replace(node, **richer.get(node.name, {})) for node in made.nodes)
    pairs = (
        PairTrial(nodes=("load", "sort"), alone_s=(0.5, 2.0), together_s=(2.7, 2.75), repeats=3),
        PairTrial(nodes=("sort", "hash"), alone_s=(2.0, 1.0), together_s=(2.0, 1.0), repeats=3),
        PairTrial(
            nodes=("load", "hash"),
            alone_s=(0.5, 1.0),
            together_s=(1.0, 1.0),
            repeats=3,
            like=("sort", "hash"),
        ),
    )
    return msgspec.structs.replace(made, nodes=nodes, pairs=pairs)


def test_everything_that_is_known_is_shown():
    text = profile_of_all().table()
    lines = text.splitlines()
    assert lines[0] == "dag: 5 nodes, 7.50 s one after the other"
    order = [line.split()[0] for line in lines if line.split() and line.split()[0] in AFTER]
    assert order[:4] == ["fetch", "sort", "hash", "load"]
    hashed = next(line for line in lines if line.startswith("hash"))
    for word in ("parallel", "1.00 s", "▒▒▒▒", "1,234", "80 ms", "8", "no: result"):
        assert word in hashed
    assert "hint" in next(line for line in lines if line.startswith("fetch"))
    assert "hash: 1 → 510 ms, 2 → 500 ms; by default 8 → 1.00 s, 2.0× the best (openblas)" in text
    assert "2 pairs run together, 1 taken over from pairs like them" in text
    assert text.index("load + sort: 2.75 s against 2.50 s, +250 ms") < text.index("sort + hash")
    assert "not measured: gone" in text
    assert "no room" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_table_fits_and_says_what_does_not(width):
    lines = profile_of_all().table(width=width).splitlines()
    table = [line for line in lines if line.split() and line.split()[0] in {"node", "load", "sort", "hash"}]
    table = [line for line in table if not line.startswith("  ")]
    assert max(map(columns, table)) <= width
    assert ("no room for" in "\n".join(lines)) == (width < 150)


def test_a_long_name_leaves_room_for_the_figures():
    made = make_profile({"x" * 300: [], "漢字" * 40: []})
    table = [line for line in made.table(width=60).splitlines() if "░" in line and "s " in line][:2]
    assert len(table) == 2
    assert max(map(columns, table)) <= 60


@pytest.mark.parametrize("sort", SORTS)
def test_sorting(sort):
    names = [node.name for node in by(profile_of_all().nodes, sort)]
    assert (
        names[0]
        == {"wall": "fetch", "gil": "sort", "native": "hash", "blocked": "fetch", "name": "fetch"}[sort]
    )
    assert len(names) == 4


def test_an_unknown_order_is_refused():
    with pytest.raises(
        OptionError, match=r"is one of wall, gil, native, blocked, name, not 'walls'.*did you"
    ):
        profile_of_all().table(sort="walls")


def test_a_limit_says_what_is_left_out():
    assert "… 2 more, 1.50 s together" in profile_of_all().table(limit=2)


def test_a_share_from_clocks_alone_is_marked():
    made = make_profile({"a": []}, 1.0, "python", sampler="clocks")
    nodes = tuple(
        msgspec.structs.replace(
            node, quality=msgspec.structs.replace(node.quality, gil_share_half_width=None)
        )
        for node in made.nodes
    )
    text = msgspec.structs.replace(made, nodes=nodes).table()
    assert "≤100 %" in text
    assert "≤: an upper bound" in text
    assert "clocks alone" in text


@pytest.mark.parametrize(
    ("sampler", "words"),
    [("gil", "GIL sampled"), ("canary", "GIL timed by a canary"), ("clocks", "clocks alone")],
)
def test_how_it_was_sampled_is_said_in_summary_and_table(sampler, words):
    made = make_profile({"a": []}, sampler=sampler)
    for text in (made.summary(), made.table()):
        assert text.splitlines()[1] == f"5 counted runs, {words}"


def test_notes_of_the_newest_run_stand_in_the_summary_and_all_in_the_table():
    runs = (
        RunHeader("1", "2025-01-01", 2, "gil", 5000.0, notes=("an old one",)),
        RunHeader("2", "2025-01-02", 3, "canary", notes=("canary: ptrace is \x1b[2J forbidden",), inputs=4),
    )
    made = msgspec.structs.replace(make_profile({"a": []}), runs=runs)
    how = "5 counted runs, up to 4 sets of inputs in turn, GIL sampled at 5,000 Hz and GIL timed by a canary"
    fallback = "  note: canary: ptrace is \\x1b[2J forbidden"
    assert made.summary().splitlines()[1:4] == [how, fallback, ""]
    assert made.table().splitlines()[1:4] == [how, "  note: an old one", fallback]


def test_summary_and_table_tell_the_same_shares_marks_and_key():
    (node,) = make_profile({"a": []}, 4.0, splits={"a": (1.0, 1.0, 0.0, 2.0)}).nodes
    node = msgspec.structs.replace(node, gil_wait_s=1.0, origin="hint")
    made = msgspec.structs.replace(make_profile({"a": []}), nodes=(node,))
    assert shares(node) == {"gil": 0.25, "native": 0.0, "blocked": 0.5, "gil_wait": 0.25}
    summary, table = made.summary(), made.table()
    key = "▚ waits for the GIL  █ holds the GIL  ▒ native  ░ blocked (shares, not order)"
    for text in (summary, table):
        row = next(line for line in text.splitlines() if line.startswith("a "))
        assert "25 %" in row
        assert "50 %" in row
        assert "hint" in row
        assert key in text
    assert fill((1, 0, 2, 1), 10) in summary
    assert fill((1, 0, 2, 1), 12) in table
    assert "waits for the GIL" not in make_profile({"a": []}).table()


def test_trials_with_other_switch_intervals_take_no_places_from_the_others():
    made = profile_of_all()
    (bad, _, _) = made.pairs
    other = [
        msgspec.structs.replace(bad, together_s=(s, s), switch_interval_s=interval_s)
        for s, interval_s in ((2.9, 0.01), (2.6, 0.001))
    ]
    made = msgspec.structs.replace(made, pairs=(other[0], *made.pairs, other[1]))
    lines = made.table().splitlines()
    at = lines.index(
        "2 pairs run together, 1 taken over from pairs like them; together against one after the other:"
    )
    assert lines[at + 1 : at + 6] == [
        "  load + sort: 2.75 s against 2.50 s, +250 ms",
        "  sort + hash: 2.00 s against 3.00 s, −1.00 s",
        "  load + sort: 2.90 s against 2.50 s, +400 ms (switch interval 10 ms)",
        "  load + sort: 2.60 s against 2.50 s, +100 ms (switch interval 1.0 ms)",
        "",
    ]


def test_what_the_trials_say_stands_below_the_pairs():
    lines = profile_of_all().table().splitlines()
    at = lines.index("what the trials say:")
    assert at > next(i for i, line in enumerate(lines) if "run together" in line)
    said = "\n".join(lines[at:])
    assert "  fewer native threads are faster: " in said
    assert "  load and sort take 2.75 s together, 2.50 s one after the other" in said
    assert "what the trials say" not in make_profile({"a": []}).table()


def test_where_only_the_runtime_is_installed_the_table_says_what_it_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "makespan_optimizer.measure.trials.verdicts", None)
    text = profile_of_all().table()
    assert "2 pairs run together" in text
    assert "what the trials say is not told: makespan's measuring half is not installed" in text


def test_a_limit_that_was_never_tried_says_nothing():
    (node,) = make_profile({"a": []}).nodes
    trials = ThreadTrials(("openblas",), ThreadTrial(8, 1.0, 8.0, 3), ())
    pairs = (PairTrial(nodes=("a", "a"), alone_s=(1.0, 1.0), together_s=(1.0, 1.0), repeats=3),)
    made = msgspec.structs.replace(
        make_profile({"a": []}), nodes=(msgspec.structs.replace(node, native_threads=trials),), pairs=pairs
    )
    assert "1 pair run together" in made.table()


def test_names_do_not_steer_the_terminal():
    assert "\x1b" not in make_profile({"a\x1b[2J": [], "b": []}, missing=["a\x1b[2J"]).table()


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_a_bar_is_always_full(parts, width):
    assert len(fill(parts, width)) == width


def test_the_fewest_threads_that_are_nearly_best():
    assert best_threads(profile_of_all().node("hash").native_threads) == 1
    assert best_threads(None) is None


def test_frame_has_a_row_a_node_and_units_in_its_names():
    pandas = pytest.importorskip("pandas")
    frame = profile_of_all().to_frame()
    assert list(frame.index) == list(AFTER)
    assert frame.loc["sort", "gil_s"] == 2.0
    assert frame.loc["sort", "wall_net_s"] == 2.0
    assert [name for name in frame.columns if name.endswith("_share")] == [
        "gil_share",
        "native_share",
        "blocked_share",
        "gil_wait_share",
        "run_delay_share",
    ]
    assert frame.loc["sort", "gil_share"] == 1.0
    assert pandas.isna(frame.loc["gone", "wall_net_s"])
    assert frame.loc["hash", "best_threads"] == 1
    assert frame.loc["gone", "after"] == ["sort"]
    assert len(make_profile({}).to_frame()) == 0


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install 'makespan"):
        profile_of_all().to_frame()


def test_rows_of_an_empty_and_of_an_unmeasured_profile():
    assert rows(make_profile({})) == []
    (row,) = rows(make_profile({"a": []}, missing=["a"]))
    assert row["name"] == "a"
    assert row["wall_net_s"] is None


def show(capfd, *words):
    code = main(["profile", "show", *map(str, words)])
    return code, *capfd.readouterr()


def test_the_verb_prints_on_stdout(tmp_path, capfd, monkeypatch):
    path = tmp_path / "p.json"
    profile_of_all().save(path)
    code, out, err = show(capfd, path)
    assert (code, err) == (0, "")
    assert out.rstrip("\n") == load_profile(path).table()
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = show(capfd, path, "--limit", 1)
    assert "no room for" in out
    code, out, _ = show(capfd, path, "--json", "--sort", "gil", "--limit", 2)
    shown = json.loads(out)
    assert [row["name"] for row in shown["nodes"]] == ["sort", "load"]
    assert shown["pairs"]
    assert shown["native_threads"] == {}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nothing.json"], "nothing.json: cannot be read"),
        (["p.json", "--sort", "size"], "sorted by wall, gil"),
        (["p.json", "--limit", "0"], "the number of rows is a whole number from 1"),
        (["p.json", "more"], "a word too many: 'more'"),
        (["plan.json"], "plan.json"),
    ],
)
def test_bad_words_are_refused(tmp_path, capfd, monkeypatch, words, problem):
    monkeypatch.chdir(tmp_path)
    profile_of_all().save("p.json")
    (tmp_path / "plan.json").write_text('{"format": "makespan-plan/1"}')
    code, out, err = show(capfd, *words)
    assert (code, out) == (2, "")
    assert problem in err
