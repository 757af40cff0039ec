"""Features from records that are read one by one: plain Python, which holds the GIL.

Each file has a chain of its own. A path goes in, and a few numbers for each customer come out; between them
are lists of tens of thousands of records.
"""

# ruff: noqa: D101, D103 - the names say it
from __future__ import annotations

import csv
import json
import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from datetime import datetime
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from makespan import node

if TYPE_CHECKING:
    from collections.abc import Mapping


class Features(NamedTuple):
    """Columns for some customers."""

    customers: Any  # shape (n,), int
    values: Any  # shape (n, names), float
    names: tuple[str, ...]


def features_of(rows: Mapping[int, tuple[float, ...]], *names: str) -> Features:
    keys = sorted(rows)
    return Features(
        np.array(keys), np.array([rows[key] for key in keys], float).reshape(-1, len(names)), names
    )


# -- the web server's log
class Hit(NamedTuple):
    customer: int
    second: float
    page: str
    status: int
    agent: str


LINE = re.compile(r'\S+ - c(\d+) \[([^\]]+)\] "(?:GET|POST) (\S+) [^"]*" (\d+) \d+ "[^"]*" "([^"]*)"')


@node
def parse_log(folder: str, name: str) -> list[Hit]:
    hits = []
    with Path(folder, name).open() as file:
        for line in file:
            found = LINE.match(line)
            if found:
                customer, stamp, page, status, agent = found.groups()
                when = datetime.strptime(stamp, "%d/%b/%Y:%H:%M:%S %z")
                hits.append(Hit(int(customer), when.timestamp(), page.partition("?")[0], int(status), agent))
    return hits


@node
def sessions(parts: list[list[Hit]]) -> dict[int, list[list[Hit]]]:
    """Group a customer's hits: 30 minutes without one end a session."""
    found: dict[int, list[list[Hit]]] = defaultdict(list)
    for hit in sorted((hit for part in parts for hit in part), key=lambda hit: (hit.customer, hit.second)):
        its = found[hit.customer]
        if its and hit.second - its[-1][-1].second < 1800:
            its[-1].append(hit)
        else:
            its.append([hit])
    return dict(found)


@node
def visits(by_customer: dict[int, list[list[Hit]]]) -> Features:
    rows = {}
    for customer, its in by_customer.items():
        lengths = [session[-1].second - session[0].second for session in its]
        gaps = [b.second - a.second for session in its for a, b in pairwise(session)] or [0.0]
        bounced = sum(len(session) == 1 for session in its) / len(its)
        night = fmean(hit.second // 3600 % 24 < 6 for session in its for hit in session)
        many = sum(map(len, its))
        rows[customer] = (many, fmean(lengths), median(gaps), pstdev(gaps), bounced, night)
    return features_of(rows, "hits", "session_s", "step_s", "step_sd", "bounced", "night")


@node
def funnel(by_customer: dict[int, list[list[Hit]]]) -> Features:
    """Follow each session from product to cart to checkout."""
    rows = {}
    for customer, its in by_customer.items():
        reached = [0, 0, 0]
        for session in its:
            step = 0
            for hit in session:
                if hit.status == 200 and hit.page.startswith(("/product/", "/cart", "/checkout")[step]):
                    reached[step] += 1
                    step += 1
                    if step == 3:
                        break
        rows[customer] = (reached[0] / len(its), reached[1] / len(its), reached[2] / len(its))
    return features_of(rows, "looked", "carted", "checked_out")


@node
def navigation(by_customer: dict[int, list[list[Hit]]]) -> Features:
    """Entropy of the steps from page to page, and how often a page comes again."""
    rows = {}
    for customer, its in by_customer.items():
        steps = Counter((a.page[:8], b.page[:8]) for session in its for a, b in pairwise(session))
        total = steps.total() or 1
        entropy = -sum(many / total * math.log2(many / total) for many in steps.values())
        pages = [hit.page for session in its for hit in session]
        rows[customer] = (entropy, 1 - len(set(pages)) / len(pages))
    return features_of(rows, "entropy", "again")


@node
def devices(parts: list[list[Hit]]) -> Features:
    rows: dict[int, tuple[float, ...]] = {}
    for hit in (hit for part in parts for hit in part):
        version = re.search(r"(?:Chrome|Firefox|Version)/(\d+)", hit.agent)
        rows[hit.customer] = ("Mobile" in hit.agent, float(version[1]) if version else 0.0)
    return features_of(rows, "mobile", "browser")


# -- letters to the support
@node
def letters(folder: str, name: str) -> list[dict[str, Any]]:
    with Path(folder, name).open() as file:
        return [json.loads(line) for line in file]


SUFFIXES = ("ations", "ation", "ingly", "edly", "ing", "able", "ness", "ed", "ly", "es", "s")


def stem(word: str) -> str:
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) > 2:
            return word[: -len(suffix)]
    return word


@node
def tokens(tickets: list[dict[str, Any]]) -> list[tuple[int, list[str]]]:
    return [
        (its["customer"], [stem(word) for word in re.findall(r"[a-z']+", its["text"].lower())])
        for its in tickets
    ]


