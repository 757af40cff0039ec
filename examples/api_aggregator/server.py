"""The services that the aggregator asks: one small web server that takes its time. Standard library only.

``GET /SERVICE/DETAIL?ms=80&rows=300`` is answered after 80 ms with a table of 300 rows, always the same for
the same path. A fifth call at a time is refused, and a second one to ``/legacy/``. It prints its port, and
ends when its standard input does: with the process that started it.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CITIES = ("Lyon", "Porto", "Turin", "Ghent", "Graz", "Malmo", "Split", "Bergen")
WORDS = "quiet central modern view garden breakfast family pool station old town bright clean".split()  # noqa: SIM905


def rows(path: str, many: int) -> list[dict[str, Any]]:
    """Return rows of an answer: offers, with words to read."""
    drawn = random.Random(path)
    return [
        {
            "id": f"{drawn.randrange(4000):05}",
            "city": drawn.choice(CITIES),
            "price": f"{drawn.uniform(40, 400):.2f} {drawn.choice(('EUR', 'USD', 'SEK'))}",
            "stars": drawn.randint(1, 5),
            "text": " ".join(drawn.choices(WORDS, k=12)),
        }
        for _ in range(many)
    ]


class Services(BaseHTTPRequestHandler):
    """Answers late."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent at once
    answers: dict[str, bytes] = {}  # noqa: RUF012 (made once for each path, so that the answer's time is `ms`)
    quota = threading.Semaphore(4)
    legacy = threading.Semaphore(1)

    def do_GET(self) -> None:
        """Answer after the milliseconds that the path says."""
        begun = time.monotonic()
        asked = urlsplit(self.path)
        said = parse_qs(asked.query)
        body = self.answers.get(self.path)
        if body is None:
            body = json.dumps(rows(asked.path, int(said["rows"][0]))).encode()
            self.answers[self.path] = body
        limits = [self.quota, self.legacy] if asked.path.startswith("/legacy/") else [self.quota]
        taken = [limit for limit in limits if limit.acquire(blocking=False)]
        if taken == limits:
            time.sleep(max(0.0, begun + float(said["ms"][0]) / 1000 - time.monotonic()))
        for limit in taken:
            limit.release()
        if taken != limits:
            self.send_error(429, "too many calls at a time")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Services)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
