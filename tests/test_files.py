"""Files are old or new, never torn; nothing of somebody else's is overwritten."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from makespan import OptionError, PlanError
from makespan.files import ensure_replaceable, locked, read_bytes, write_atomic


def left_over(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


# -- writing ------------------------------------------------------------------------------------------------


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("a.json", b"x")
    assert (tmp_path / "a.json").read_bytes() == b"x"


@pytest.mark.parametrize("fault", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    "raised", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"]
)
def test_a_fault_at_any_step_leaves_the_old_file(tmp_path, monkeypatch, fault, raised):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def fail(*_):
        raise raised

    with monkeypatch.context() as patched:
        if fault == "write":

            class Full:
                def __init__(self, descriptor, *_):
                    self.descriptor = descriptor

                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    os.close(self.descriptor)

                write = fail

            patched.setattr("makespan.files.open", Full, raising=False)
        else:
            patched.setattr(os, fault, fail)
        with pytest.raises(OptionError if isinstance(raised, OSError) else KeyboardInterrupt) as caught:
            write_atomic(path, b"new")
    if isinstance(raised, OSError):
        assert str(caught.value) == f"{path}: cannot write: No space left on device"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_process_killed_before_the_rename_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    code = (
        "import os, sys\n"
        "from makespan.files import write_atomic\n"
        "os.replace = lambda *_: os._exit(9)\n"
        "write_atomic(sys.argv[1], b'new' * 100000)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert path.read_bytes() == b"old"
    assert len(left_over(tmp_path)) == 1
    write_atomic(path, b"new")  # what was left does not stand in the way
    assert path.read_bytes() == b"new"


def test_a_real_full_disk():
    with pytest.raises(OptionError, match="No space left"):
        write_atomic("/dev/full", b"x" * 100_000)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path):
    write_atomic("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomic(pipe, b"hello")
    reader.join()
    assert read == [b"hello"]
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)
    ensure_replaceable(pipe, "html")  # returns at once: a pipe is not read


@pytest.mark.parametrize("path", ["", ".", "/", "missing/a.json", "\0", "a" * 300, "file/a.json"])
def test_paths_that_cannot_be_written(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError):
        write_atomic(path, b"x")
    with pytest.raises(OptionError):
        ensure_replaceable(path, "makespan-plan")
    assert os.listdir(tmp_path) == ["file"]


def test_a_long_name_that_the_disk_allows(tmp_path):
    path = tmp_path / ("a" * 250)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_link_is_followed_and_permissions_are_kept(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "fresh.json", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "fresh.json").stat().st_mode) == 0o640


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "a.json"
    bodies = [bytes([65 + i]) * 200_000 for i in range(8)]
    torn, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            if path.exists() and path.read_bytes() not in bodies:
                torn.append(1)

    def write(body):
        for _ in range(5):
            write_atomic(path, body)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not torn
    assert path.read_bytes() in bodies
    assert os.listdir(tmp_path) == ["a.json"]


COUNT = """
import sys
from pathlib import Path
from makespan.files import locked, write_atomic

def count(path):
    for _ in range(20):
        with locked(path):
            write_atomic(path, str(int(path.read_bytes()) + 1).encode())

if __name__ == "__main__":
    count(Path(sys.argv[1]))
"""


def test_locked_holds_other_threads_and_processes_out(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    here: dict = {"__name__": "here"}
    exec(COUNT, here)
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(2)]
    threads = [threading.Thread(target=here["count"], args=(path,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert path.read_text() == "80"
    assert os.listdir(tmp_path) == ["count"]


def test_locked_is_free_after_a_fault_and_refuses_a_missing_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), locked(tmp_path / "a"):
            raise RuntimeError
    with pytest.raises(OptionError, match="No such file"), locked(tmp_path / "missing" / "a"):
        pass
    with pytest.raises(OptionError), locked("\0/a"):
        pass


# -- what may be replaced -----------------------------------------------------------------------------------

CONTENTS = {
    "makespan-plan": b'{\n "format": "makespan-plan/1",\n',
    "makespan-profile": b'{"format": "makespan-profile/7"}',
    "makespan-run": b'{ "format": "makespan-run/1" }',
    "html": b"\n<!DOCTYPE html><html>",
    "png": b"\x89PNG\r\n\x1a\n",
    "svg": b'<?xml version="1.0"?><svg>',
    "pdf": b"%PDF-1.4",
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("content", CONTENTS)
def test_only_a_file_of_the_same_kind_is_replaced(tmp_path, kind, content):
    path = tmp_path / "file"
    path.write_bytes(CONTENTS[content])
    if kind == content:
        ensure_replaceable(path, kind)
    else:
        with pytest.raises(OptionError, match=rf"other than a {kind} file.*-f overwrites it"):
            ensure_replaceable(path, kind)
    ensure_replaceable(path, kind, force=True)
    assert path.read_bytes() == CONTENTS[content]


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b'{"name": "x"}',
        b'{"name": "\\"format\\": \\"makespan-plan/1", "format": "mine"}',
        b'# see "format": "makespan-plan/1"',
        b"\xff\xfe",
    ],
)
def test_somebodys_own_file_is_not_replaced(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for kind in CONTENTS:
        with pytest.raises(OptionError, match="-f overwrites it"):
            ensure_replaceable(path, kind)


def test_missing_and_empty_files_are_written(tmp_path):
    ensure_replaceable(tmp_path / "new.json", "makespan-plan")
    (tmp_path / "empty").write_bytes(b" \n")
    ensure_replaceable(tmp_path / "empty", "png")
    ensure_replaceable("/dev/null", "makespan-plan")


def test_folders_and_missing_folders_are_refused_even_with_force(tmp_path):
    with pytest.raises(OptionError, match="is a folder"):
        ensure_replaceable(tmp_path, "html", force=True)
    with pytest.raises(OptionError, match=r"its folder does not exist.*mkdir -p"):
        ensure_replaceable(tmp_path / "a" / "b", "html", force=True)


def test_what_may_not_be_written_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    path.write_bytes(CONTENTS["makespan-plan"])
    for closed in (path, tmp_path):
        monkeypatch.setattr(os, "access", lambda p, _, closed=closed: os.fspath(p) != os.fspath(closed))
        with pytest.raises(OptionError, match="permission denied"):
            ensure_replaceable(path, "makespan-plan", force=True)


# -- reading ------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "missing", "\0"):
        with pytest.raises(PlanError, match="cannot be read") as caught:
            read_bytes(path, PlanError)
        assert caught.value.where == str(path)


def test_standard_input(monkeypatch):
    code = (
        "from makespan.files import read_bytes; from makespan import PlanError;"
        "import sys; sys.stdout.buffer.write(read_bytes('-', PlanError))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"\xff{}", capture_output=True, check=True)
    assert done.stdout == b"\xff{}"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(PlanError, match="no standard input"):
        read_bytes("-", PlanError)


def test_a_missing_file_is_told_with_what_may_be_meant(tmp_path):
    (tmp_path / "planned.json").touch()
    (tmp_path / "runs.csv").touch()
    for name, hint in (
        ("planed.json", "did you mean 'planned.json'?"),
        ("run.json", "'makespan run' writes one"),
        ("other.json", None),
        ("nowhere/run.json", "'makespan run' writes one"),
    ):
        with pytest.raises(OptionError, match="No such file") as caught:
            read_bytes(tmp_path / name, OptionError)
        assert caught.value.hint == hint
    with pytest.raises(OptionError, match="cannot be written"):
        ensure_replaceable("\ud800", "html")
    with pytest.raises(OptionError, match="a file is needed"):
        read_bytes("", OptionError)
