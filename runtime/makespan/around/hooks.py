"""Who is told when nodes start, end and fail: objects with methods, put round the calls at preparation.

::

    class Progress(makespan.Hooks):
        def on_end(self, node, wall_s):
            print(f"{node} took {wall_s:.2f} s")

    news.run("http://…", hooks=Progress())

Only methods that a subclass defines are called, so that the others cost nothing. They are called in the
thread and the context of the node, between its arguments being there and its result going on: what they take,
the run takes longer. What a hook raises never becomes the run's: it is logged, once.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from makespan.around.conditions import touched
from makespan.around.functions import called_plainly
from makespan.errors import OptionError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from makespan.graph import DAG
    from makespan.preparing.program import Program

_began: ContextVar[list[int] | None] = ContextVar("makespan_began", default=None)
"""Where a node that may be skipped says that it was not."""


class Hooks:
    """Base of objects that are told what a run does; override what is of interest.

    One object may be told by several threads at once. It is not told of nodes that are skipped, nor of those
    that a worker process runs within a cluster. Each other node starts once, and then ends or fails once,
    however often it is tried; a thread whose time was up does so when it returns, perhaps after its run.
    """

    def on_start(self, node: str) -> None:
        """Do something before the function of a node is called."""

    def on_end(self, node: str, wall_s: float) -> None:
        """Do something after a node returned; `wall_s` is how long it took."""

    def on_error(self, node: str, error: BaseException) -> None:
        """Do something after a node raised `error`; it must not be kept, for it holds the node's values."""


class LogHooks(Hooks):
    """Write a line when a node starts, ends or fails.

    Parameters
    ----------
    logger : logging.Logger, optional
        ``logging.getLogger("makespan")`` unless said.
    level : int
        Of starts and ends, `logging.INFO` unless said; failures are errors.

    Raises
    ------
    OptionError
        Not a logger, or not a level.
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = 20) -> None:
        import logging

        if logger is not None and not callable(getattr(logger, "log", None)):
            raise OptionError(
                f"is a logger, not {logger!r}", where="logger", hint="for example: logging.getLogger('pages')"
            )
        if isinstance(level, bool) or not isinstance(level, int):
            raise OptionError(
                f"is a number, not {level!r}", where="level", hint="for example: level=logging.DEBUG"
            )
        self.logger = logger if logger is not None else logging.getLogger("makespan")
        self.level = level

    def on_start(self, node: str) -> None:
        """Log that a node starts."""
        self.logger.log(self.level, "node %r starts", node)

    def on_end(self, node: str, wall_s: float) -> None:
        """Log that a node ended, and how long it took."""
        self.logger.log(self.level, "node %r took %.6f s", node, wall_s)

    def on_error(self, node: str, error: BaseException) -> None:
        """Log which kind of exception a node raised (not its text, which may hold the node's values)."""
        self.logger.error("node %r raised %s", node, type(error).__name__)


def hooked_functions(
    dag: DAG[..., Any], hooks: Sequence[Hooks], functions: dict[str, Callable[..., Any]]
) -> None:
    """Put starts round the functions of nodes that may be skipped: a call does not know yet whether they are.

    `functions` has those that are called in the place of some nodes' own; it is added to.
    """
    starts = _overridden(hooks, "on_start")
    nodes = list(dag.nodes.values())
    for i in touched(nodes, dag.check().order).testing:
        node = nodes[i]
        fn = functions[node.name] if node.name in functions else called_plainly(node).fn
        functions[node.name] = _begins(node.name, fn, starts)


def hooked(program: Program, hooks: Sequence[Hooks]) -> Program:
    """Put hooks round the calls of a program."""
    starts, ends, errors = (_overridden(hooks, name) for name in ("on_start", "on_end", "on_error"))
    calls = list(program.calls)
    for i, name in enumerate(program.structure.names):
        if i in program.scatter:  # a cluster: it runs elsewhere
            continue
        if i in program.testing:
            if starts or ends or errors:
                calls[i] = _watching(name, calls[i], starts, ends, errors)
            continue
        if errors:
            calls[i] = _failing(name, calls[i], errors)
        if ends:
            calls[i] = _ending(name, calls[i], ends)
        if starts:
            calls[i] = _starting(name, calls[i], starts)
    return program._replace(calls=calls)


Told = list["Callable[..., None]"]


def _overridden(hooks: Sequence[Hooks], method: str) -> Told:
    """Return the bound methods that are not those of `Hooks` itself, made harmless."""
    base = getattr(Hooks, method)
    found = [getattr(one, method) for one in hooks]
    return [_harmless(one) for one in found if getattr(one, "__func__", one) is not base]


def _harmless(hook: Callable[..., None]) -> Callable[..., None]:
    """Return a hook that logs what it raises, the first time, and raises nothing but Ctrl-C and the like."""
    reported = False

    def told(*what: Any) -> None:
        nonlocal reported
        try:
            hook(*what)
        except Exception:
            if not reported:
                reported = True
                import logging

                logging.getLogger("makespan").warning(
                    "a hook raised, and may go on to do so: %s",
                    getattr(hook, "__qualname__", type(hook).__name__),
                    exc_info=True,
                )

    return told


def _starting(name: str, call: Callable[..., Any], starts: Told) -> Callable[..., Any]:
    def starting(*given: Any) -> Any:
        for told in starts:
            told(name)
        return call(*given)

    return starting


def _begins(name: str, fn: Callable[..., Any], starts: Told) -> Callable[..., Any]:
    def beginning(*args: Any, **kwargs: Any) -> Any:
        for told in starts:
            told(name)
        began = _began.get()
        if began is not None:
            began.append(time.perf_counter_ns())
        return fn(*args, **kwargs)

    return beginning


def _ending(name: str, call: Callable[..., Any], ends: Told) -> Callable[..., Any]:
    clock = time.perf_counter_ns

    def ending(*given: Any) -> Any:
        begun = clock()
        value = call(*given)
        wall_s = (clock() - begun) / 1e9
        for told in ends:
            told(name, wall_s)
        return value

    return ending


def _failing(name: str, call: Callable[..., Any], errors: Told) -> Callable[..., Any]:
    def failing(*given: Any) -> Any:
        try:
            return call(*given)
        except BaseException as error:
            for told in errors:
                told(name, error)
            raise

    return failing


def _watching(
    name: str, call: Callable[..., Any], starts: Told, ends: Told, errors: Told
) -> Callable[..., Any]:
    """Return the call of a node that may be skipped; `_begins` is round its function."""
    clock = time.perf_counter_ns

    def watching(*given: Any) -> Any:
        began: list[int] = []
        token = _began.set(began)
        try:
            value = call(*given)
        except BaseException as error:
            if not began:  # its condition raised: it starts all the same, so that starts and ends go in pairs
                for told in starts:
                    told(name)
            for told in errors:
                told(name, error)
            raise
        finally:
            _began.reset(token)
        if began:
            wall_s = (clock() - began[0]) / 1e9
            for told in ends:
                told(name, wall_s)
        return value

    return watching
