"""The documentation: its code runs, its commands exist, its messages are those that are printed."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

import makespan
from benchmarks.pipeline_rows import Row
from makespan.cli import main
from makespan.cli.parser import SUBVERBS, VERBS, UsageError, verb_module, verb_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
# These have tests of their own, which run all of their code.
ELSEWHERE = {"tawazi.md", "other_libraries.md", "tables_and_exports.md"}

PIPELINE = """
import time

from makespan import dag, node


@node
def load():
    time.sleep(0.01)
    return 3


@node
def double(x):
    return 2 * x


@dag
def steps():
    return double(load())
"""


def blocks(page):
    """Return (language, code) of each fenced block."""
    return re.findall(r"```(\w+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def prose(page):
    return re.sub(r"```\w*\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def bash(code, folder):
    """Run commands as they are pasted, with this interpreter's makespan."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in ELSEWHERE], ids=lambda p: p.name)
def test_every_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAKESPAN_SAMPLER", "clocks")  # quicker
    monkeypatch.setenv("MAKESPAN_TIME_LIMIT", "1")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    names: dict[str, object] = {}
    for language, code in blocks(page):
        if language == "python" and (named := re.match(r"# (\w+\.py)\n", code)):
            (tmp_path / named[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            exec(compile(code.replace("time_limit_s=30", "time_limit_s=1"), page.name, "exec"), names)
        elif language == "bash":  # in this process: to start one takes longer than what is tried
            for line in code.splitlines():
                words = shlex.split(line)
                assert words[0] == "makespan"
                assert main(words[1:]) == 0, line
        else:
            assert language in {"text", "yaml"}, f"{page.name} has a block that nobody tests: {language}"
    for name in {"steps", "pipeline"} & (set(sys.modules) - before):
        del sys.modules[name]


# -- commands ------------------------------------------------------------------------------------------------


def commands():
    """Yield (page, words) of each command of makespan: in the text, in blocks, in workflows."""
    for page in PAGES:
        if page.name in ELSEWHERE:
            continue
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"`(makespan [^`\n]+)`", prose(page))
        found += re.findall(r"^[ \t]*(makespan [^\n]+)$", text, re.MULTILINE)
        found += re.findall(r"(?:&& |run: )(makespan [^\n)]+)", text)
        for command in found:
            yield page.name, command


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_every_command_exists(page, command):
    words = shlex.split(command.replace("…", " "))[1:]
    verb = words[0] if " ".join(words[:2]) not in SUBVERBS else " ".join(words[:2])
    assert verb in {*VERBS, *SUBVERBS}, command
    if any(word.startswith("-") for word in words):
        fault = ""
        try:
            verb_parser(verb, verb_module(verb)).read(words[len(verb.split()) :])
        except UsageError as error:
            fault = str(error)
        assert not fault or "arguments are required" in fault  # a word that is left out in running text


def test_there_are_commands():
    assert len(set(commands())) > 25


def test_every_option_that_is_named_exists():
    known = {
        option
        for verb in [*VERBS, *SUBVERBS]
        for option in verb_parser(verb, verb_module(verb))._option_string_actions
    }
    for page in PAGES:
        for option in re.findall(r"`(--[\w-]+)[^`]*`", prose(page)):
            assert option in known | {"--cap-add"}, f"{page.name}: {option}"


# -- messages ------------------------------------------------------------------------------------------------


@cache
def literals():
    """Return all texts of the sources, with … in the places that are filled in."""
    found = []
    for file in [*(ROOT / "runtime").rglob("*.py"), *(ROOT / "optimizer").rglob("*.py")]:
        for its in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(its, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in its.values]
                found.append("".join(parts))
            elif isinstance(its, ast.Constant) and isinstance(its.value, str):
                found.append(its.value)
    return found


def printed(message):
    """Whether some source holds all of a message, whatever stands for its …."""
    pattern = re.compile(".*".join(map(re.escape, message.strip("… ").split("…"))), re.DOTALL)
    return any(pattern.search(text) for text in literals())


def quoted():
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    table = text.partition("| reason | what to do |")[2].partition("\n\n")[0]
    reasons = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return [*re.findall(r"^> (.+)$", text, re.MULTILINE), *(its for its in reasons if "---" not in its)]


@pytest.mark.parametrize("message", quoted())
def test_every_message_is_printed_somewhere(message):
    if message.startswith("… needs … (pip"):
        message = "… needs …"  # the hint is put together
    assert printed(message)


def test_a_message_that_nobody_prints_is_noticed():
    assert len(quoted()) > 25
    assert not printed("the sampler is asleep")
    assert printed("other processes take … of the cores: the figures will be noisy")


# -- links, and the site -------------------------------------------------------------------------------------


def test_links_and_pictures_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w.-]+)?\)", prose(page)):
            if not target.startswith("https://"):
                assert (DOCS / target).exists(), f"{page.name}: {target}"


