"""What the tests of the command line share: a folder with a small pipeline, and a way to run a verb in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SCRIPT = str(Path(sys.executable).parent / "makespan")

PIPELINE = '''\
"""A pipeline of five nodes that take no time."""

from makespan import dag, node


@node
def fetch(url, fail=False):
    if fail:
        raise LookupError(f"nothing at {url}")
    return url.upper()


@node
def parse(page):
    return page.split("/")


@node(lock="pen")
def render(page, size):
    print("a word of the user's")
    return page * size


@node
def collect(parts, pictures):
    return len(parts), [len(picture) for picture in pictures]


@dag
def news(url="a/b", fail=False):
    page = fetch(url, fail)
    return collect(parse(page), [render(page, 1), render(page, 2)])
'''


class Outcome(NamedTuple):
    """How a verb ended."""

    code: int
    out: str
    err: str


def run_process(
    *words: str,
    folder: Path,
    module: bool = False,
    environment: dict[str, str] | None = None,
    **options,
) -> Outcome:
    """Run the console script (or ``python -m makespan``) in a process of its own."""
    done = subprocess.run(
        command(*words, module=module),
        cwd=folder,
        env=clean_environment(environment),
        capture_output=options.pop("capture_output", True),
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    return Outcome(done.returncode, done.stdout or "", done.stderr or "")


def command(*words: str, module: bool = False) -> list[str]:
    """Return the words that start makespan."""
    return [*([sys.executable, "-m", "makespan"] if module else [SCRIPT]), *words]


def clean_environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return this environment without what would change the outcome."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("MAKESPAN_") and k not in {"NO_COLOR", "PYTHONPATH"}
    }
    return kept | (more or {})


def listen_to_ctrl_c() -> None:
    """For a child of a shell that ignores SIGINT (a background job)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
