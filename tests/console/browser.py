"""A real browser: drives Chromium without a window, through its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_SECONDS = 30.0
# Where the browser expects its pipes.
_AT_THREE_AND_FOUR = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str:
    """Where Chromium is; without it a test is skipped, and fails where CI runs it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "chromium is not installed; expected it on the PATH: apt-get install chromium"
        if os.environ.get("HEADRACE_CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@dataclass
class Browser:
    """One page of a Chromium; `violations` and `requests` are what it has met since it began."""

    _write: int
    _read: int
    _session: str = ""
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _buffer: bytes = b""
    violations: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    loads: int = 0

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Ask for something; its result."""
        number = next(self._ids)
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(time.monotonic() + _SECONDS)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def open(self, url: str) -> None:
        """Go to a page, and wait until it has loaded."""
        loads = self.loads
        failed = self.send("Page.navigate", url=url).get("errorText", "")
        assert not failed, f"{url}: {failed}"
        self._wait_for_load(loads)

    def run(self, script: str) -> Any:
        """What a script says in the page."""
        result = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def fill(self, **values: str) -> None:
        """Type into the fields of these names."""
        for name, value in values.items():
            self.run(f"document.querySelector('[name={name}]').focus()")
            self.send("Input.insertText", text=value)

    def click(self, selector: str) -> None:
        """Click on what leads to another page, and wait until that has loaded."""
        loads = self.loads
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self._wait_for_load(loads)

    def text(self, selector: str = "body") -> str:
        """What people read there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    @property
    def path(self) -> str:
        """Of the page that is shown."""
        return str(self.run("location.pathname"))

    def cookies(self) -> list[dict[str, Any]]:
        """All cookies that it keeps."""
        found: list[dict[str, Any]] = self.send("Storage.getCookies")["cookies"]
        return found

    def picture(self, path: Path, width: int = 1100, height: int = 800, scheme: str = "") -> None:
        """Write a picture of the page; `scheme` is "dark" or "light"."""
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}] if scheme else [],
        )
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def attach(self) -> None:
        """Have a page, and be told what happens in it."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.send(f"{domain}.enable")

    def _wait_for_load(self, loads: int) -> None:
        until = time.monotonic() + _SECONDS
        while self.loads == loads:
            self._note(self._next(until))

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self.loads += 1
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.console.append(json.dumps(params))
            case "Audits.issueAdded" if "contentSecurityPolicyIssueDetails" in json.dumps(params):
                self.violations.append(json.dumps(params))


@contextmanager
def opened_browser(profile: Path, *arguments: str) -> Iterator[Browser]:
    """A browser with a new profile in a folder; it ends with the block."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()

    command = [
        *(sys.executable, "-c", _AT_THREE_AND_FOUR, str(to_browser), str(from_browser)),
        chromium(),
        "--headless=new",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        # As root, which containers are, Chromium starts in no other way.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-proxy-server",
        *arguments,
    ]
    process = subprocess.Popen(
        command,
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_browser)
    os.close(from_browser)
    browser = Browser(write, read)
    try:
        browser.attach()
        yield browser
    finally:
        os.close(write)
        os.close(read)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
