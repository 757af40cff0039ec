"""The verbs of a DAG that run it to measure it: `profile` and `tune`. The optimizer does both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from makespan.around.keeping import Keeping

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan_optimizer.measure.sampling.watch import SamplerName


class Measuring(Keeping):
    """What `makespan.DAG` does to be measured."""

    def profile(
        self,
        /,
        *args: Any,
        runs: int = 5,
        warm_ups: int = 1,
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
        """Run it one node at a time, to warm up and then `runs` times to measure, and return the profile.

        Parameters
        ----------
        *args, **kwargs
            The DAG's inputs; those named like a parameter here by position.
        runs : int
            Counted runs, at least 1.
        warm_ups : int
            Runs before them, at least 1.
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
            cast("DAG[..., Any]", self),
            args,
            kwargs,
            runs=runs,
            warm_ups=warm_ups,
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
        is in `Plan.evidence`. The plan is never slower than what a call of the DAG does, as measured; where
        the time was too short for three turns, it is what a call does. Raced runs find empty caches.

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
            Wall seconds for everything: it ends about one run later at most, where they are few a second.
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
            cast("DAG[..., Any]", self),
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
