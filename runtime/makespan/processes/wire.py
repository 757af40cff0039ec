"""Messages between two processes over a socket; large ones through memory that both map.

::

    small   header ─ stream ───────────────▶ socket ──▶ stream
    large   stream + buffers ──▶ nameless memory (memfd) ┄┄┄▶ mapped at the other end, nothing is copied there
            header, descriptor, sizes ─────▶ socket

A message is a pickle's stream and the large buffers that the pickler handed out beside it (PEP 574). The
memory has no name: it is gone with the last process that maps it, however that one ends, and it is not
limited by the size of ``/dev/shm``. What is mapped is private: writing into an array changes nobody else's.
Where there is no such memory (not Linux), all goes through the socket.

Source of the threshold: a message of 1 MB is a little faster through the socket, one of 10 MB takes a third
of the time through memory (8 against 26 ms), one of 50 MB a quarter (33 against 125 ms).
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import struct
import sys
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

HAS_MEMORY = sys.platform == "linux" and hasattr(os, "memfd_create")
LARGE = 1 << 18
"""Bytes of a buffer that is handed out beside the stream."""
_LARGE_STREAM = 1 << 20
_HEADER = struct.Struct("<BBQ")
_ALIGNED = 64


class Message(NamedTuple):
    """What is sent: its kind, a pickle's stream, and buffers beside it."""

    kind: int
    stream: Any
    buffers: Sequence[Any] = ()


def send(to: socket.socket, message: Message) -> None:
    """Send a message.

    Raises
    ------
    OSError
        The other end is gone, or there is no memory.
    """
    kind, stream, buffers = message
    size = len(stream)
    if buffers or (HAS_MEMORY and size >= _LARGE_STREAM):
        _send_memory(to, kind, [memoryview(stream), *buffers])
    elif size < 1 << 16:
        to.sendall(_HEADER.pack(kind, 0, size) + stream)
    else:
        to.sendall(_HEADER.pack(kind, 0, size))
        to.sendall(stream)


def receive(of: socket.socket) -> Message:
    """Wait for a message.

    Raises
    ------
    EOFError
        The other end is gone.
    OSError
        The same; or this process has too many open files to be given memory.
    """
    header, descriptors, _, _ = socket.recv_fds(of, _HEADER.size, 1, socket.MSG_CMSG_CLOEXEC)
    if not header:
        raise EOFError
    if len(header) < _HEADER.size:
        header += _exactly(of, _HEADER.size - len(header))
    kind, parts, size = _HEADER.unpack(header)
    body = _exactly(of, size)
    if not parts:
        return Message(kind, body)
    if not descriptors:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return _mapped(kind, struct.unpack(f"<{size // 8}q", body), descriptors[0])


def _exactly(of: socket.socket, size: int) -> bytearray:
    made = bytearray(size)
    left = memoryview(made)
    while left:
        count = of.recv_into(left)
        if not count:
            raise EOFError
        left = left[count:]
    return made


def _send_memory(to: socket.socket, kind: int, parts: Sequence[memoryview]) -> None:
    descriptor = os.memfd_create("makespan", os.MFD_CLOEXEC)
    try:
        sizes = []
        at = 0
        for part in parts:
            _write(descriptor, part, at)
            at = _next(at + part.nbytes)
            sizes.append(~part.nbytes if part.readonly else part.nbytes)  # a size below 0: may not be written
        os.ftruncate(descriptor, at)
        table = struct.pack(f"<{len(sizes)}q", *sizes)
        socket.send_fds(to, [_HEADER.pack(kind, 1, len(table))], [descriptor])
        to.sendall(table)
    finally:
        os.close(descriptor)


def _write(descriptor: int, part: memoryview, at: int) -> None:
    left = part.cast("B") if part.nbytes else part
    while left.nbytes:
        count = os.pwrite(descriptor, left, at)
        at += count
        left = left[count:]


def _next(at: int) -> int:
    return -(-at // _ALIGNED) * _ALIGNED


def _mapped(kind: int, sizes: Sequence[int], descriptor: int) -> Message:
    counts = [~size if size < 0 else size for size in sizes]
    total = sum(map(_next, counts))
    try:
        whole = _map(descriptor, total)
    finally:
        os.close(descriptor)
    found = []
    at = 0
    for size, count in zip(sizes, counts, strict=True):
        part = whole[at : at + count]
        found.append(part.toreadonly() if size < 0 else part)
        at = _next(at + count)
    return Message(kind, found[0], found[1:])


def _map(descriptor: int, size: int) -> memoryview:
    """Map memory without keeping its descriptor open, as `mmap` does before Python 3.13."""
    flags, protection = mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE
    if sys.version_info >= (3, 13):
        return memoryview(mmap.mmap(descriptor, size, flags, protection, trackfd=False))
    import ctypes

    library = _library()
    address = library.mmap(None, size, protection, flags, descriptor, 0)
    if address in {None, ctypes.c_void_p(-1).value}:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    array = (ctypes.c_char * size).from_address(address)
    # The array is held by whatever was unpickled from it; with the last of these the memory goes.
    weakref.finalize(array, library.munmap, address, size).atexit = False
    return memoryview(array).cast("B")


def _library() -> Any:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return library
