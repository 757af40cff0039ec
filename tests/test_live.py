"""The live view: what it shows of a run at a moment, when it says that it will be over, how it draws that."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import MissingExtraError, OptionError, dag, node
from makespan.engine.tracing import Trace
from makespan.graph import DAG
from makespan.plan import PlanGroup, PlanNode
from makespan.showing.live import view as live_view
from makespan.showing.live.forecast import forecast, steps_of
from makespan.showing.live.glance import Coming, Glance, LaneNow, Running, glance_at, scene_of
from makespan.showing.live.screen import draw, last_line
from makespan.showing.live.view import View, is_screen, view_of
from makespan.showing.words import clean, columns
from makespan.structure import build
from tests.builders import make_profile
from tests.report_data import HOSTILE

rich_console = pytest.importorskip("rich.console")


# -- the forecast -------------------------------------------------------------------------------------------


@st.composite
def schedules(draw):
    """A DAG with a list schedule on two lanes: (preds, durations, starts, lanes)."""
    n = draw(st.integers(1, 9))
    preds = [[p for p in range(i) if draw(st.integers(0, 2)) == 0] for i in range(n)]
    wall = [draw(st.integers(0, 9)) for _ in range(n)]
    free, start, lane = [0, 0], [], []
    for i in range(n):
        on = draw(st.integers(0, 1))
        at = max([free[on], *(start[p] + wall[p] for p in preds[i])])
        start.append(at)
        lane.append(on)
        free[on] = at + wall[i]
    return preds, wall, start, lane


def planned(preds, wall, start, lane):
    names = [f"n{i}" for i in range(len(wall))]
    structure = build(names, [[names[p] for p in some] for some in preds])
    nodes = tuple(
        PlanNode(name, i, float(start[i]), float(wall[i]), lane[i], float(wall[i]))
        for i, name in enumerate(names)
    )
    return structure, a_plan(nodes)


PLAN = make_profile({"a": []}, 1.0).optimize(threads=1)


def a_plan(nodes, groups=()):
    made = PLAN
    last = max(node.start_s + node.duration_s for node in nodes)
    return msgspec.structs.replace(made, nodes=nodes, groups=tuple(groups), makespan_s=last, chains=())


@settings(deadline=None, max_examples=60)
@given(schedules(), st.floats(0, 1))
def test_as_long_as_all_goes_as_planned_the_forecast_is_the_plan(its, share):
    _, wall, start, _ = its
    structure, plan = planned(*its)
    steps = steps_of(plan, structure, range(len(wall)))
    end = max(s + w for s, w in zip(start, wall, strict=True))
    now = share * end
    started = {i: float(s) for i, s in enumerate(start) if s < now}
    ended = {i for i in started if start[i] + wall[i] <= now}
    assert forecast(steps, started, ended, now) == pytest.approx(end)


@settings(deadline=None, max_examples=60)
@given(schedules(), st.data())
def test_it_is_the_longest_way_from_now(its, data):
    preds, wall, start, lane = its
    structure, plan = planned(*its)
    steps = steps_of(plan, structure, range(len(wall)))
    ended = data.draw(st.sets(st.sampled_from(range(len(wall)))))
    now = data.draw(st.floats(0, 50))
    # The oracle: edges of the DAG, and between neighbours in a lane, followed again and again.
    order = sorted(range(len(wall)), key=lambda i: (start[i], structure.order.index(i)))
    edges = {(p, i) for i in range(len(wall)) for p in preds[i]}
    for number in (0, 1):
        line = [i for i in order if lane[i] == number]
        edges |= set(pairwise(line))
    left = set(range(len(wall))) - ended
    over = {i: now + wall[i] for i in left}
    for _ in range(len(wall)):
        for before, i in edges:
            if before in left and i in left:
                over[i] = max(over[i], over[before] + wall[i])
    assert forecast(steps, {}, ended, now) == pytest.approx(max([now, *over.values()]))


def test_what_takes_longer_than_planned_is_over_now_at_the_earliest():
    structure, plan = planned([[], [0]], [1, 2], [0, 1], [0, 0])
    steps = steps_of(plan, structure, range(2))
    assert forecast(steps, {0: 0.0}, (), 5.0) == 7.0


def test_locks_and_groups_of_one_take_turns():
    structure = build(["a", "b", "c"], [[], [], []])
    nodes = tuple(
        PlanNode(name, i, float(i), 1.0, i, 1.0, locks=locks)
        for i, (name, locks) in enumerate([("a", ("x",)), ("b", ("x",)), ("c", ())])
    )
    plan = a_plan(nodes, [PlanGroup("g", ("b", "c"))])
    assert forecast(steps_of(plan, structure, range(3)), {}, (), 0.0) == 3.0


def test_an_order_of_the_plan_that_the_dag_does_not_allow_ends_all_the_same():
    structure = build(["a", "b"], [[], ["a"]])
    nodes = (PlanNode("a", 1, 1.0, 1.0, 0, 1.0), PlanNode("b", 0, 0.0, 1.0, 0, 1.0))
    steps = steps_of(a_plan(nodes), structure, range(2))
    assert sorted(step.node for step in steps) == [0, 1]
    assert forecast(steps, {}, (), 0.0) >= 1.0


def test_nodes_that_the_plan_does_not_know_take_no_time():
    structure = build(["a", "new"], [[], ["a"]])
    steps = steps_of(a_plan((PlanNode("a", 0, 0.0, 1.0, 0, 1.0),)), structure, range(2))
    assert forecast(steps, {}, (), 0.0) == 1.0


# -- a glance -----------------------------------------------------------------------------------------------


@node
def one(*_):
    return 1


@dag
def diamond():
    a = one.options(name="a")()
    return one.options(name="d")(one.options(name="b")(a), one.options(name="c")(a))


def traced(n, *, start, end=(), ident=None):
    trace = Trace(n)
    for i, at in dict(start).items():
        trace.start[i] = 1000 + int(at * 1e9)
        trace.ident[i] = (ident or {}).get(i, 7)
    for i, at in dict(end).items():
        trace.end[i] = 1000 + int(at * 1e9)
    return trace


def at(scene, trace, now_s, **more):
    return glance_at(scene, trace, 1000, 1000 + int(now_s * 1e9), **more)


def test_a_run_that_goes_on():
    scene = scene_of(diamond.prepare(threads=2))
    trace = traced(4, start={0: 0.0, 1: 1.0, 2: 1.25}, end={0: 1.0}, ident={0: 5, 1: 5, 2: 6})
    seen = at(scene, trace, 2.0)
    assert (seen.done, seen.total, seen.waiting, seen.now_s) == (1, 4, 1, 2.0)
    assert seen.lanes == (
        LaneNow("thread 1", ((0.0, 1.0), (1.0, 2.0)), (Running("b", 1.0, None, None),)),
        LaneNow("thread 2", ((1.25, 2.0),), (Running("c", 0.75, None, None),)),
    )
    assert seen.coming == (Coming("d", ("b", "c")),)
    assert seen.end_s is None
    assert seen.planned_s is None  # there is no plan


def test_the_calling_thread_has_the_first_lane():
    scene = scene_of(diamond.prepare(threads=2))
    trace = traced(4, start={0: 0.0, 1: 1.0}, end={0: 1.0}, ident={0: 6, 1: 5})
    lanes = at(scene, trace, 2.0, caller=5).lanes
    assert [lane[:2] for lane in lanes] == [("caller", ((1.0, 2.0),)), ("thread 1", ((0.0, 1.0),))]


def test_nothing_has_begun_and_everything_is_over():
    scene = scene_of(diamond.prepare(threads=3))
    before = at(scene, Trace(4), 0.0)
    assert before.lanes == tuple(LaneNow(f"thread {i}", (), ()) for i in (1, 2, 3))
    assert before.coming[0] == Coming("a", ())
    after = at(scene, traced(4, start=dict.fromkeys(range(4), 0.0), end=dict.fromkeys(range(4), 1.0)), 1.0)
    assert (after.done, after.waiting, after.coming) == (4, 0, ())


def test_skipped_nodes_are_done_and_take_no_room():
    trace = traced(4, start={0: 0.0, 1: 1.0}, end={0: 1.0, 1: 1.5})
    trace.skipped.add(1)
    seen = at(scene_of(diamond.prepare(threads=1)), trace, 2.0)
    assert seen.done == 2
    assert seen.lanes[0].spans == ((0.0, 1.0),)


def test_nodes_that_are_left_out_do_not_count_and_are_not_waited_for():
    seen = at(scene_of(diamond.prepare(threads=1, given={"a": 1}, targets="b")), Trace(4), 0.0)
    assert (seen.total, seen.coming) == (1, (Coming("b", ()),))


def test_a_plan_tells_when_it_will_be_over_until_something_failed():
    plan = diamond.profile(runs=1, trials=False, pickling=False).optimize(threads=2)
    scene = scene_of(diamond.prepare(plan))
    whole = at(scene, Trace(4), 0.0)
    assert whole.end_s == pytest.approx(plan.makespan_s, rel=0.01)
    assert whole.planned_s == plan.makespan_s
    failed = at(scene, traced(4, start={0: 0.0}, end={0: 1.0}), 1.0, failed=[0])
    assert (failed.failed, failed.end_s, failed.coming) == (("a",), None, ())
    assert draw(failed, 100, 20).plain.endswith(f"\n{failed.waiting} nodes will not start")
    goes_on = at(scene._replace(go_on=True), traced(4, start={0: 0.0}, end={0: 1.0}), 1.0, failed=[0])
    assert goes_on.coming
    assert at(scene_of(diamond.prepare(plan, targets="b")), Trace(4), 0.0).planned_s is None


# -- the drawing --------------------------------------------------------------------------------------------


def a_glance(**more):
    base = Glance(
        title="news",
        now_s=1.0,
        done=1,
        total=4,
        failed=(),
        lanes=(
            LaneNow("caller", ((0.0, 0.5), (0.5, 1.0)), (Running("parse", 0.5, 2.0, None),)),
            LaneNow("thread 1", (), ()),
        ),
        coming=(Coming("render", ()), Coming("rank", ("parse", "render"))),
        waiting=5,
        end_s=2.5,
        planned_s=2.25,
    )
    return base._replace(**more)


def test_what_is_drawn():
    lines = draw(a_glance(), 100, 20).plain.split("\n")
    assert lines[0] == "news  1 of 4 nodes  1.00 s  about 1.50 s left (planned: 2.25 s)"
    assert re.fullmatch(r"caller    █+▉▓+·+  parse  500 ms of 2.00 s", lines[1])
    assert re.fullmatch(r"thread 1   +·+  –", lines[2])
    assert lines[3] == "next      render   rank after parse and 1 more   3 more"
    late = draw(a_glance(end_s=1.0), 100, 20).plain
    assert late.startswith(
        "news  1 of 4 nodes  1.00 s  longer than planned, over any moment (planned: 2.25 s)"
    )
    here = lines[1].index("·") - 10
    assert here == round(40 * 1.0 / 2.5)
    assert draw(a_glance(end_s=None, planned_s=None), 100, 20).plain.startswith(
        "news  1 of 4 nodes  1.00 s\n"
    )


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40) | st.sampled_from(HOSTILE), st.integers(30, 200), st.integers(3, 40))
def test_no_name_widens_it_or_steers_the_terminal(name, width, height):
    lanes = tuple(
        LaneNow(f"thread {i}", ((0.0, 1.0),), (Running(name, 1.0, 0.2, 3),) * (1 + i % 2)) for i in range(50)
    )
    drawn = draw(
        a_glance(title=name, failed=(name,), lanes=lanes, coming=(Coming(name, (name,)),) * 8), width, height
    )
    lines = drawn.plain.split("\n")
    assert len(lines) <= height
    for line in lines:
        assert columns(line) <= width
        assert line == clean(line)
    drawn.plain.encode()


def test_lanes_that_do_not_fit_are_counted():
    lanes = tuple(
        LaneNow(f"thread {i}", (), (Running(f"n{i}", 1.0, None, None),) if i in {3, 17, 19} else ())
        for i in range(20)
    )
    text = draw(a_glance(lanes=lanes), 100, 6).plain
    assert "thread 3 " in text
    assert "thread 17 " in text
    assert "18 more threads, 1 of them busy" in text


def test_a_last_line():
    assert last_line(a_glance(done=4)) == "news  4 of 4 nodes  1.00 s (planned: 2.25 s)"
    assert last_line(a_glance(failed=("x\x1b[2J",), end_s=None)).endswith(r", failed: x\x1b[2J")


# -- the view -----------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def install():  # within the test: pytest puts its own stderr in place before each phase
        made = Screen()
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setattr(live_view, "FIRST_S", 0.01)
        monkeypatch.setattr(View.__init__, "__kwdefaults__", {"leave": True, "first_s": 0.01})
        return made

    return install


@node
def slow(*_):
    time.sleep(0.08)
    return threading.current_thread().name


@dag
def three():
    return slow.options(name="last\x1b[2J")(slow(), slow())


def test_a_run_is_shown_and_goes_on_as_ever(screen):
    shown = screen()
    run = three.run(threads=2, progress=True)
    assert run.result
    text = shown.getvalue()
    assert "three" in text
    assert "slow_2" in text
    assert r"last\x1b[2J" in text
    assert "last\x1b[2J" not in text
    last = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\r", "", text).rstrip().split("\n")[-1]
    assert last.startswith("three  3 of 3 nodes")
    assert "makespan-live" not in [thread.name for thread in threading.enumerate()]
    assert not isinstance(sys.stdout, Screen)


def test_awaited_runs_and_one_thread_and_measured_runs(screen):
    shown = screen()
    assert asyncio.run(three.arun(threads=2, progress=True)).result
    assert three.run(threads=1, progress=True).result
    assert three.prepare(threads=2).run(measure=True, sampler="clocks", progress=True).result
    assert shown.getvalue().count("3 of 3 nodes") >= 3


def test_a_failure_is_shown_and_raised(screen):
    @node
    def bad(x):
        time.sleep(0.05)
        raise ValueError("broken")

    d = DAG("failing")
    d.returns(d.add(bad, d.add(slow)))
    shown = screen()
    with pytest.raises(ValueError, match="broken"):
        d.run(progress=True, threads=2)
    assert "failed: bad" in shown.getvalue()


def test_drawing_that_fails_ends_the_view_and_not_the_run(screen, monkeypatch):
    shown = screen()

    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(live_view, "draw", broken)
    assert three.run(threads=2, progress=True).result
    assert "nodes" not in shown.getvalue()
    assert live_view._one_at_a_time.acquire(blocking=False)
    live_view._one_at_a_time.release()


def test_one_run_is_shown_at_a_time(screen):
    @node
    def nested():
        return three.run(threads=2, progress=True).result

    d = DAG("outer")
    d.returns(d.add(nested))
    shown = screen()
    d.run(threads=2, progress=True)
    assert "outer" in shown.getvalue()
    assert "three" not in shown.getvalue()


def test_it_pauses_for_longer_when_drawing_takes_longer(screen, monkeypatch):
    screen()
    drawn = []

    def dear(*_):
        drawn.append(1)
        begun = time.thread_time()
        while time.thread_time() - begun < 0.03:
            pass
        return ""

    monkeypatch.setattr(live_view, "draw", dear)
    three.run(threads=1, progress=True)
    assert len(drawn) == 1  # 2 % of the time: the next one would come 1.5 s later


@pytest.mark.parametrize("stream", [None, io.StringIO(), object()])
def test_without_a_terminal_nothing_happens(stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    assert view_of(True) is None
    assert three.run(threads=2, progress=True).result


def test_where_it_cannot_draw(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    latin = Screen()
    latin.encoding = "latin-1"
    assert is_screen(Screen())
    assert not is_screen(latin)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_screen(Screen())


def test_what_is_no_truth_value_is_refused_before_anything_runs():
    @dag
    def called_progress(progress):
        return one(progress)

    with pytest.raises(OptionError, match="is True or False, not a str") as caught:
        called_progress.run(progress="x")
    assert caught.value.hint == "an input of that name is given by position"
    assert called_progress.run("x").result == 1


def test_without_rich_the_extra_is_named(screen, monkeypatch):
    screen()
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'makespan\[live\]'"):
        three.run(progress=True)


def test_what_is_not_used_is_not_loaded():
    code = (
        "import sys; from makespan import DAG; d = DAG('d'); d.returns(d.add(int))\n"
        "d.run(); d.run(progress=True)\n"
        "print([name for name in sys.modules if name.startswith('rich')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


# -- the command line ---------------------------------------------------------------------------------------

PIPELINE = """
import time
from makespan import dag, node

