"""What makespan raises when its input is wrong: one public type, with the place and the next step.

Exceptions of the user's own functions are never wrapped: they arrive as they were raised, with a note
that names the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MakespanError(Exception):
    """Bad input, found before anything ran (command line: exit code 2).

    Attributes
    ----------
    problem : str
        What is wrong, one sentence.
    where : str or None
        The place: ``file.json#/nodes/3/rank``, ``pipeline.py:41`` or a node's name.
    hint : str or None
        What to do next.

    >>> str(MakespanError("the plan is for another DAG", where="plan.json", hint="optimize again"))
    'plan.json: the plan is for another DAG (optimize again)'
    """

    def __init__(self, problem: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.hint = hint
        text = f"{where}: {problem}" if where else problem
        super().__init__(f"{text} ({hint})" if hint else text)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments and notes when pickled (the base class would lose the first)."""
        return _rebuild, (type(self), self.problem, self.where, self.hint), self.__dict__


class DescribeError(MakespanError):
    """A DAG is described wrongly: a cycle, a name twice, an unknown dependency, a misused placeholder."""


class PlanError(MakespanError):
    """A plan is not readable, was altered, or does not fit the DAG."""


class ProfileError(MakespanError):
    """A profile is not readable, or lacks what was asked of it."""


class RecordError(MakespanError):
    """A run.json is not readable."""


class TargetError(MakespanError):
    """A ``module:attribute`` target does not lead to a DAG."""


class OptionError(MakespanError):
    """An option has a value that it cannot have: ``threads=0``, ``time_limit_s=nan``."""


class BlockedLoopError(MakespanError, RuntimeError):
    """A call blocks an event loop, and waits for what is being awaited on that loop."""


class NoPlanError(MakespanError):
    """The time limit ended before the first order was judged (command line: exit code 3)."""


class MissingExtraError(MakespanError):
    """A part of makespan needs a package that is not installed; the hint is the pip line."""


def _rebuild(cls: type[MakespanError], problem: str, where: str | None, hint: str | None) -> MakespanError:
    return cls(problem, where=where, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint with the nearest known word, or None.

    >>> did_you_mean("optimise", ["optimize", "run"])
    "did you mean 'optimize'?"
    """
    import difflib
    from itertools import islice

    # Thousands of candidates would take longer to compare than anybody waits for a hint.
    names = list(islice(known, 2000))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:  # a node of a sub-DAG by its own name
        own = {name.rpartition(".")[2]: name for name in reversed(names)}
        near = [own[name] for name in difflib.get_close_matches(word, own, n=1, cutoff=0.6)]
    return f"did you mean '{near[0]}'?" if near else None


def missing_extra(what: str, package: str, extra: str) -> MissingExtraError:
    """Return the error that says which extra brings a missing package.

    >>> str(missing_extra("makespan optimize", "OR-Tools", "optimize"))
    "makespan optimize needs OR-Tools (pip install 'makespan[optimize]')"
    """
    return MissingExtraError(f"{what} needs {package}", hint=f"pip install 'makespan[{extra}]'")
