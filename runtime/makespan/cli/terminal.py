"""Where a verb's words go: data to stdout, prose, warnings and errors to stderr.

A reader that goes away (``| head``) is not an error; a full disk behind stdout is. Node names and exception
texts are other people's: control characters in them never reach the terminal.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

from makespan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

Color = Literal["auto", "always", "never"]

_STYLES = {"error": "1;31", "warning": "1;33", "strong": "1", "dim": "2", "good": "32"}


class ReaderGoneError(BaseException):
    """Whoever read stdout has closed it; not an Exception, so that nothing takes it for a fault."""


class Terminal:
    """The two streams, and how much is said on them.

    Parameters
    ----------
    color : "auto", "always" or "never"
        ``auto``: when stderr is a terminal, NO_COLOR is empty and TERM is not ``dumb``.
    quiet : bool
        Neither prose nor progress; warnings, errors and data remain.
    verbose : bool
        Tracebacks of errors, progress where there is no terminal.
    """

    def __init__(self, *, color: Color = "auto", quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.color = color
        self.out: TextIO | None = None
        """Where data goes, when that is not ``sys.stdout``."""

    def say(self, text: str) -> None:
        """Write prose to stderr, unless quiet."""
        if not self.quiet:
            self.note(text)

    def warn(self, text: str) -> None:
        """Write one line of warning to stderr."""
        self.note(f"makespan: {self.paint('warning', 'warning:')} {one_line(text)}")

    def error(self, text: str) -> None:
        """Write one line of error to stderr."""
        self.note(f"makespan: {self.paint('error', 'error:')} {one_line(text)}")

    def note(self, text: str) -> None:
        """Write to stderr, quiet or not; a stderr that is closed is nobody's loss."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def paint(self, style: str, text: str) -> str:
        """Colour a word for stderr, where colours are wanted."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colored() else text

    def colored(self, stream: TextIO | None = None) -> bool:
        """Say whether a stream (stderr by default) takes colours."""
        if self.color != "auto":
            return self.color == "always"
        return (
            not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and is_tty(stream or sys.stderr)
        )

    def emit(self, data: str | bytes) -> None:
        """Write data to stdout and flush it.

        Raises
        ------
        ReaderGoneError
            The pipe was closed by its reader.
        OptionError
            Stdout cannot be written (a full disk), or a picture would go to a terminal.
        """
        out = self.out or sys.stdout
        if out is None:  # started with ">&-"
            raise OptionError("is closed", where="standard output")
        try:
            if isinstance(data, str):
                _write_text(out, data if data.endswith("\n") else f"{data}\n")
            else:
                if is_tty(out) and b"\x00" in data[:1024]:
                    raise OptionError(
                        "a picture cannot be shown on a terminal", where="-", hint="-o FILE, or a pipe"
                    )
                out.flush()
                _write_bytes(out, data)
            out.flush()
        except BrokenPipeError:
            _abandon(out)
            raise ReaderGoneError from None
        except OSError as error:
            _abandon(out)
            raise OptionError(f"cannot write: {error.strerror or error}", where="standard output") from error

    def emit_json(self, value: Any) -> None:
        """Write JSON data to stdout: structs become objects."""
        import json

        import msgspec

        self.emit(json.dumps(msgspec.to_builtins(value), indent=1, ensure_ascii=False, allow_nan=False))


def _write_text(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal that is not UTF-8
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _write_bytes(stream: TextIO, data: bytes) -> None:
    binary = getattr(stream, "buffer", None)
    if binary is not None:
        binary.write(data)
        return
    try:  # a notebook's stdout, or one that was replaced
        _write_text(stream, data.decode())
    except UnicodeDecodeError:
        raise OptionError("takes text only", where="standard output", hint="-o FILE") from None


def _abandon(out: TextIO) -> None:
    """Point a stream to nowhere, so that the flush at exit finds nothing to complain about."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


class KeptStdout:
    """Stdout as it was before it was turned to stderr; see `stdout_kept_clean`."""

    def __init__(self, stream: TextIO | None, descriptor: int | None) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self.stays_turned = False

    def for_good(self) -> TextIO | None:
        """Leave stdout turned, and return a stream for our data: user code goes on printing."""
        self.stays_turned = True
        if self._stream is None or self._descriptor is None:
            return self._stream
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if self._stream.fileno() == 1:
                self._stream.flush()
                return open(  # noqa: PTH123 (a descriptor)
                    os.dup(self._descriptor),
                    "w",
                    encoding=self._stream.encoding,
                    errors=self._stream.errors,
                )
        return self._stream


@contextlib.contextmanager
def stdout_kept_clean(wanted: bool) -> Iterator[KeptStdout]:
    """Send what the user's code prints to stderr, as long as stdout is to carry our data.

    Child processes and C libraries write to descriptor 1 itself, so that one is turned too.
    """
    ours = sys.stdout
    if not wanted:
        yield KeptStdout(ours, None)
        return
    descriptor: int | None = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        ours.flush()
        descriptor = os.dup(1)
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    kept = KeptStdout(ours, descriptor)
    try:
        yield kept
    finally:
        if not kept.stays_turned:
            sys.stdout = ours
        if descriptor is not None:
            if not kept.stays_turned:
                with contextlib.suppress(OSError, ValueError):
                    os.dup2(descriptor, 1)
            os.close(descriptor)


def is_tty(stream: Any) -> bool:
    """Say whether a stream is a terminal; a closed or missing one is not."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def one_line(text: str) -> str:
    r"""Fold a text to one line without control characters.

    >>> one_line("a\nb\x1b[31m")
    'a b\\x1b[31m'
    """
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""Show control characters as escapes: what a hostile node name would do to a terminal, it does not.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    from makespan.showing.words import clean

    return clean(text)
