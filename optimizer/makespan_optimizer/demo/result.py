"""What a demo found, as data and in words."""

from __future__ import annotations

from statistics import median

import msgspec

COUNTS = 0.02  # of the makespan: below it, two medians are called equal
CLEAR = 0.75  # of the rounds, which one side has to win
DRIFTED = 0.05  # of the sequential makespan, above which the machine's own drift is told
UNSTEADY = 0.15  # spread of the middle half of the runs, above which medians are doubtful


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """Makespans in seconds; ``text()`` says it in words."""

    folder: str
    target: str
    nodes: int
    threads: int
    threads_why: str
    cores: float
    sequential_s: float
    """Median, one node after the other, measured between the rounds."""
    profiled_s: float
    """The same by the profile: the sum of its nodes."""
    default_runs_s: tuple[float, ...]
    planned_runs_s: tuple[float, ...]
    wins: int
    """Rounds in which the plan was faster."""
    predicted_s: float
    """What the plan said."""
    lower_bound_s: float
    binding: str
    """Which bound binds."""
    gap: float
    """(predicted − bound) / predicted."""
    winner: str
    unsteady: bool
    """The runs spread so widely that the medians are doubtful."""
    files: tuple[str, ...]

    @property
    def default_s(self) -> float:
        """Median makespan in the default order."""
        return median(self.default_runs_s)

    @property
    def planned_s(self) -> float:
        """Median makespan by the plan."""
        return median(self.planned_runs_s)

    @property
    def ratio(self) -> float:
        """Plan over default order, by medians; below 1 the plan is faster."""
        return self.planned_s / self.default_s

    @property
    def prediction_error(self) -> float:
        """(measured − predicted) / predicted, as in the report; positive: it took longer than planned."""
        return self.planned_s / self.predicted_s - 1

    @property
    def drift(self) -> float:
        """How much slower (below 0: faster) the machine was during the runs than during the profile."""
        return self.sequential_s / self.profiled_s - 1

    def verdict(self) -> str:
        """Say in a sentence what the plan gained, or that it did not."""
        rounds = len(self.default_runs_s)
        won = f"faster in {self.wins} of {rounds} rounds"
        if self.ratio < 1 - COUNTS and self.wins >= CLEAR * rounds:
            return f"The plan gained {1 - self.ratio:.0%} over the default order: {won}."
        if self.ratio > 1 + COUNTS and rounds - self.wins >= CLEAR * rounds:
            return f"The plan gained nothing here: {self.ratio - 1:.0%} slower than the default, {won}."
        if abs(self.ratio - 1) > COUNTS:
            return f"Nothing is proven: the medians differ by {self.ratio - 1:+.0%}, but the plan was {won}."
        return f"No gain that counts ({self.ratio - 1:+.1%}, {won}): the default order was as good here."

    def text(self) -> str:
        """Return the summary that the command line prints."""
        behind = f"{abs(self.prediction_error):.1%} {'later' if self.prediction_error > 0 else 'earlier'}"
        lines = [
            f"{self.nodes} nodes, {self.threads} threads, {self.cores:g} cores ({self.threads_why})",
            f"  one after the other {self.sequential_s:7.2f} s",
            f"  default order       {self.default_s:7.2f} s   {_range(self.default_runs_s)}",
            f"  plan                {self.planned_s:7.2f} s   {_range(self.planned_runs_s)}",
            f"  plan, predicted     {self.predicted_s:7.2f} s   the measured end came {behind}",
            f"  lower bound         {self.lower_bound_s:7.2f} s   {self.binding}; gap {self.gap:.1%}",
            self.verdict(),
        ]
        if abs(self.drift) > DRIFTED:
            pace = "slower" if self.drift > 0 else "faster"
            lines.append(
                f"The machine itself was {abs(self.drift):.0%} {pace} than during the profile: "
                f"one node after the other, {self.sequential_s:.2f} s against {self.profiled_s:.2f} s."
            )
        if self.unsteady:
            lines.append("The runs spread widely: the machine was busy. Run again, or with more --repeats.")
        lines += [
            "Every result was equal to that of running the nodes one after the other.",
            f"In {self.folder}: {', '.join(self.files)}",
            "Next:",
            f"  cd {self.folder}",
            "  makespan explain plan.json",
            "  makespan what-if profile.json --threads 1..8",
            f"  makespan run {self.target} --plan plan.json -o again.json",
            "  makespan report again.json -o again.html",
        ]
        return "\n".join(lines)


def _range(makespans_s: tuple[float, ...]) -> str:
    count = len(makespans_s)
    return f"median of {count}, {min(makespans_s):.2f} to {max(makespans_s):.2f}" if count > 1 else "one run"
