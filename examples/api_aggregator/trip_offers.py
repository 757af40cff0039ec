"""What becomes of the answers: plain Python on offers, ways to travel and stays."""

# ruff: noqa: D103 - the names say it
from __future__ import annotations

import heapq
import json
import re
import sqlite3
from collections import Counter, defaultdict
from statistics import fmean
from typing import Any, NamedTuple

from makespan import node

Rows = list[dict[str, Any]]


class Offer(NamedTuple):
    """Something that can be booked."""

    id: str
    city: str
    cents: int
    stars: int
    words: tuple[str, ...]


PRICE = re.compile(r"(\d+)\.(\d\d) (\w+)")


@node
def exchange(rows: Rows) -> dict[str, float]:
    """Make a table of rates of what the bank says of its days."""
    mean = fmean(row["stars"] for row in rows)
    return {"EUR": 1.0, "USD": 0.8 + mean / 25, "SEK": 0.08 + mean / 500}


@node
def read(tables: list[Rows], rates: dict[str, float]) -> list[Offer]:
    """Bring offers of several tables into one form: cents in one currency, words without endings."""
    offers = []
    for rows in tables:
        for row in rows:
            amount = PRICE.match(row["price"])
            if amount is None:
                raise ValueError(f"no price: {row['price']!r}")
            price = round((100 * int(amount[1]) + int(amount[2])) * rates[amount[3]])
            words = sorted({word.removesuffix("s").lower() for word in row["text"].split() if len(word) > 3})
            offers.append(Offer(row["id"], row["city"].strip().title(), price, row["stars"], tuple(words)))
    return offers


@node
def distinct(parts: list[list[Offer]]) -> list[Offer]:
    """Keep of offers that mean the same the cheapest: same city and stars, and nearly the same words."""
    best: dict[tuple[str, int, tuple[str, ...]], Offer] = {}
    for offer in sorted((offer for part in parts for offer in part), key=lambda its: (its.cents, its.id)):
        best.setdefault((offer.city, offer.stars, offer.words[:4]), offer)
    return list(best.values())


@node
def opinions(rows: Rows) -> dict[str, float]:
    """Weigh words by the stars of the reviews that they stand in."""
    stars: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        for word in row["text"].split():
            stars[word.removesuffix("s")].append(row["stars"])
    return {word: fmean(its) - 3 for word, its in stars.items()}


@node
def judge(offers: list[Offer], weights: dict[str, float]) -> list[tuple[float, Offer]]:
    """Score stays by price within their city, stars and words."""
    mean: dict[str, float] = {}
    for city in {its.city for its in offers}:
        mean[city] = fmean(its.cents for its in offers if its.city == city)
    return [
        (mean[its.city] / its.cents + its.stars / 5 + sum(weights.get(word, 0) for word in its.words), its)
        for its in offers
    ]


@node
def calendar(rows: Rows, places: Rows) -> dict[str, int]:
    """Count what goes on in each city."""
    at: dict[str, str] = {row["id"]: row["city"] for row in places}
    return dict(Counter(at.get(row["id"]) or str(row["city"]) for row in rows))


@node
def climate(rows: Rows) -> dict[str, float]:
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[row["city"]].append(row["stars"])
    return {city: fmean(its) for city, its in found.items()}


@node
def cheapest(offers: list[Offer]) -> dict[str, int]:
    found: dict[str, int] = {}
    for its in offers:
        found[its.city] = min(its.cents, found.get(its.city, its.cents))
    return found


@node
def journeys(flights: list[Offer], others: list[list[Offer]], discounts: list[Offer]) -> list[Offer]:
    """Put all ways to travel together, with a card's discount where there is one."""
    off = {its.city: its.stars for its in discounts}
    every = [*flights, *(its for part in others for its in part)]
    return [its._replace(cents=its.cents * (100 - off.get(its.city, 0)) // 100) for its in every]


class Trip(NamedTuple):
    """A journey and a stay."""

    score: float
    city: str
    cents: int
    journey: str
    stay: str


@node
def combine(
    ways: list[Offer],
    stays: list[tuple[float, Offer]],
    lively: dict[str, int],
    warm: dict[str, float],
    transfers: dict[str, int],
) -> list[Trip]:
    """Pair the cheapest ways with the best stays of each city."""
    trips = []
    for city in sorted(warm):
        there = heapq.nsmallest(
            90, (its for its in ways if its.city == city), key=lambda its: (its.cents, its.id)
        )
        best = heapq.nlargest(40, (its for its in stays if its[1].city == city))
        mood = warm[city] / 5 + lively.get(city, 0) / 1000
        for way in there:
            for score, stay in best:
                cents = way.cents + stay.cents + transfers.get(city, 0)
                trips.append(Trip(round(score + mood - cents / 40_000, 9), city, cents, way.id, stay.id))
    return trips


@node
def rank(trips: list[Trip], many: int) -> list[Trip]:
    return heapq.nlargest(many, trips)


@node
def keep(trips: list[Trip]) -> int:
    """Keep what was found in a cache, and return how many rows that has."""
    with sqlite3.connect(":memory:") as cache:
        cache.execute("CREATE TABLE trips (score, city, cents, journey, stay)")
        columns = ", ".join(f"json_extract(value, '$[{at}]')" for at in range(5))
        # One statement, so that it takes the GIL once.
        cache.execute(f"INSERT INTO trips SELECT {columns} FROM json_each(?)", [json.dumps(trips)])
        return int(cache.execute("SELECT count(*) FROM trips").fetchone()[0])


@node
def summary(trips: list[Trip]) -> dict[str, int]:
    found: dict[str, list[int]] = defaultdict(list)
    for its in trips:
        found[its.city].append(its.cents)
    return {city: round(fmean(its)) for city, its in sorted(found.items())}


@node
def answer(trips: list[Trip], kept: int, prices: dict[str, int]) -> dict[str, Any]:
    return {"trips": [its._asdict() for its in trips[:5]], "kept": kept, "prices": prices}
