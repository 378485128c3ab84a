"""ASGI messages of one request: takes what an application sends and receives, adds the headers that
every answer has, ends a body that is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from headrace.base.access import ANONYMOUS, Principal
from headrace.serve.answering.answers import Headers, names_file, request_header
from headrace.serve.answering.problems import Refused, new_instance, problem
from headrace.serve.columnar.workers import ClientGone

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")


class Sender:
    """An ASGI send that adds headers, and remembers how far the answer has come.

    `principal` is who asks, once that is known; `is_export` says that the answer is a file.
    """

    def __init__(self, send: Send) -> None:
        self.started = False
        self.finished = False
        self.headers: Headers = []
        self.request_id = ""
        self.principal: Principal = ANONYMOUS
        self.is_export = False
        self.bodiless = False
        self._send = send

    @cached_property
    def instance(self) -> str:
        """What this request is called in the log and in its answer, when it fails."""
        return new_instance()

    @property
    def called(self) -> str:
        """What the client calls the request, for the log."""
        return f" ({self.request_id})" if self.request_id else ""

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = self._merged(message.get("headers", ()))
            self.is_export = message["status"] == HTTPStatus.OK and names_file(headers)
            if self.request_id and message["status"] >= HTTPStatus.BAD_REQUEST:
                headers = [pair for pair in headers if pair[0] != b"x-request-id"]
                headers.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
            if self.bodiless:
                message = {**message, "body": b""}
        await self._send(message)

    def _merged(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        merged = list(headers)
        names = {name for name, _ in merged}
        for name, value in [*self.headers, (b"x-content-type-options", b"nosniff")]:
            if name == b"vary":
                merged = _varying(merged, value)
            elif name not in names or name == b"link":
                merged.append((name, value))
        return merged


class LimitedBody:
    """An ASGI receive that ends a request whose body is too long."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._left_bytes = most_bytes

    async def __call__(self) -> Message:
        """The next message. Raises Refused when the body is too long."""
        message = await self._receive()
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise Refused(problem(413, "The body is too long."))
        return message


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """All of a request's body.

    Raises:
        Refused: 413, it is longer than `most_bytes`.
        ClientGone: the client has left.
    """
    body = LimitedBody(receive, most_bytes)
    pieces: list[bytes] = []
    while True:
        message = await body()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def request_id(scope: Scope) -> str:
    """What the client calls its request; "" when it says nothing, or nothing that we repeat."""
    given = request_header(scope, b"x-request-id")
    return given if _REQUEST_ID.fullmatch(given) else ""


def _varying(headers: Headers, name: bytes) -> Headers:
    """Headers that say that the answer depends on one more header of the request."""
    given = [value for each, value in headers if each == b"vary"]
    names = [part.strip() for value in given for part in value.split(b",")]
    if name.lower() in (each.lower() for each in names):
        return headers
    others = [pair for pair in headers if pair[0] != b"vary"]
    return [*others, (b"vary", b", ".join([*names, name]))]
