"""Functions that run in worker processes: at the top level of a module, as users write them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from makespan import node


def total(i, *got):
    """A node of a random DAG: its number and what it takes."""
    return i + 3 * sum(got)


def where(*_):
    """The process that it runs in."""
    return os.getpid()


def same(value, *_):
    return value


def length_and_where(value):
    return len(value), os.getpid()


def goes_to(folder):
    """Where it was called, before it went."""
    before = os.getcwd()
    os.chdir(folder)
    return before


def forks_and_returns():
    """The process that it runs in; a child of it returns too."""
    me = os.getpid()
    if os.fork():
        os.wait()
    return me


def arrays(size):
    import numpy as np

    return np.ones(size)


@node(mode="process")
def square(x):
    return x * x


class Told(Exception):
    """It pickles, with what it was given beside its text."""

    def __init__(self, text, code=0):
        super().__init__(text)
        self.code = code


class Fussy(Exception):
    """It does not unpickle: its arguments are not those of its making."""

    def __init__(self, left, right):
        super().__init__(f"{left} and {right}")


class Changed(Exception):
    """It unpickles to another text."""

    def __init__(self, text):
        super().__init__(f"<{text}>")


class Leaving(Exception):
    """It ends the interpreter when it is pickled, as far as it can."""

    def __reduce__(self):
        sys.exit(5)


class Silent(BaseException):
    """Not an Exception, and false."""

    def __bool__(self):
        return False


def raises(what, *_):
    """Raise it, from a frame that a traceback should show."""
    if what == "told":
        raise Told("no", code=7) from KeyError("a cause")
    if what == "fussy":
        raise Fussy(1, 2)
    if what == "changed":
        raise Changed("x")
    if what == "leaving":
        raise Leaving("x")
    if what == "local":

        class Local(Exception):
            pass

        raise Local("made here")
    if what == "unpicklable":
        error = ValueError("holds a lock")
        error.lock = threading.Lock()
        raise error
    if what == "silent":
        raise Silent("quiet")
    if what == "exit":
        sys.exit(4)
    if what == "group":
        raise ExceptionGroup("two", [Told("a"), ValueError("b")])
    return what


def dies(how, *_):
    """End the process that it runs in."""
    if how == "exit":
        os._exit(3)
    if how == "once":
        return None
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(10)
    return None


def dies_once(folder, *_):
    """End its process the first time that it is called."""
    flag = Path(folder, "called")
    if not flag.exists():
        flag.touch()
        os._exit(5)
    return "second"


def sleeps(seconds, folder=None):
    if folder is not None:
        Path(folder, "started").write_text(str(os.getpid()))
    time.sleep(seconds)
    return "slept"


def makes_generator(*_):
    return (i for i in range(3))


class Stays:
    """It may be passed on, but not to another process."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        raise TypeError("it stays where it is")


def staying(value):
    return Stays(value)


def opened(stays, *more):
    return stays.value + sum(more)


class Vanishes:
    """It cannot be unpickled."""

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise OSError("not here")


def vanishing(*_):
    return Vanishes()


marks = []


def mark(word):
    marks.append(word)


def seen(*_):
    """What the initializer left, and the environment of native libraries."""
    return list(marks), os.environ.get("OMP_NUM_THREADS"), os.getcwd()


def environment(*_):
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")}


def writes(array):
    """Change what was taken, and return it."""
    array[0] = -1
    return array


def busy(seconds):
    """Hold the GIL for so many seconds of CPU time."""
    until = time.thread_time() + seconds
    n = 0
    while time.thread_time() < until:
        n += 1
    return n > 0


def prints(word):
    print(word)
    return word


def runs_a_dag(x):
    """A node that runs a DAG with a node for a worker process."""
    from makespan import DAG

    inner = DAG("inner")
    inner.returns(inner.add(where, mode="process"))
    return os.getpid() == inner() and x


def interrupts_itself(*_):
    """Return that it goes on after Ctrl-C, and how a program ends that it starts and interrupts."""
    os.kill(os.getpid(), signal.SIGINT)
    program = subprocess.Popen(["sleep", "60"])
    program.send_signal(signal.SIGINT)
    return True, program.wait(30)


def forks(*_):
    """Leave a child that holds what this process had open."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os._exit(6)
