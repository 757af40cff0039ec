"""The pages and pictures of the gallery: what is run for them, and which files come of it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COLOURS = 64
DPI = 90
PAGES = ("order", "gil")
"""Of these problems a page is kept; of the others a picture is enough."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from makespan import DAG
    from makespan.run import Run


class Item(NamedTuple):
    """A part of the gallery: a heading, and words in Markdown with the files that they name."""

    title: str
    words: str


def demo(folder: Path) -> Item:
    """Run the demo, and draw all that there is to draw of it."""
    import makespan
    from makespan_optimizer.demo import demo as play

    with tempfile.TemporaryDirectory() as work:
        found = play(work, say=_say)
        made = Path(work)
        record = makespan.load_record(made / "run.json")
        profile = makespan.load_profile(made / "profile.json")
        _page(folder / "report.html", record, profile)
        _picture(folder / "gantt.png", makespan.plot_gantt(record))
        _picture(folder / "utilisation.png", makespan.plot_utilisation(record))
        _picture(folder / "what_if.png", makespan.plot_what_if(record))
        _picture(folder / "profile.png", makespan.plot_profile(profile))
        text = found.text().split("\nIn ")[0]
    return Item(
        "The demo",
        "`makespan demo`: some 37 nodes that survey the standard library on the disk. "
        "[The page](demo/report.html) has the Gantt with zoom, every node, and why lanes stood idle.\n\n"
        "![Gantt of the demo](demo/gantt.png)\n\n"
        f"```\n{text}\n```\n\n"
        "What was measured of each node, cores and GIL over time, and other thread budgets:\n\n"
        "![Profile](demo/profile.png)\n\n![Cores and GIL](demo/utilisation.png)\n\n"
        "![What if](demo/what_if.png)",
    )


def problems(folder: Path) -> Item:
    """Run the five problems of threads without care and by a plan, and lay the runs beside one another."""
    import makespan
    from makespan.showing.report import pair_of, render

    examples = _examples()
    lines = ["| problem | without care | by the plan | lower bound | |", "|---|---|---|---|---|"]
    for its in examples.PROBLEMS:
        _say(f"problem: {its.name}")
        profile = its.its.profile(runs=2, trials_limit_s=150 * examples.UNIT_S)
        plan = profile.optimize(threads=its.threads, time_limit_s=15 * examples.UNIT_S)
        before = _median(its.careless, threads=its.careless_threads)
        after = _median(its.its, plan=plan)
        link = f"[picture](problems/{its.name}.png)"
        if its.name in PAGES:
            _write(folder / f"{its.name}.html", render(pair_of(before.record, after.record), "html"))
            link = f"[page](problems/{its.name}.html), {link}"
        _picture(folder / f"{its.name}.png", makespan.plot_gantt(after))
        lines.append(
            f"| {its.name} | {before.makespan_s:.2f} s ({its.how}) | {after.makespan_s:.2f} s "
            f"| {plan.lower_bound_s:.2f} s ({plan.binding}) "
            f"| {link} |"
        )
    return Item(
        "Five problems of threads",
        "`examples/five_problems.py`: five small DAGs that show why threads are hard, each run without care "
        "and by a plan; the pages lay the two runs under one another.\n\n" + "\n".join(lines),
    )


def live(folder: Path) -> Item:
    """Look at a run a few times while it goes on."""
    import threading
    import time

    from makespan.engine.recording import Recording
    from makespan.showing.live.glance import glance_at, scene_of
    from makespan.showing.live.screen import draw

    survey = _example("stdlib_survey").survey
    plan = survey.profile(runs=1, trials=False).optimize(threads=3, time_limit_s=2.0)
    prepared = survey.prepare(plan)
    recording = Recording(prepared, (), {})
    frames: list[str] = []
    trace = recording._trace  # noqa: SLF001 (as the view has it)
    execution = recording.begin()
    begun = trace.clock()
    running = threading.Thread(target=execution.run)
    running.start()
    while running.is_alive():
        time.sleep(plan.makespan_s / 4)
        frames.append(draw(glance_at(scene_of(prepared), trace, begun, trace.clock()), 110, 24).plain)
    running.join()
    recording.close()
    text = "\n\n".join(frames[:4])
    _write(folder / "frames.txt", f"{text}\n".encode())
    return Item(
        "A run while it goes on",
        "`makespan run --live`, or `dag.run(progress=True)`, in a terminal, at three moments "
        "([text](live/frames.txt)):\n\n```\n" + "\n\n".join(frames[:3]) + "\n```",
    )


def tawazi(folder: Path) -> Item:
    """Run a pipeline written for Tawazi as it was, and by a plan."""
    import makespan
    from makespan.showing.report import pair_of, render

    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "benchmarks/tawazi_before_after.py", "--report", work]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        before, after = (makespan.load_record(Path(work) / f"{name}.json") for name in ("before", "after"))
        _write(folder / "before_after.html", render(pair_of(before, after), "html"))
    return Item(
        "From Tawazi",
        "`python benchmarks/tawazi_before_after.py`: a pipeline written for Tawazi as it was, with our "
        "configuration, and run here. [The page](tawazi/before_after.html) lays the first and the last under "
        f"one another.\n\n```\n{done.stdout.rstrip()}\n```",
    )


ITEMS: dict[str, Callable[[Path], Item]] = {
    "demo": demo,
    "problems": problems,
    "live": live,
    "tawazi": tawazi,
}


def _example(name: str) -> Any:
    """Import an example as a reader does, from its folder."""
    from importlib import import_module

    folder = str(ROOT / "examples")
    sys.path.insert(0, folder)
    try:
        return import_module(name)
    finally:
        sys.path.remove(folder)


def _examples() -> Any:
    return _example("five_problems")


def _median(its: DAG[..., Any], repeats: int = 3, **how: Any) -> Run:
    """Run a few times, measured, and return the run of median makespan."""
    runs = [its.run(measure=True, **how) for _ in range(repeats)]
    return sorted(runs, key=lambda run: run.makespan_s)[repeats // 2]


def _page(path: Path, record: Any, profile: Any) -> None:
    from makespan.showing.report import render, report_of

    _write(path, render(report_of(record, profile=profile), "html"))


def _picture(path: Path, axes: Axes) -> None:
    """Write a picture of a few colours."""
    from PIL import Image

    out = io.BytesIO()
    figure: Any = axes.figure
    figure.savefig(out, format="png", dpi=DPI)
    small = io.BytesIO()
    picture = Image.open(out).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(small, "png", optimize=True)
    _write(path, small.getvalue())


def _write(path: Path, data: bytes) -> None:
    from makespan.files import write_atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(os.fspath(path), data)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
