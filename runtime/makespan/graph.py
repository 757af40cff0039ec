"""A DAG of Python functions, and what can be done with it.

::

    url ──▶ fetch ──▶ parse  ──▶ ┐
                └───▶ render ──▶ ┴─▶ (parse, render)

A `DAG` is made by ``@dag`` (`makespan.describe`) or node by node with `DAG.add`
(`makespan.describing.building`). It knows no threads and no clock; its verbs hand over to the modules that
do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, cast

from makespan.around.measuring import Measuring
from makespan.describing.building import Node
from makespan.describing.inline import inlined, is_describing

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    # Only type checkers know of defaults below Python 3.13: ``DAG("by hand")`` needs no annotation.
    from typing_extensions import ParamSpec, TypeVar

    from makespan.around.hooks import Hooks
    from makespan.plan import Plan
    from makespan.preparing.prepared import Prepared
    from makespan.preparing.settings import Names, OnError
    from makespan.run import Run
    from makespan_optimizer.measure.sampling.watch import SamplerName

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["DAG", "Node"]


class DAG(Measuring, Generic[P, R]):
    """Functions and what they wait for.

    Parameters
    ----------
    name : str
        How files and reports call it.

    >>> d = DAG("sums")
    >>> x = d.input("x")
    >>> d.returns(d.add(sum, [d.add(abs, x), 2]))
    >>> d(-40)
    42
    """

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it in parallel, in the default order, and return its result.

        Within the description of another DAG, its nodes become part of that one.
        """
        if is_describing():
            return cast("R", inlined(self, args, kwargs))
        fast = self._prepared.get(None)  # as `prepare` remembers it
        if fast is None:
            fast = self.prepare()
        return fast(*args, **kwargs)  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        """Return the drawn DAG, for notebooks."""
        from makespan.showing.reprs.cards import dag_card

        return dag_card(self)

    async def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it as a call does, and await the result: within a running event loop, a notebook's too.

        Coroutine nodes and ``mode="caller"`` run on this loop. Cancelled, it starts nothing new.
        """
        return cast("R", await self.prepare().acall(*args, **kwargs))

    def prepare(
        self,
        plan: Plan | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        targets: Names | None = None,
        roots: Names | None = None,
        without: Names = (),
        given: Mapping[str, Any] | None = None,
        on_error: OnError = "stop",
        timeout_s: float | None = None,
        hooks: Hooks | Iterable[Hooks] | None = None,
        allow_stale: bool = False,
        drift: Callable[..., Any] | bool | None = None,
    ) -> Prepared:
        """Check a plan and settings once, and return what runs it: ``fast = dag.prepare("plan.json")``.

        Parameters
        ----------
        plan : Plan or path, optional
            Without one: critical-path order on hints, else on node count.
        threads : int, optional
            The thread budget; the plan's, or the number of usable cores (at least 2).
        targets : name or iterable of names, optional
            These nodes and what they need. What `add` returned names a node too, as does a function that
            the DAG calls once.
        roots : name or iterable of names, optional
            Run these nodes and what depends on them.
        without : name or iterable of names
            Leave out these nodes and what depends on them. The three combine: what all of them allow runs.
        given : mapping of str to Any, optional
            Results of nodes, by name: these do not run, nor does what only they need.
        on_error : {"stop", "continue"}
            After a failure nothing new starts; or everything that does not depend on the failed node still
            runs. What did not come is then None in the result.
        timeout_s : float, optional
            After so many seconds the whole run is given up with a `TimeoutError` that lists what was running.
        hooks : Hooks or iterable of Hooks, optional
            Told when nodes start, end and fail; see `makespan.Hooks`.
        allow_stale : bool
            Follow a plan for another state of the DAG where it still speaks of the same nodes.
        drift : bool or callable, optional
            Count each node's wall time while running, and compare it with the plan; a callable is told when a
            node leaves what was planned.

        Raises
        ------
        PlanError
            The plan is not readable, or for another DAG, or for more threads than `threads`.
        DescribeError, OptionError
            A setting that cannot be; a node that would run without a result that it takes.
        """
        from makespan.preparing.making import prepare
        from makespan.preparing.settings import make_settings

        settings = make_settings(
            self,
            targets=targets,
            roots=roots,
            without=without,
            given=given,
            on_error=on_error,
            timeout_s=timeout_s,
            hooks=hooks,
            allow_stale=allow_stale,
            drift=drift,
        )
        return prepare(self, plan, threads, settings)

    def run(
        self,
        /,
        *args: Any,
        plan: Plan | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        targets: Names | None = None,
        roots: Names | None = None,
        without: Names = (),
        given: Mapping[str, Any] | None = None,
        on_error: OnError = "stop",
        timeout_s: float | None = None,
        hooks: Hooks | Iterable[Hooks] | None = None,
        allow_stale: bool = False,
        drift: Callable[..., Any] | bool | None = None,
        measure: bool = False,
        sampler: SamplerName | None = None,
        progress: bool = False,
        **kwargs: Any,
    ) -> Run:
        """Run it and return the `Run`: its result, and what started where and when.

        Settings are those of `prepare`; `measure` and `progress` (a live view) those of `Prepared.run`.
        Inputs that are called as a parameter here are given by position.

        Raises
        ------
        PlanError, DescribeError, OptionError, MissingExtraError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node. Several: an ExceptionGroup.
            With ``on_error="continue"`` they are not raised, but kept in `Run.error`.
        """
        prepared = self.prepare(
            plan,
            threads,
            targets=targets,
            roots=roots,
            without=without,
            given=given,
            on_error=on_error,
            timeout_s=timeout_s,
            hooks=hooks,
            allow_stale=allow_stale,
            drift=drift,
        )
        said: Any = {"measure": measure, "sampler": sampler, "progress": progress}
        return _raised(prepared.run(*args, **said, **kwargs), on_error)

    async def arun(
        self,
        /,
        *args: Any,
        plan: Plan | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        targets: Names | None = None,
        roots: Names | None = None,
        without: Names = (),
        given: Mapping[str, Any] | None = None,
        on_error: OnError = "stop",
        timeout_s: float | None = None,
        hooks: Hooks | Iterable[Hooks] | None = None,
        allow_stale: bool = False,
        drift: Callable[..., Any] | bool | None = None,
        measure: bool = False,
        sampler: SamplerName | None = None,
        progress: bool = False,
        **kwargs: Any,
    ) -> Run:
        """Run it as `run` does, and await the `Run`: within a running event loop; see `acall`."""
        prepared = self.prepare(
            plan,
            threads,
            targets=targets,
            roots=roots,
            without=without,
            given=given,
            on_error=on_error,
            timeout_s=timeout_s,
            hooks=hooks,
            allow_stale=allow_stale,
            drift=drift,
        )
        said: Any = {"measure": measure, "sampler": sampler, "progress": progress}
        return _raised(await prepared.arun(*args, **said, **kwargs), on_error)


def _raised(run: Run, on_error: OnError) -> Run:
    """Raise what a run raised, unless it was to go on."""
    if on_error != "continue" or isinstance(run.error, KeyboardInterrupt):
        run.raise_for_error()
    return run
