"""What a failed run raises: the user's own exception, with a note that says where; nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from makespan.preparing.program import Program


class InMember(BaseException):
    """A node that runs as a part of another one raised: its number, and what it raised.

    A BaseException, so that nothing on the way takes it for a failure of the user's.
    """

    def __init__(self, node: int, error: BaseException) -> None:
        super().__init__(node)
        self.node = node
        self.error = error


class GivenUp(Exception):  # noqa: N818 (it is no fault)
    """The run ended while a node waited: no failure of its own, when others ended the run."""


def blame(i: int, error: BaseException) -> tuple[int, BaseException]:
    """Return the node that raised, and what: the member's when node `i` stands for several."""
    while type(error) is InMember:
        i, error = error.node, error.error
    return i, error


def joined(program: Program, failures: list[tuple[int, BaseException]]) -> BaseException:
    """Return the one exception of a run: a single node's own, or a group of several, in node order."""
    from makespan.fingerprints.fingerprint import relative_place  # hashes, which only files and failures need

    unique: dict[int, BaseException] = {}
    for i, error in sorted(failures, key=lambda failure: failure[0]):
        note = f"in node {program.structure.names[i]!r} ({relative_place(program.places[i])})"
        _add_note(error, note)
        unique.setdefault(id(error), error)
    errors = list(unique.values())
    if len(errors) == 1:
        return errors[0]
    return BaseExceptionGroup(f"{len(errors)} nodes failed", errors)  # an ExceptionGroup when it can be one


def raise_failures(program: Program, failures: list[tuple[int, BaseException]]) -> NoReturn:
    """Raise what `joined` returns; empties the list, so that no frame keeps the exceptions alive."""
    error = joined(program, failures)
    failures.clear()
    try:
        raise error
    finally:
        del error


def _add_note(error: BaseException, note: str) -> None:
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:  # noqa: S110 (an exception class of the user's that takes no notes is handed on as it is)
        pass
