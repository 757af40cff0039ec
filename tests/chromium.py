"""Chromium spoken to over its DevTools pipe: what the tests of the page look through.

Debian: ``apt-get install -y chromium``. Without it these tests fail: a page that no browser has opened is not
tested.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from select import select
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--window-size=1160,1000",
]


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("the page is tested in Chromium, which is not installed: apt-get install -y chromium")
    return found


class Page:
    """A page that is open, spoken to over the DevTools pipe."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.write, self.read = to_browser, from_browser
        self.count, self.session, self.rest = 0, "", b""
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select([self.read], [], [], 60)[0], "the browser says nothing any more"
            more = os.read(self.read, 1 << 20)
            assert more, "the browser went away"
            self.rest += more
        one, _, self.rest = self.rest.partition(b"\0")
        return json.loads(one)  # type: ignore[no-any-return]

    def event(self, name: str) -> None:
        while self.heard(self.message()) != name:
            pass

    def heard(self, message: dict[str, Any]) -> str:
        method, params = message.get("method", ""), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return str(method)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.count += 1
        order = {"id": self.count, "method": method, "params": params}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.write, json.dumps(order).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.count:
                assert "error" not in message, message
                return message["result"]  # type: ignore[no-any-return]
            self.heard(message)

    def eval(self, code: str) -> Any:
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def settle(self) -> None:
        """Wait until what is due in the next frame is drawn."""
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.as_uri())
        self.event("Page.loadEventFired")

    def point(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def drag(self, from_x: float, to_x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=from_x, y=y, button="left", clickCount=1)
        for x in (from_x + 6, (from_x + to_x) / 2, to_x):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=y, button="left", clickCount=1)
        self.settle()

    def wheel(self, x: float, y: float, by: float, *, ctrl: bool = False, across: float = 0.0) -> None:
        self.call(
            "Input.dispatchMouseEvent",
            type="mouseWheel",
            x=x,
            y=y,
            deltaX=across,
            deltaY=by,
            modifiers=2 if ctrl else 0,
        )
        self.settle()

    def press(self, key: str, *, shift: bool = False) -> None:
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        modifiers = 8 if shift else 0
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, modifiers=modifiers, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, modifiers=modifiers)
        self.settle()

    def scheme(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@contextmanager
def opened(folder: Path) -> Iterator[Page]:
    ours, theirs = os.pipe(), os.pipe()
    fds = (ours[0], theirs[1])
    # The browser reads orders from descriptor 3 and answers on 4.
    script = f'exec "$@" 3<&{fds[0]} 4>&{fds[1]}'
    order = [
        "bash",
        "-c",
        script,
        "-",
        browser(),
        *FLAGS,
        "--remote-debugging-pipe",
        f"--user-data-dir={folder}",
    ]
    process = subprocess.Popen(order, pass_fds=fds, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for fd in fds:
        os.close(fd)
    page = Page(ours[1], theirs[0])
    try:
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        yield page
    finally:
        page.session = ""
        try:
            page.call("Browser.close")
        except (AssertionError, OSError):
            process.kill()
        process.wait(20)
        os.close(page.write)
        os.close(page.read)
