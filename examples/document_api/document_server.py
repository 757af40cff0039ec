"""The store that pages are fetched from: a web server on the loopback, in a process of its own.

It takes its time as a store in another building does: 30 ms, and 1 MB a second. It ends with the process that
started it, at the latest: it reads a pipe that then closes.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LATENCY_S, BYTES_PER_S = 0.03, 1e6


class _Store:
    """The process, if it runs."""

    process: subprocess.Popen[str] | None = None
    port = 0
    starting = threading.Lock()


def start() -> int:
    """Start the server, if it does not run yet; return its port."""
    with _Store.starting:
        if _Store.process is None or _Store.process.poll() is not None:
            command = [sys.executable, str(Path(__file__).resolve())]
            _Store.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert _Store.process.stdout is not None
            _Store.port = int(_Store.process.stdout.readline())
            atexit.register(stop)
        return _Store.port


def stop() -> None:
    """Stop the server, if it runs."""
    with _Store.starting:
        process, _Store.process = _Store.process, None
        if process is not None:
            process.communicate()  # it closes the pipe that the server reads
            atexit.unregister(stop)


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer ``/PAGE/SCALE`` with a JPEG."""
        from document_pages import PAGES, scan

        _, page, scale = self.path.split("/")
        if page not in PAGES:
            self.send_error(404)
            return
        body = scan(page, float(scale))
        time.sleep(LATENCY_S + len(body) / BYTES_PER_S)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    _serve()
