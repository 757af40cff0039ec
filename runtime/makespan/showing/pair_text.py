"""Two runs beside one another as text: headline, both Gantts on one time axis, what makes the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.text_gantt import small_gantt
from makespan.showing.words import clean, percent, plural, seconds, signed_seconds

if TYPE_CHECKING:
    from makespan.showing.beside import Headline, Pair


def pair_text(pair: Pair) -> str:
    """Return the text form; it begins with the words ``makespan report``."""
    a, b = (clean(label, 60) for label in pair.labels)
    lines = [f"makespan report · {clean(pair.title, 60)} · {a} and {b}", "", headline_words(pair.headline)]
    own = set(pair.comparison.notes)
    lines += [f"note: {clean(note, 200)}" for note in pair.notes if note not in own]
    for word, label, report in (("a", a, pair.a), ("b", b, pair.b)):
        if report.rows:
            lines += ["", f"{word}: {label}", *small_gantt(report, extent_s=pair.extent_s)]
    return "\n".join([*lines, "", pair.comparison.text()])


def headline_words(its: Headline) -> str:
    """Say how much longer or shorter b takes, and how sure that is.

    >>> from makespan.showing.beside import Headline
    >>> headline_words(Headline(a_s=2.0, b_s=1.5, a_repeats=1, b_repeats=1))
    'b takes 500 ms less than a (−25 %): 1.50 s against 2.00 s, one run each'
    """
    share = "" if its.share is None else f" ({percent(its.share, signed=True)})"
    if abs(its.difference_s) < 2e-9:
        first = "b takes as long as a"
    else:
        more = "longer" if its.difference_s > 0 else "less"
        first = f"b takes {seconds(abs(its.difference_s))} {more} than a{share}"
    text = f"{first}: {seconds(its.b_s)} against {seconds(its.a_s)}, {_runs(its)}"
    if its.range_s is None:
        return text
    low, high = its.range_s
    shares = ""
    if its.range_share is not None:
        shares = f" ({' … '.join(percent(value, signed=True) for value in its.range_share)})"
    sure = "" if its.sure else "; that may be chance"
    return f"{text}; 95 % interval {signed_seconds(low)} … {signed_seconds(high)}{shares}{sure}"


def _runs(its: Headline) -> str:
    if its.a_repeats == its.b_repeats == 0:
        return "as planned"
    if its.a_repeats == its.b_repeats == 1:
        return "one run each"
    told = [
        "planned" if count == 0 else "one run" if count == 1 else f"median of {plural(count, 'run')}"
        for count in (its.b_repeats, its.a_repeats)
    ]
    return told[0] + " each" if told[0] == told[1] else f"{told[0]} against {told[1]}"
