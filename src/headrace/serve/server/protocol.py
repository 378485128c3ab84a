"""A uvicorn protocol that answers what needs no waiting straight from the parsed request.

It takes the bytes of a connection and gives the bytes of an answer, without a scope, a task or a
message between them; everything that is not answered so goes to the ASGI application, on
the same connection. `HttpToolsProtocol` is no public interface: the version of uvicorn is pinned,
and a suite of tests holds both ways against each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
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


# Between the parts of a head, and for whoever is refused with a reason.
_ROOM_BYTES = 8 * 1024
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


def protocol_of(service: Service) -> type[HttpToolsProtocol]:
    """The protocol class for a service, for `http=` of `uvicorn.Config`."""
    settings = service.settings
    most = settings.max_url_bytes + settings.max_header_bytes + _ROOM_BYTES
    if settings.protocol == "asgi":
        return type("BoundedProtocol", (_BoundedProtocol,), {"most_unread_bytes": most})
    own = {"service": service, "most_unread_bytes": most}
    return type("HotProtocol", (_HotProtocol,), own)


class _BoundedProtocol(HttpToolsProtocol):
    """One connection whose parser gets only so much that it can do nothing with.

    uvicorn and its parser keep a head, a trailer and a chunk's extension of any length. What is
    a little too long is refused by the application, which says why.
    """

    most_unread_bytes: int
    _unread_bytes = 0
    # Half the price of `super()`, for every request.
    _parse = HttpToolsProtocol.data_received

    def data_received(self, data: bytes) -> None:
        """Parse it; close the connection when too much has come since the last progress."""
        self._unread_bytes += len(data)
        self._parse(data)
        if self._unread_bytes > self.most_unread_bytes:
            self._refuse()

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._unread_bytes = 0
        super().on_headers_complete()
        # uvicorn would add trailers to the headers, which nobody reads by now.
        self.headers = deque(maxlen=0)  # type: ignore[assignment]  # it is only appended to

    def on_body(self, body: bytes) -> None:
        """A piece of a body is there: whoever reads it counts."""
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        self._unread_bytes = 0
        super().on_message_complete()

    def _refuse(self) -> None:
        # While an answer is under way, another one would be taken for it.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LONG)
        self.transport.close()


class _HotProtocol(_BoundedProtocol):
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
        self._unread_bytes = 0
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
        self._unread_bytes = 0
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
