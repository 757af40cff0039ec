"""Type checkers see a decorated function's own signature."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

SNIPPET = """
from typing import assert_type

from makespan import DAG, Hooks, LogHooks, dag, node


@node
def fetch(url: str, retries: int = 3) -> bytes:
    return b""


@node(lock="matplotlib", outputs=2)
def split(page: bytes) -> tuple[str, str]:
    return "", ""


@dag
def news(url: str, *, size: int = 1) -> tuple[bytes, str]:
    page = fetch(url)
    head, tail = split(page)
    assert_type(page, bytes)
    assert_type(head, str)
    return page, tail


@dag(name="other")
def other(url: str) -> list[bytes]:
    return [fetch(url), news(url)[0]]


@node
async def ask(url: str) -> int:
    return 1


@node(retries=2, timeout_s=5.0, mode="thread", cache=str)
async def ask_again(url: str) -> int:
    return 1


@dag
def numbers(url: str) -> list[int]:
    found = ask(url)
    assert_type(found, int)
    return [found, ask_again(url), ask_again.options(when=found, retry_on=OSError)(url)]


class Shop:
    @node
    def price(self, item: str) -> float:
        return 1.0


assert_type(fetch("u"), bytes)
assert_type(fetch("u", retries=2), bytes)
assert_type(split(b""), tuple[str, str])
assert_type(fetch.options(name="first", after=["x"])("u"), bytes)
assert_type(news("u", size=2), tuple[bytes, str])
assert_type(other("u"), list[bytes])
assert_type(Shop().price("x"), float)
assert_type(news.run("u").makespan_s, float)

by_hand = DAG("by hand")
by_hand.returns(by_hand.add(len, by_hand.input("x")))
answer = by_hand("abc")

by_hand.add(len, "abc", name="again", after=["len"], when=True, kwargs={}, setup=True)



async def main() -> None:
    assert_type(await news.acall("u", size=2), tuple[bytes, str])
    print(await ask.__wrapped__("u"))
    assert_type((await news.arun("u", timeout_s=2.5)).makespan_s, float)


class Progress(Hooks):
    def on_end(self, node: str, wall_s: float) -> None: ...


fast = news.prepare("plan.json", 4, targets=fetch, without="split", given={"fetch": b""}, on_error="continue")
news.run("u", hooks=[Progress(), LogHooks()], roots=["fetch", split], allow_stale=True, drift=True)
assert_type(news.cache_info()["fetch"].hits, int)
news.setup()
news.clear_cache("fetch")

fetch(5)  # wrong
fetch("u", tries=2)  # wrong
fetch()  # wrong
split("page")  # wrong
news(5)  # wrong
news("u", 2)  # wrong
news("u", width=2)  # wrong
other("u", "v")  # wrong
Shop().price(5)  # wrong
fetch.options(named="x")  # wrong
node(locks="x")  # wrong
node(when=True)  # wrong
node(mode="quick")  # wrong
by_hand.add(len, retry=1)  # wrong
ask(5)  # wrong
news.prepare(on_error="go on")  # wrong
news.run("u", hooks=5)  # wrong
dag(nome="x")  # wrong
text: str = fetch("u")  # wrong
number: int = news("u")  # wrong
"""
WRONG = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")}


@pytest.fixture
def snippet(tmp_path):
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET)
    return path


def checked(command, snippet):
    """Return (line → messages, all output)."""
    tool = shutil.which(command[0], path=BIN)
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [tool, *command[1:]], cwd=snippet.parent, capture_output=True, text=True, check=False
    )
    found: dict[int, list[str]] = {}
    for line, message in re.findall(r"snippet\.py:(\d+)(?::\d+)?(?: -|:) error: (.*)", done.stdout):
        found.setdefault(int(line), []).append(message)
    return found, done.stdout + done.stderr


def test_mypy_sees_the_signatures(snippet):
    config = snippet.with_name("mypy.ini")
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT / 'runtime'}\n")
    command = ["mypy", "--config-file", str(config), "--cache-dir", str(snippet.parent), str(snippet)]
    found, output = checked(command, snippet)
    assert set(found) == WRONG, output


def test_pyright_sees_the_signatures(snippet):
    config = snippet.with_name("pyrightconfig.json")
    config.write_text(
        f'{{"extraPaths": ["{ROOT / "runtime"}"], "pythonVersion": "3.11", "typeCheckingMode": "strict"}}'
    )
    found, output = checked(["pyright", "--project", str(config), "--pythonpath", sys.executable], snippet)
    assert set(found) == WRONG, output