BAD = {stem(its) for its in ("broken", "late", "refund", "terrible", "wrong", "waiting", "useless", "cancel")}
GOOD = {stem(its) for its in ("thanks", "great", "perfect", "quickly", "friendly", "love", "helpful", "good")}
NOT = {"not", "never", "no", "without", "hardly"}


@node
def sentiment(texts: list[tuple[int, list[str]]]) -> Features:
    """Count good and bad words; one that stands up to three words after a *not* counts the other way."""
    scores: dict[int, list[float]] = defaultdict(list)
    for customer, words in texts:
        score, turned = 0.0, 0
        for word in words:
            turned = 3 if word in NOT else max(0, turned - 1)
            value = (word in GOOD) - (word in BAD)
            score += -value if turned else value
        scores[customer].append(score / max(1, len(words)))
    return features_of(
        {c: (fmean(its), min(its), len(its)) for c, its in scores.items()}, "mood", "worst", "letters"
    )


@node
def topics(texts: list[tuple[int, list[str]]]) -> Features:
    """Weigh words by how rare they are, and compare each letter with the mean one."""
    seen = Counter(word for _, words in texts for word in set(words))
    rare = {word: math.log(len(texts) / many) for word, many in seen.items()}
    mean: Counter[str] = Counter()
    weighed = []
    for customer, words in texts:
        weights = {word: many * rare[word] for word, many in Counter(words).items()}
        norm = math.sqrt(sum(its * its for its in weights.values())) or 1.0
        weighed.append((customer, {word: its / norm for word, its in weights.items()}))
        mean.update(weighed[-1][1])
    rows: dict[int, tuple[float, ...]] = {}
    for customer, weights in weighed:
        alike = sum(its * mean[word] for word, its in weights.items()) / len(texts)
        rows[customer] = (alike, max(weights.values(), default=0.0))
    return features_of(rows, "alike", "rarest")


@node
def urgency(tickets: list[dict[str, Any]]) -> Features:
    rows: dict[int, tuple[float, ...]] = {}
    for its in tickets:
        text = its["text"]
        amounts = [float(found) for found in re.findall(r"(\d+\.\d\d) EUR", text)]
        sentences = [part.split() for part in re.split(r"[.!?]+\s*", text) if part]
        syllables = sum(len(re.findall(r"[aeiouy]+", word)) for words in sentences for word in words)
        many = sum(map(len, sentences)) or 1
        ease = 206.8 - 1.015 * many / len(sentences) - 84.6 * syllables / many
        hour = datetime.fromisoformat(its["opened"]).hour
        rows[its["customer"]] = (max(amounts, default=0.0), text.count("!"), ease, hour)
    return features_of(rows, "amount", "shouts", "ease", "hour")


# -- minutes in the app
@node
def series(folder: str, name: str) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    with Path(folder, name).open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for customer, _, minutes in rows:
            found[int(customer)].append(float(minutes))
    return dict(found)


@node
def rolling(minutes: dict[int, list[float]], window: int) -> Features:
    """Take mean and spread of a window that moves, and the deepest fall of its mean."""
    rows = {}
    for customer, its in minutes.items():
        last: deque[float] = deque(maxlen=window)
        means, spreads = [], []
        for value in its:
            last.append(value)
            mean = sum(last) / len(last)
            means.append(mean)
            spreads.append(math.sqrt(sum((x - mean) ** 2 for x in last) / len(last)))
        top = fall = 0.0
        for mean in means:
            top = max(top, mean)
            fall = max(fall, top - mean)
        rows[customer] = (means[-1] / (fmean(means) + 1), max(spreads), fall)
    return features_of(rows, f"recent_{window}", f"spread_{window}", f"fall_{window}")


@node
def streaks(minutes: dict[int, list[float]]) -> Features:
    rows = {}
    for customer, its in minutes.items():
        level, longest, run = median(its), 0, 0
        for value in its:
            run = run + 1 if value >= level else 0
            longest = max(longest, run)
        ordered = sorted(its)
        quiet = next((k for k, value in enumerate(reversed(its)) if value >= level), len(its))
        rows[customer] = (len(its), longest, quiet, bisect_right(ordered, its[-1]) / len(its))
    return features_of(rows, "days", "streak", "quiet", "latest")


# -- baskets
@node
def baskets(folder: str, name: str) -> list[tuple[int, list[str]]]:
    with Path(folder, name).open() as file:
        return [(its["customer"], its["items"]) for its in map(json.loads, file)]


@node
def together(found: list[tuple[int, list[str]]]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    single: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for _, items in found:
        single.update(items)
        pairs.update(combinations(items, 2))
    return single, pairs


@node
def affinity(
    found: list[tuple[int, list[str]]], single: Counter[str], pairs: Counter[tuple[str, str]]
) -> Features:
    """Lift of the pairs in a customer's baskets: how usual they are."""
    lifts: dict[int, list[float]] = defaultdict(list)
    bought = Counter(customer for customer, _ in found)
    for customer, items in found:
        for a, b in combinations(items, 2):
            lifts[customer].append(pairs[a, b] * len(found) / (single[a] * single[b]))
    rows = {c: (many, fmean(lifts[c] or [0.0]), max(lifts[c], default=0.0)) for c, many in bought.items()}
    return features_of(rows, "bought", "lift", "top_lift")
