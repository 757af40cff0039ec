"""A DAG of Python functions, and what can be done with it.

::

    url ──▶ fetch ──▶ parse  ──▶ ┐
                └───▶ render ──▶ ┴─▶ (parse, render)

A `DAG` is made by ``@dag`` (`makespan.describe`) or node by node with `DAG.add`
(`makespan.describing.building`). It knows no threads and no clock; its verbs hand over to the modules that
do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from makespan.around.keeping import Keeping
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
    from makespan.profile import Profile
    from makespan.run import Run
    from makespan_optimizer.measure.sampling.watch import SamplerName

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["DAG", "Node"]


class DAG(Keeping, Generic[P, R]):
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

    def profile(
        self,
        /,
        *args: Any,
        runs: int = 5,
        progress: Callable[[int, int, str], None] | None = None,
        trials: Literal["auto", "native"] | bool = "auto",
        trials_limit_s: float | None = None,
        sampler: SamplerName = "auto",
        hints: Mapping[str, str | float] | None = None,
        inputs: Iterable[Any] | Callable[[], Iterable[Any]] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
        pickling: bool = True,
        **kwargs: Any,
    ) -> Profile:
        """Run it one node at a time, once to warm up and `runs` times to measure, and return the profile.

        Parameters
        ----------
        *args, **kwargs
            The DAG's inputs; those named like a parameter here by position.
        runs : int
            Counted runs, at least 1.
        progress : callable, optional
            Called as ``progress(done, total, node)``.
        trials, trials_limit_s
            Whether nodes are tried side by side and with fewer native threads, and for how many seconds.
        sampler : {"auto", "gil", "canary", "clocks"}
            ``auto`` takes the best that works; ``gil``, ``canary``, ``clocks``: this one or an error.
        hints : mapping, optional
            Nodes that are not run: ``{"mail": "0.5s:io", "bill": 0.2}``.
        inputs : iterable or callable, optional
            Sets of arguments, taken in turn instead of `args` and `kwargs`: tuples, dicts, ``((…), {…})``.
        setup, teardown : callable, optional
            Called around each run of the DAG, whatever comes of it; not measured.
        pickling : bool
            Measure once what it costs to pickle arguments and results; this runs their ``__reduce__``.

        Raises
        ------
        DescribeError, OptionError, ProfileError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node.
        """
        from makespan_optimizer.measure.isolate import profile

        return profile(
            self,
            args,
            kwargs,
            runs=runs,
            progress=progress,
            trials=trials,
            trials_limit_s=trials_limit_s,
            sampler=sampler,
            hints=hints,
            inputs=inputs,
            setup=setup,
            teardown=teardown,
            pickling=pickling,
        )

    def tune(
        self,
        /,
        *args: Any,
        threads: int | None = None,
        processes: int | None = None,
        native_threads: bool = True,
        time_limit_s: float = 60.0,
        confidence: float = 0.95,
        profile: Profile | str | os.PathLike[str] | None = None,
        runs: int = 3,
        inputs: Iterable[Any] | Callable[[], Iterable[Any]] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
        state: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int, str], None] | None = None,
        seed: int = 0,
        rounds_of_feedback: int = 1,
        run_all: bool = False,
        **kwargs: Any,
    ) -> Plan:
        """Profile and plan it, run it for real in several ways, in turns, and return the fastest as a plan.

        The ways are plans for several budgets, the default order and plain thread counts. What was measured
        is in `Plan.evidence`. The plan is never slower than what a call of the DAG does, as measured.

        Parameters
        ----------
        *args, **kwargs
            The DAG's inputs; those named like a parameter here by position.
        threads : int, optional
            The most threads that may be used; the race decides how many.
        processes : int, optional
            Worker processes at most; as many as cores where cloudpickle is installed.
        native_threads : bool
            Whether plans may limit the threads of native libraries.
        time_limit_s : float
            Wall seconds for everything: it ends about one run later at most.
        confidence : float
            At which a way is left behind.
        profile : Profile or path, optional
            Measured before: nothing is profiled.
        runs : int
            Counted runs of the profile.
        inputs, setup, teardown
            As of `profile`; the turns take the sets of inputs one after the other.
        state : path, optional
            A file that is written after each turn; a race that was ended goes on from it.
        progress : callable, optional
            Called as ``progress(done, total, label)``.
        seed : int
            Of the search, and of the order within a turn.
        rounds_of_feedback : int
            How often nodes that the model had wrong are measured again, and planned anew.
        run_all : bool
            Run nodes under ``profile=False`` too; else they sleep for as long as their hint says.

        Raises
        ------
        DescribeError, OptionError, ProfileError, MissingExtraError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node.
        KeyboardInterrupt
            Ctrl-C before each way was run once; later the best so far is returned.
        """
        from makespan_optimizer.tuning.tune import tune

        return tune(
            self,
            args,
            kwargs,
            threads=threads,
            processes=processes,
            native_threads=native_threads,
            time_limit_s=time_limit_s,
            confidence=confidence,
            profile=profile,
            runs=runs,
            inputs=inputs,
            setup=setup,
            teardown=teardown,
            state=state,
            progress=progress,
            seed=seed,
            rounds_of_feedback=rounds_of_feedback,
            run_all=run_all,
        ).plan


def _raised(run: Run, on_error: OnError) -> Run:
    """Raise what a run raised, unless it was to go on."""
    if on_error != "continue" or isinstance(run.error, KeyboardInterrupt):
        run.raise_for_error()
    return run
