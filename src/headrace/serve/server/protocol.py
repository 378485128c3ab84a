"""A uvicorn protocol that answers what needs no waiting straight from the parsed request.

It takes the bytes of a connection and gives the bytes of an answer, without a scope, a task or a
message between them; everything that is not answered so goes to the ASGI application, on
the same connection. `HttpToolsProtocol` is no public interface: the version of uvicorn is pinned,
and a suite of tests holds both ways against each other.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from headrace.serve.answering.answers import BODILESS
from headrace.serve.app import Service
from headrace.serve.quick_way import Hot

_STATUS_LINES: dict[int, bytes] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)
}


def protocol_of(service: Service) -> type[HttpToolsProtocol]:
    """The protocol class for a service, for `http=` of `uvicorn.Config`."""
    return type("HotProtocol", (_HotProtocol,), {"service": service})


class _HotProtocol(HttpToolsProtocol):
    """One connection; `service` is set by `protocol_of`."""

    service: Service

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn makes it."""
        super().__init__(config, server_state, app_state, _loop)
        self._is_hot = False
        self._hot_at = 0.0
        self.idle_timer: asyncio.TimerHandle | None = None

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request: only what the quick way needs."""
        self._is_hot = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Answer at once, or let the application answer."""
        hot = self._hot()
        if hot is None:
            self._begin_scope()
            super().on_headers_complete()
        else:
            self._is_hot = True
            self._write(hot)

    def on_body(self, body: bytes) -> None:
        """A hot request has none."""
        if not self._is_hot:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A hot request has been answered already."""
        if not self._is_hot:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the timer, too."""
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None
        super().connection_lost(exc)

    # The quick way

    def _hot(self) -> Hot | None:
        if self.service.draining or self._is_behind() or self.parser.get_http_version() != "1.1":
            return None
        path, _, query = self.url.partition(b"?")
        if path[:1] != b"/" or b"#" in self.url:
            return None
        method = self.parser.get_method().decode("ascii")
        return self.service.hot(method, path, query, self.headers)

    def _is_behind(self) -> bool:
        """Whether an answer before this one is still on its way, or the client reads too slowly."""
        cycle = self.cycle
        return (
            (cycle is not None and not cycle.response_complete)
            or bool(self.pipeline)
            or self.flow.write_paused
        )

    def _begin_scope(self) -> None:
        """What uvicorn does when a request begins, now that it needs it."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)

    def _write(self, hot: Hot) -> None:
        status, head, tag, age_seconds, body, link = hot.ready
        keep_alive = self.parser.should_keep_alive()
        parts = [
            _STATUS_LINES[status],
            _default_lines(self.server_state),
            head.lines,
            b"etag: %s\r\nx-data-age: %d\r\n" % (tag.encode(), age_seconds),
        ]
        if link:
            parts.append(b"link: %s\r\n" % link.encode())
        parts.extend(b"%s: %s\r\n" % pair for pair in hot.notice)
        if status not in BODILESS:
            parts.append(b"content-length: %d\r\n" % len(body))
        parts.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
        if self.parser.get_method() != b"HEAD":
            parts.append(body)
        self.transport.write(b"".join(parts))
        self.server_state.total_requests += 1
        if keep_alive:
            self._stay()
        else:
            self.transport.close()

    # Keeping the connection

    def _stay(self) -> None:
        """Note that there was a request: one timer a connection, not one a request."""
        self._hot_at = self.loop.time()
        if self.idle_timer is None:
            self.idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_idle)

    def _close_idle(self) -> None:
        self.idle_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            # The application answers: its end starts uvicorn's own timer.
            return
        left = self._hot_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.idle_timer = self.loop.call_later(left, self._close_idle)
        elif self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.transport.close()


def _default_lines(state: ServerState) -> bytes:
    """uvicorn's own headers: the date, which it renews every second by another list."""
    if state.default_headers is not _default.headers:
        _default.headers = state.default_headers
        _default.lines = b"".join(b"%s: %s\r\n" % pair for pair in state.default_headers)
    return _default.lines


class _Default:
    """uvicorn's own headers, and the same joined."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.lines = b""


_default = _Default()
