"""Loads one server over keep-alive connections: takes requests, gives how many were answered."""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 1 << 18
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What was answered; `seconds` are of wall time, `busy_seconds` of our own CPU."""

    answers: int
    size_bytes: int
    seconds: float
    busy_seconds: float


class UnexpectedAnswer(Exception):
    """An answer has another status than the one expected, or is no HTTP."""


def get(target: str, *headers: str) -> bytes:
    """A GET request as a usual client sends it; `headers` are lines such as `Accept: text/csv`."""
    lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench", *headers]
    if not any(line.startswith("Accept:") for line in headers):
        lines.append("Accept: */*")
    return "\r\n".join([*lines, "", ""]).encode()


def post(target: str, body: str) -> bytes:
    """A POST request with a text."""
    lines = [f"POST {target} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench", "Accept: */*"]
    lines += ["Content-Type: text/plain", f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def whole(answer: bytes | bytearray) -> bool:
    """Whether `answer` holds one HTTP answer to its end.

    An answer of 304 has no body; others say how long they are, or come in chunks.
    """
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(answer[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        if b"\r\ntransfer-encoding: chunked" in head:
            return answer.endswith(b"\r\n0\r\n\r\n")
        return head[9:12] == b"304"
    stop = head.find(b"\r\n", at + 2)
    length = int(head[at + 17 : stop if stop > 0 else None])
    return head[9:12] == b"304" or len(answer) >= end + 4 + length


class _Connection:
    """One keep-alive connection: sends a request, and the next one when it is answered."""

    __slots__ = ("_pending", "_requests", "_status", "size_bytes", "socket")

    def __init__(self, port: int, requests: Iterator[bytes], status: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._requests, self._status = requests, status
        self._pending = b""
        self.size_bytes = 0

    def ask(self) -> None:
        self.socket.send(next(self._requests))

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole."""
        data = self.socket.recv(_CHUNK)
        if not data:
            raise UnexpectedAnswer(f"the connection was closed after {self._pending[:200]!r}")
        if self._pending:
            data = self._pending + data
        if not whole(data):
            self._pending = data
            return False
        if data[9:12] != self._status:
            raise UnexpectedAnswer(f"{data[:400]!r}, expected status {self._status.decode()}")
        self._pending = b""
        self.size_bytes += len(data)
        return True


def drive(
    port: int,
    requests: Iterator[bytes],
    *,
    seconds: float,
    connections: int = 16,
    status: int = 200,
) -> Load:
    """Ask over `connections` connections for `seconds`, each as soon as its answer is whole.

    Args:
        port: of a server of this machine.
        requests: more than can be answered in that time.
        seconds: how long requests are sent; the last ones are waited for.
        connections: kept alive; each has one request under way.
        status: of every answer.

    Raises:
        UnexpectedAnswer: an answer has another status than `status`.
        TimeoutError: nothing was answered for 30 s.
    """
    links = [_Connection(port, requests, str(status).encode()) for _ in range(connections)]
    try:
        with _without_collecting():
            return _drive(links, seconds)
    finally:
        for link in links:
            link.socket.close()


def _drive(links: list[_Connection], seconds: float) -> Load:
    poll = select.epoll()
    by_number = {link.socket.fileno(): link for link in links}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    began, cpu = time.perf_counter(), time.process_time()
    for link in links:
        link.ask()
    answers, open_links, until = 0, len(links), began + seconds
    while open_links:
        events = poll.poll(_PATIENCE_SECONDS)
        if not events:
            raise TimeoutError(f"no answer within {_PATIENCE_SECONDS:.0f} s")
        more = time.perf_counter() < until
        for number, _ in events:
            link = by_number[number]
            if link.receive():
                answers += 1
                if more:
                    link.ask()
                else:
                    open_links -= 1
    ended, busy = time.perf_counter(), time.process_time() - cpu
    poll.close()
    return Load(answers, sum(link.size_bytes for link in links), ended - began, busy)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """No garbage collection of ours while a server is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
