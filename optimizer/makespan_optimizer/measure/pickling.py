"""What it would cost to send a node's arguments or its result to another process, and whether they pickle.

::

    value ──pickle (protocol 5)──▶ stream + buffers ──copy──▶ stream + copies ──unpickle──▶ another value
          └──────────────── pickle_s ──────────────────────┘ └──────── unpickle_s ───────┘

Large arrays are handed out by the pickler as buffers (PEP 574) instead of being copied into the stream. A
process at the other end has no access to them, so one copy is made and timed on each side; `bytes` counts the
stream and the buffers. Seconds are net of run delay, as those of nodes are: it is not the value's doing when
other processes want the cores.

This runs code of the user's (``__reduce__``, ``__getstate__``, ``__setstate__``), once for each value, and
what that code does, prints or changes in its own object is its own affair. Hence:

- A limit of bytes and one of seconds, looked at whenever the pickler writes, hands out a buffer or comes to
  an object that is not a plain one. A single ``__reduce__`` that hangs cannot be stopped by this; Ctrl-C can.
- Whatever it raises is a reason, made of names of types; a value or a message is never kept. When the memory
  does not suffice, nothing is known of the value.
- Objects that stand for something of the system (files, sockets, what multiprocessing shares) are refused.
- The other value is never made when an object in it has a finalizer (to drop it would close or delete what
  the original still uses), or is of a type that announces itself elsewhere (figures, to pyplot).

It is the standard library's pickle that is asked: what needs cloudpickle (functions made in functions) counts
as not picklable.
"""

from __future__ import annotations

import io
import pickle
import socket
import time
import warnings
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.measurement import Pickling
from makespan_optimizer.measure.clocks import RunDelay
from makespan_optimizer.measure.size import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_BYTES = 256 << 20  # of one value
MAX_S = 2.0  # of one value, each way
ALL_S = 10.0  # of a whole profile
_NO_MEMORY = "there was not enough memory"
_NAME_CHARS = 120
_HANDLES = {io.IOBase.__base__, socket.socket}  # the first: of all files, those written in C too
_IN_MEMORY = {io.BytesIO, io.StringIO}  # values like others
_ANNOUNCED = {"matplotlib.figure.Figure"}  # unpickled, they become pyplot's current figure


class Limits(NamedTuple):
    """How much may be spent on one value."""

    bytes: int = MAX_BYTES
    seconds: float = MAX_S


class Picklings:
    """Measures values one after the other, within `all_s` seconds altogether.

    Parameters
    ----------
    limits : Limits
    all_s : float
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 (never changed)
        *,
        all_s: float = ALL_S,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._limits = limits
        self._all_s = all_s
        self._left_s = all_s
        self._clock = clock

    def measure(self, value: Any) -> Pickling:
        """Return what sending a value costs; only KeyboardInterrupt is raised."""
        if self._left_s <= 0:
            return _untried(f"{self._all_s:g} s were spent on other values")
        began = self._clock()
        try:
            return measure(value, self._limits, self._clock)
        finally:
            self._left_s -= self._clock() - began


def measure(
    value: Any,
    limits: Limits = Limits(),  # noqa: B008 (never changed)
    clock: Callable[[], float] = time.perf_counter,
) -> Pickling:
    """Pickle a value and unpickle it again; only KeyboardInterrupt is raised.

    >>> measure([1, 2, 3]).picklable, measure(lambda: 0).reason.partition("Pickling")[2]
    (True, 'Error at function')
    """
    size = size_of(value)
    if size is not None and size > limits.bytes:
        return _untried(f"it is larger than {limits.bytes >> 20} MiB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _measure(value, limits, clock)


def _measure(value: Any, limits: Limits, clock: Callable[[], float]) -> Pickling:
    with RunDelay() as delay:
        return _there_and_back(value, limits, clock, delay)


def _there_and_back(value: Any, limits: Limits, clock: Callable[[], float], delay: RunDelay) -> Pickling:
    def net() -> float:
        return clock() - delay.read_s()

    meter = _Meter(limits, clock)
    pickler = _Pickler(meter)
    try:
        began = net()
        pickler.dump(value)
        copies = deque(bytearray(buffer.raw()) for buffer in pickler.buffers)
        pickle_s = net() - began
    except KeyboardInterrupt:
        raise
    except _LimitError as limit:
        return _untried(str(limit))
    except MemoryError:  # a whole copy is made here, which no transfer needs
        return _untried(_NO_MEMORY)
    except BaseException as error:  # it may be anything, a SystemExit too
        last = name_of(pickler.last or type(value))
        if isinstance(error, _RefusedError):
            return Pickling(picklable=False, reason=f"it holds {last}")
        return Pickling(picklable=False, reason=f"{name_of(type(error))} at {last}")
    finally:
        pickler.release()
    done = Pickling(picklable=True, pickle_s=max(0.0, pickle_s), bytes=meter.bytes)
    if pickler.keep_single is not None:
        return _replaced(done, reason=f"not unpickled: a second {name_of(pickler.keep_single)} could do harm")
    try:
        began = net()
        source = _Source(meter.stream, _Meter(limits, clock))
        pickle.Unpickler(source, buffers=_taken(copies)).load()  # noqa: S301 (made above)
        unpickle_s = net() - began
    except KeyboardInterrupt:
        raise
    except _LimitError as limit:
        return _replaced(done, reason=f"not unpickled: {limit}")
    except MemoryError:
        return _replaced(done, reason=f"not unpickled: {_NO_MEMORY}")
    except BaseException as error:
        its = name_of(type(value))
        return Pickling(picklable=False, reason=f"{name_of(type(error))} while unpickling {its}")
    return _replaced(done, unpickle_s=max(0.0, unpickle_s))


def _taken(copies: deque[bytearray]) -> Iterator[bytearray]:
    """Copy buffer after buffer, as the unpickler asks for them; each one is freed when it was copied."""
    while copies:
        yield bytearray(copies.popleft())


class _LimitError(Exception):
    """A limit was passed; the message says which."""


class _RefusedError(Exception):
    """The object pickled last is none that may be pickled."""


class _Meter:
    """Where the stream goes; it counts, and stops what is too large or takes too long."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.stream = bytearray()
        self.bytes = 0
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds

    def write(self, data: Any) -> int:
        self.count(len(data))
        self.stream += data
        return len(data)

    def count(self, n: int) -> None:
        self.bytes += n
        if self.bytes > self._limits.bytes:
            raise _LimitError(f"it is larger than {self._limits.bytes >> 20} MiB")
        self.heed_time()

    def heed_time(self) -> None:
        if self._clock() > self._until:
            raise _LimitError(f"it took longer than {self._limits.seconds:g} s")