def test_every_page_stands_in_the_navigation_and_nothing_is_fetched():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert sorted(re.findall(r": (\w+\.md)$", text, re.MULTILINE)) == [page.name for page in PAGES]
    assert "font: false" in text
    for file in [*PAGES, *(DOCS / "img").iterdir(), ROOT / "mkdocs.yml"]:
        body = file.read_text(encoding="utf-8")
        assert not re.findall(r"(?:src|href)=\"?https?:|!\[[^]]*\]\(https?:|```mermaid|@import", body), file


def test_the_reference_has_all_public_names():
    named = re.findall(r"^::: ([\w.]+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) == len(set(named))
    for name in named:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            home, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(home), attribute), name
    ends = {name.rpartition(".")[2] for name in named}
    errors = importlib.import_module("makespan.errors")
    missing = [n for n in makespan.__all__ if n not in ends | {"__version__"} and not hasattr(errors, n)]
    assert missing == []


def test_the_site_builds_without_network(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    # Every attempt to open a connection, or to look a name up, raises.
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise OSError('no network here')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from mkdocs.__main__ import cli\n"
        "cli(['build', '--strict', '-q', '-f', *sys.argv[1:]])\n"
    )
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    words = [sys.executable, "-c", code, str(ROOT / "mkdocs.yml"), "-d", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    html = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "site").glob("*.html"))
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//", html)
    assert 'id="makespan.graph.DAG.tune"' in html


# -- the workflow --------------------------------------------------------------------------------------------


def workflow():
    yaml = pytest.importorskip("yaml")
    text = (DOCS / "ci.md").read_text(encoding="utf-8")
    return yaml.safe_load(next(code for language, code in blocks(DOCS / "ci.md") if language == "yaml")), text


def test_the_workflow_is_whole():
    body, _ = workflow()
    (job,) = body["jobs"].values()
    assert body[True] == "pull_request"  # YAML 1.1 takes `on` for a yes
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)


def test_the_commands_of_the_workflow_run(tmp_path, monkeypatch):
    (job,) = workflow()[0]["jobs"].values()
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.py").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path / "new")
    assert main(["profile", "pipeline.py", "--runs", "1", "--sampler", "clocks", "--no-pairs", "-q"]) == 0
    assert main(["optimize", "profile.json", "--threads", "2", "--time-limit", "1", "-q"]) == 0
    sys.modules.pop("pipeline", None)
    shutil.copy("plan.json", "../old")
    for step in job["steps"]:
        if "run" in step and "pip install" not in step["run"]:
            code = step["run"].replace("1 2 3 4 5 6 7", "1 2")
            done = bash(code, tmp_path)
    assert "3 more of a and 3 more of b are needed" in done.stderr


# -- tables --------------------------------------------------------------------------------------------------


def row(pipeline, engine, threads, median_s, **fields):
    return {
        "pipeline": pipeline,
        "engine": engine,
        "threads": threads,
        "order": 0,
        "median_s": median_s,
        "low_s": median_s * 0.98,
        "high_s": median_s * 1.02,
        "predicted_s": None,
        "bound_s": 0.8,
        **fields,
    }


ROWS = [
    row("api", "dask.threaded", 8, 0.5, stage=1),  # once, in the first stage: does not count
    row("api", "makespan tuned", 4, 1.0, stage=3, predicted_s=1.05, native="planned", plan="plan, 4 threads"),
    row("api", "dask.threaded", 4, 1.3, stage=3, native="one"),
    row("api", "dask.threaded", 2, 5.0, stage=3, native="default", default=True),
    row("api", "Tawazi", 1, 3.0, stage=3, native="default", default=True),
    row("api", "makespan default", 1, 3.6, stage=1, predicted_s=4.0),
    row("api", "one after the other", 1, 3.6, stage=3, native="default", default=True),
    row("full", "makespan tuned", 2, 2.0, predicted_s=2.0),
    row("full", "dask.threaded", 2, 2.2),
    row("full", "dask.threaded", 2, 2.01) | {"order": 3},
    row("full", "Tawazi", 2, 2.5),
    row("full", "joblib", 2, 1.0) | {"median_s": None, "error": "ValueError"},
]


