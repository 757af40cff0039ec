"""The fingerprint: the same wherever and however a DAG is imported; another one when the DAG is another."""

from __future__ import annotations

import functools
import operator
import os
import subprocess
import sys
from pathlib import Path

import pytest

from makespan import DAG, dag, node
from makespan.fingerprints.fingerprint import location, relative, relative_place

PIPELINE = """
from makespan import dag, node

class Reader:
    def __call__(self, x):
        return x

def plain(x):
    return x

@node(lock=["b", "a"])
def fetch(x):
    return x

@node
def render(x, *, size=1):
    return x

@dag
def news(url):
    pages = [fetch(url) for _ in range(5)]
    done = [render(page, size=3) for page in pages]
    return {"done": done, "last": render.options(after=set_of_names(done))(url)}

def set_of_names(done):
    return {"render", "render_2", "render_3"}

news.check()
fingerprint = news.fingerprint
if __name__ == "__main__":
    print(fingerprint)
"""


def run(arguments, cwd, seed="0", path=""):
    """Run Python on the installed package or on this one, in a folder and with a seed of hashes."""
    paths = os.pathsep.join(filter(None, [path, str(Path(__file__).parent.parent / "runtime")]))
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path):
    package = tmp_path / "home" / "project" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "pipeline.py").write_text(PIPELINE)
    return package


def test_the_same_in_every_process_folder_and_way_of_import(project, tmp_path):
    top = project.parent
    show = "import shop.pipeline as p; print(p.fingerprint)"
    found = {
        run(["-c", show], top, seed="1"),
        run(["-c", show], top, seed="2"),
        run(["-c", show], tmp_path, seed="random", path=str(top)),
        run(["-c", show], tmp_path, path="home/project"),
        run(["-m", "shop.pipeline"], top),
        run([str(project / "pipeline.py")], tmp_path),
        run(["pipeline.py"], project),
        run(["shop/../shop/pipeline.py"], top),
        run(["-c", f"import os; os.chdir('/'); {show}"], tmp_path, path=str(top)),
    }
    elsewhere = tmp_path / "elsewhere"
    os.rename(tmp_path / "home", elsewhere)
    found.add(run(["-c", show], elsewhere / "project"))
    link = tmp_path / "link"
    link.symlink_to(elsewhere / "project")
    found.add(run(["-c", show], tmp_path, path=str(link)))
    assert len(found) == 1
    assert found.pop().startswith("sha256:")


def test_lines_and_bodies_do_not_matter_names_edges_and_functions_do(project):
    def again(old="", new=""):
        assert old in PIPELINE
        (project / "pipeline.py").write_text(PIPELINE.replace(old, new, 1))
        return run(["-m", "shop.pipeline"], project.parent)

    before = again()
    assert again("from makespan", "# a comment\n\nfrom makespan") == before
    assert again("return x\n\n@dag", "return x + 0\n\n@dag") == before
    assert again('lock=["b", "a"]', "") == before
    assert again("size=3", "size=4") == before
    assert again("range(5)", "range(6)") != before
    assert again('"render_3"}', "}") != before  # an edge
    assert again("(page, size=3)", "(url, size=3)") != before  # edges
    assert again("render.options(", "render.options(name='last', ") != before
    fetch = '@node(lock=["b", "a"])\ndef fetch(x):\n    return x\n'
    other = "def other(x):\n    return x\n\nother.__name__ = 'fetch'\nfetch = node(other)\n"
    assert again(fetch, other) != before  # the same names and edges, another function


def test_declaration_order_does_not_matter():
    def made(order):
        d = DAG()
        for name in order:
            d.add(len, "", name=name, after=["c"] if name != "c" else ())
        return d.fingerprint

    assert made("abc") == made("cba") == made("bca")


def test_another_name_edge_or_function():
    def made(fn=len, name="b", after=("a",)):
        d = DAG()
        d.add(len, "", name="a")
        d.add(fn, "", name=name, after=after)
        return d.fingerprint

    assert made() == made()
    assert len({made(), made(fn=list), made(name="c"), made(after=())}) == 4


def test_it_is_remembered_until_the_dag_changes():
    d = DAG()
    d.add(len, "")
    first = d.fingerprint
    assert d.fingerprint is first
    d.add(len, "")
    assert d.fingerprint != first


class Caller:
    def __call__(self):
        pass

    def method(self):
        pass

    @staticmethod
    def static():
        pass


@functools.wraps(len)
def wrapped_once():
    pass


def decorated(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        return fn(*args)

    return wrapper


def plain():
    pass


def test_locations():
    here = "test_fingerprint.py"
    assert location(plain) == f"{here}:plain"
    assert location(functools.partial(functools.partial(plain))) == f"{here}:plain"
    assert location(decorated(decorated(plain))) == f"{here}:plain"
    assert location(functools.lru_cache(plain)) == f"{here}:plain"
    assert location(functools.partial(functools.lru_cache(decorated(plain)))) == f"{here}:plain"
    assert location(Caller) == location(Caller())
    assert location(Caller()).endswith(":Caller")
    assert location(Caller().method) == f"{here}:Caller.method"
    assert location(Caller.static) == f"{here}:Caller.static"
    assert location(lambda: 0) == f"{here}:test_locations.<locals>.<lambda>"
    assert location(wrapped_once) == "builtins:len"
    assert location(len) == "builtins:len"
    assert location(operator.add) == "_operator:add"
    assert location("a".join) == "builtins:str.join"
    assert location(dict) == "builtins:dict"
    assert location(operator.itemgetter(1)) == location(operator.itemgetter)
    assert location(node(plain)) == f"{here}:plain"
    assert location(dag(plain)) == f"{here}:plain"


def test_functions_of_numpy_are_told_apart():
    numpy = pytest.importorskip("numpy")
    assert len({location(numpy.add), location(numpy.multiply), location(numpy.sort)}) == 3


def test_what_claims_to_wrap_itself():
    class Snake:
        @property
        def __wrapped__(self):
            return self

        def __call__(self): ...

    assert location(Snake()).endswith("Snake")


def test_paths_are_relative_to_the_package(project, tmp_path, monkeypatch):
    assert relative(str(project / "pipeline.py")) == "shop/pipeline.py"
    loose = tmp_path / "script.py"
    loose.write_text("")
    assert relative(str(loose)) == "script.py"
    link = tmp_path / "other_name.py"
    link.symlink_to(loose)
    assert relative(str(link)) == "other_name.py"  # links are not followed
    monkeypatch.chdir(tmp_path)
    assert relative("script.py") == "script.py"
    assert relative("<stdin>") == "<stdin>"
    assert relative("<string>") == "<string>"
    assert relative(str(tmp_path / "gone" / "lost.py")) == "lost.py"
    assert relative_place(f"{project / 'pipeline.py'}:41") == "shop/pipeline.py:41"
    assert relative_place("") == ""


def test_the_cells_of_a_notebook_are_one_file():
    cells = {"/tmp/ipykernel_12/1.py", "/tmp/ipykernel_99/77.py", "<ipython-input-3-abc>"}
    assert {relative(cell) for cell in cells} == {"<notebook>"}


def test_a_thousand_nodes_look_at_each_file_once(monkeypatch):
    asked = []
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: asked.append(path) or exists(path))
    d = DAG()
    for _ in range(1000):
        d.add(plain)
    d.fingerprint  # noqa: B018
    assert len(asked) < 20


def test_names_of_any_character():
    d = DAG()
    d.add(len, "", name="a\n→ 日本 'x'")
    assert len(d.fingerprint) == len("sha256:") + 64
    assert Path(__file__).name in location(plain)