class _Pickler(pickle.Pickler):
    """The C pickler; each object that is not a plain one is looked at first."""

    def __init__(self, meter: _Meter) -> None:
        super().__init__(meter, protocol=5, buffer_callback=self._buffer)
        self.buffers: list[pickle.PickleBuffer] = []
        self.last: type | None = None
        self.keep_single: type | None = None
        """A type whose objects must not be made twice."""
        self._meter = meter
        self._known: set[type] = set()

    def _buffer(self, buffer: pickle.PickleBuffer) -> None:
        self._meter.count(buffer.raw().nbytes)
        self.buffers.append(buffer)

    def reducer_override(self, obj: Any) -> Any:
        """Leave the object to the pickler, unless it is refused."""
        self._meter.heed_time()
        self.last = kind = type(obj)
        if kind not in self._known:
            if _is_handle(kind):
                raise _RefusedError
            if self.keep_single is None and _is_single(kind):
                self.keep_single = kind
            self._known.add(kind)
        return NotImplemented

    def release(self) -> None:
        """Let go of everything of the user's."""
        self.clear_memo()
        for buffer in self.buffers:
            buffer.release()
        self.buffers.clear()


class _Source:
    """The stream, read back; as `_Meter`, it stops what takes too long."""

    def __init__(self, stream: bytearray, meter: _Meter) -> None:
        self._file = io.BytesIO(stream)
        self._meter = meter

    def read(self, n: int = -1) -> bytes:
        self._meter.heed_time()
        return self._file.read(n)

    def readinto(self, buffer: Any) -> int:
        self._meter.heed_time()
        return self._file.readinto(buffer)

    def readline(self) -> bytes:
        self._meter.heed_time()
        return self._file.readline()


def _is_handle(kind: type) -> bool:
    """Say whether objects of a type stand for something of the system, which a copy would share or close."""
    bases = type.__getattribute__(kind, "__mro__")
    if not _HANDLES.isdisjoint(bases):
        return kind not in _IN_MEMORY
    shared = any(_module(base).startswith("multiprocessing.") for base in bases)
    return shared and {type, Enum, BaseException}.isdisjoint(bases)


def _is_single(kind: type) -> bool:
    bases = type.__getattribute__(kind, "__mro__")
    return any("__del__" in vars(base) or name_of(base) in _ANNOUNCED for base in bases)


def name_of(kind: type) -> str:
    """Return the name of a type: with its module, unless it is a builtin; asked of `type`, not of the user's.

    >>> name_of(int), name_of(Limits)
    ('int', 'makespan_optimizer.measure.pickling.Limits')
    """
    module = _module(kind)
    name = str(type.__dict__["__qualname__"].__get__(kind))
    return (name if module in ("", "builtins") else f"{module}.{name}")[:_NAME_CHARS]


def _module(kind: type) -> str:
    module = type.__getattribute__(kind, "__module__")
    return module if isinstance(module, str) else ""


def _untried(reason: str) -> Pickling:
    return Pickling(picklable=None, reason=f"not measured: {reason}")


def _replaced(done: Pickling, *, unpickle_s: float | None = None, reason: str = "") -> Pickling:
    return Pickling(
        picklable=True, pickle_s=done.pickle_s, unpickle_s=unpickle_s, bytes=done.bytes, reason=reason
    )