@node
def wait(*_):
    time.sleep(0.4)
    print("a node prints")

@dag
def pipeline():
    return wait(wait(), wait())
"""


def in_a_terminal(command, folder, *, code=0, ctrl_c_at=None):
    """Run a command with a terminal as all of its streams, and return what it wrote.

    Ctrl-C is pressed when it has written `ctrl_c_at`.
    """
    pid, screen = pty.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            os.execve(command[0], command, {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "24"})
        finally:
            os._exit(127)
    text = b""
    try:
        while piece := os.read(screen, 65536):
            text += piece
            if ctrl_c_at is not None and ctrl_c_at in text:
                os.write(screen, b"\x03")
                ctrl_c_at = None
    except OSError:  # the other end is closed
        pass
    os.close(screen)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, text.decode()
    return text.decode()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside the crew's threads; exec follows
def test_makespan_run_live(tmp_path):
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    command = [sys.executable, "-m", "makespan", "run", "pipeline.py:pipeline", "--threads", "2", "--live"]
    text = in_a_terminal(command, tmp_path)
    assert "thread 1" in text
    assert "pipeline" in text
    assert "next" in text
    assert "wait_3" in text
    assert text.count("a node prints") == 3
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :]  # the cursor is back
    # Elsewhere than in a terminal it changes nothing.
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("a node prints") == 3
    assert "\x1b" not in done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ctrl_c_ends_the_run_and_the_view_is_taken_away(tmp_path):
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("sleep(0.4)", "sleep(5)"))
    command = [sys.executable, "-m", "makespan", "run", "pipeline.py:pipeline", "--threads", "2", "--live"]
    text = in_a_terminal(command, tmp_path, code=130, ctrl_c_at=b"thread 1")
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :]
    assert text.rstrip().endswith("makespan: interrupted")
    assert (tmp_path / "run.json").stat().st_size


def test_quiet_is_quiet(tmp_path, screen, capsys):
    from makespan.cli import main

    (tmp_path / "pipeline.py").write_text(PIPELINE)
    shown = screen()
    main(["run", f"{tmp_path / 'pipeline.py'}:pipeline", "--live", "-q", "-o", str(tmp_path / "run.json")])
    assert shown.getvalue() == ""
