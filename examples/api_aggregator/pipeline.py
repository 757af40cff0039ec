"""A trip put together from the answers of many services: a DAG of 44 nodes, of which 22 ask and wait.

::

    rates ── exchange ───────────────── (all that read prices)
    login ── flights ── fares ── seats ── read_flights ────────────┐
    trains ── tariffs ── places ─┐                                 ├─ journeys ─┐
    ferries ── cabins ───────────┼─ read_trains, _ferries, _cards ─┘            │
    cards ───────────────────────┘ (a client that takes one call at a time)     ├─ combine ── rank
    hotels ×3 ── rooms ×3 ── read_hotels ×3 ── distinct ──┐                     │              │
    reviews ── opinions ──────────────────────────────────┴─ judge ─────────────┤    keep, summary, answer
    events ── venues ── calendar; weather ── climate; transfers ── cheapest ────┘

The calls take 40 to 250 ms. The account allows four connections at a time, and an old service one call: the
server refuses more. A semaphore and a lock in the client keep that right whoever runs the DAG; a budget of
four threads and `lock="legacy"` say it to makespan, which then lets no thread wait for its turn. Three things
are nearly equally long: the work of four threads, the way through the flights, and the calls of the old
service. So it counts what starts first.

    python pipeline.py
    makespan profile  pipeline.py:trip -o profile.json
    makespan optimize profile.json --threads 4 -o plan.json
    makespan run      pipeline.py:trip --plan plan.json
"""

# mypy: disable-error-code="import-not-found"
# ruff: noqa: D103 - the names say it
from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import trip_offers as of

from makespan import dag, node

SCALE = float(os.environ.get("AGGREGATOR_SCALE", "1"))  # of waits and answers; less: quicker and noisier
Rows = list[dict[str, Any]]


# -- the services: another process, started when first needed
class Server(NamedTuple):
    """The process of the services, and its port."""

    process: subprocess.Popen[str]
    port: int


_running: list[Server] = []
_starting = threading.Lock()


def start() -> int:
    """Start the services, unless they run, and return their port."""
    with _starting:
        if not _running:
            program = [sys.executable, str(Path(__file__).with_name("server.py"))]
            process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            _running.append(Server(process, int(process.stdout.readline())))
            atexit.register(stop)
        return _running[0].port


def stop() -> None:
    """End the services: they do when their standard input ends."""
    with _starting:
        for its in _running:
            its.process.communicate()
        _running.clear()
        atexit.unregister(stop)


@node(setup=True)
def services() -> int:
    return start()


# -- calls, which wait
CONNECTIONS = threading.Semaphore(4)
ONE_CALL = threading.Lock()


def get(port: int, path: str, ms: float, rows: int, given: Rows | None) -> Rows:
    """Ask for the table of a path; what was `given` by an earlier answer is part of it."""
    if given is not None:
        path += f"/{given[0]['id']}"
    connection = HTTPConnection("127.0.0.1", port)
    try:
        with CONNECTIONS:
            connection.request("GET", f"/{path}?ms={ms * SCALE}&rows={max(10, int(rows * SCALE))}")
            answer = connection.getresponse()
            body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.reason}")
    found: Rows = json.loads(body)
    return found


@node
def fetch(port: int, path: str, ms: float, rows: int, given: Rows | None = None) -> Rows:
    return get(port, path, ms, rows, given)


@node(lock="legacy")
def fetch_legacy(port: int, path: str, ms: float, rows: int, given: Rows | None = None) -> Rows:
    with ONE_CALL:  # for whoever does not know of lock="legacy"
        return get(port, path, ms, rows, given)


# -- the DAG
@dag
def trip(many: int = 2000) -> dict[str, Any]:
    """Find the best of so many trips."""
    port = services()

    def ask(name: str, ms: float, rows: int, given: Any = None) -> Any:
        return fetch.options(name=name)(port, name, ms, rows, given)

    def ask_legacy(name: str, ms: float, rows: int, given: Any = None) -> Any:
        return fetch_legacy.options(name=name)(port, f"legacy/{name}", ms, rows, given)

    rates = of.exchange(ask("rates", 40, 30))
    weather = of.climate(ask("weather", 80, 300))
    events = ask("events", 230, 800)
    lively = of.calendar(events, ask("venues", 180, 400, events))
    weights = of.opinions(ask("reviews", 170, 900))
    transfers = of.cheapest(of.read.options(name="read_transfers")([ask("transfers", 120, 500)], rates))

    hotel_offers = []
    for number, (search_ms, rooms_ms) in enumerate([(200, 250), (140, 210), (90, 160)], 1):
        hotels = ask(f"hotels_{number}", search_ms, 700)
        rooms = ask(f"rooms_{number}", rooms_ms, 700, hotels)
        hotel_offers.append(of.read.options(name=f"read_hotels_{number}")([hotels, rooms], rates))
    stays = of.judge(of.distinct(hotel_offers), weights)

    trains = ask_legacy("trains", 140, 500)
    tariffs = ask_legacy("tariffs", 140, 300, trains)
    places = ask_legacy("places", 130, 300, tariffs)
    ferries = ask_legacy("ferries", 120, 400)
    cabins = ask_legacy("cabins", 130, 300, ferries)
    cards = of.read.options(name="read_cards")([ask_legacy("cards", 90, 60)], rates)
    by_rail = of.read.options(name="read_trains")([trains, tariffs, places], rates)
    by_sea = of.read.options(name="read_ferries")([ferries, cabins], rates)

    login = ask("login", 90, 10)
    flights = ask("flights", 240, 800, login)
    fares = ask("fares", 250, 600, flights)
    seats = ask("seats", 190, 300, fares)
    by_air = of.read.options(name="read_flights")([flights, fares, seats], rates)

    ways = of.journeys(by_air, [by_rail, by_sea], cards)
    best = of.rank(of.combine(ways, stays, lively, weather, transfers), many)
    found: dict[str, Any] = of.answer(best, of.keep(best), of.summary(best))
    return found


# -- around it
# CONNECTIONS and ONE_CALL are limits of this process.
process_ok = tuple(name for name, its in trip.nodes.items() if its.fn.__module__ == of.__name__)


def setup() -> None:
    """Start the services, unless they run."""
    start()


def teardown() -> None:
    """End the services."""
    stop()


BEST = {"city": "Ghent", "cents": 1108, "journey": "03826", "stay": "01020"}  # with all rows


def check(results: dict[str, Any]) -> None:
    """Look at the answer: the best trip is known, and more were kept."""
    found = results["answer"]
    scores = [its["score"] for its in found["trips"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5 <= found["kept"]
    assert SCALE != 1 or found["trips"][0].items() >= BEST.items()


if __name__ == "__main__":
    print(json.dumps(trip(), indent=1))