@pytest.fixture
def made(tmp_path):
    """Make the tables of rows, and return (exit code, page, stderr)."""
    shutil.copy(DOCS / "what_it_gives.md", tmp_path / "page.md")

    def make(text):
        (tmp_path / "rows.json").write_text(text)
        done = subprocess.run(
            [sys.executable, str(DOCS / "make_tables.py"), "rows.json", "--page", "page.md"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (tmp_path / "page.md").read_text(encoding="utf-8"), done.stderr

    return make


def test_tables_say_what_the_rows_say(made):
    code, page, _ = made(json.dumps(ROWS))
    assert code == 0
    best = "dask.threaded, 4 threads, one native thread"
    assert (
        f"| api | 1.00 s (0.98 … 1.02) | 1.30 s (1.27 … 1.33): {best} | 0.77 (0.75 … 0.79) | 23 % less |"
        in page
    )
    assert (
        "dask.threaded, 2 threads, lucky order 3 | 1.00 (0.97 … 1.02) | no difference shown | – |" in page
    )  # honest where nothing was gained
    assert "| api | – | 5.00 s; best 1.30 s | 3.00 s; best 3.00 s | 3.60 s; best 3.60 s |" in page
    assert "| api | 1.00 s (0.98 … 1.02) | 1.05 s | 800 ms | 0.90 | 0.95 | 1.39 |" in page
    assert "| full | 2.00 s (1.96 … 2.04) | 2.00 s | 800 ms | – | 1.00 | 2.50 |" in page
    assert "Not measured yet" not in page
    again = made("\n".join(json.dumps(its) for its in ROWS))  # a row a line; tables are replaced
    assert again[1] == page


def test_rows_of_the_benchmark_are_read_as_it_writes_them(made):
    turns = tuple(range(6))

    def final(engine, factor, **fields):
        seconds = tuple(factor * (1 + 0.1 * turn) for turn in turns)
        return Row(
            pipeline="api", engine=engine, threads=2, order=0, median_s=factor, native="one", stage=3, runs=6,
            turns=turns, seconds=seconds, default=False, **fields,
        )  # fmt: skip

    rows = [final("makespan tuned", 0.5, plan="plan, 2 threads"), final("dask.threaded", 1.0)]
    _, page, _ = made(json.dumps({"facts": {}, "rows": msgspec.to_builtins(rows), "notes": []}))
    assert "| 0.50 (0.50 … 0.50) | 50 % less | plan, 2 threads |" in page


def test_no_other_plan_stands_in_for_a_tuned_one(made):
    rows = [row("api", "makespan planned", 2, 0.7), row("api", "dask.threaded", 2, 1.5)]
    assert "| api | – | 1.50 s (1.47 … 1.53) | – | – | – |" in made(json.dumps(rows))[1]


def test_runs_of_the_same_turn_are_compared_together(made):
    load = [1.0, 2.0, 1.5, 3.0, 1.2, 2.5, 1.1]
    turns = list(range(7))
    rows = [
        row("api", "makespan tuned", 2, 1.2, turns=turns, seconds=[0.8 * value for value in load]),
        row("api", "dask.threaded", 2, 1.5, turns=turns, seconds=load),
    ]
    assert "| 0.80 (0.80 … 0.80) | 20 % less |" in made(json.dumps({"rows": rows}))[1]
    fewer = row("api", "dask.threaded", 2, 1.2, turns=turns[:5], seconds=load[:5])  # it ran less often
    rows[0] |= {"seconds": [0.8 * value for value in load[:5]] + [9.0, 9.0]}
    assert "| 0.80 (0.80 … 0.80) | 20 % less |" in made(json.dumps({"rows": [rows[0], fewer]}))[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "rows.json is not JSON"),
        ("[]", "rows.json holds no rows"),
        ('[{"pipeline": "a"}]', "rows.json: row 0 has no 'engine'"),
    ],
)
def test_rows_that_cannot_be_are_refused_and_the_page_stays(made, text, said):
    code, page, err = made(text)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert "Not measured yet" in page or "| pipeline |" in page
    assert page == (DOCS / "what_it_gives.md").read_text(encoding="utf-8")
