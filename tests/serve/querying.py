"""Queries asked of a reader by hand, without HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from headrace.base.tables import Column, Schema
from headrace.serve.columnar.queries import QueryFailed, Reader, Stream
from headrace.serve.formats.forms import Form

VALUE: Schema = (Column("value", "VARCHAR"),)
# One call of one function, which looks at no interrupt, takes next to no memory, and many seconds.
STUBBORN = "SELECT levenshtein(repeat('a', 150000), repeat('b', 150000)) AS value"
# Long enough that no machine finishes it, and in pieces small enough to be interrupted.
ENDLESS = (
    "SELECT count(*) AS value FROM range(100000000000) a(i), range(1000) b(j) WHERE i * j % 7 = 3"
)


def asked(reader: Reader, sql: str, form: Form | None = None, **parameters: object) -> bytes:
    """The whole answer to a SELECT of one column `value`."""
    return whole(reader.query(sql, parameters, VALUE, form or Form("json")))


def whole(stream: Stream) -> bytes:
    """All pieces of a stream."""
    pieces: list[bytes] = []
    is_last = False
    try:
        while not is_last:
            piece, is_last = stream.next()
            pieces.append(piece)
    finally:
        stream.close()
    return b"".join(pieces)


def refused(ask: Callable[[], object]) -> QueryFailed:
    """What a query fails with."""
    try:
        ask()
    except QueryFailed as failed:
        return failed
    raise AssertionError("it has an answer")


def stopped(stream: Stream, *, after_seconds: float) -> tuple[QueryFailed, float]:
    """How a first piece fails that is interrupted as `workers` does, and seconds until then."""
    ended = threading.Event()

    def interrupt() -> None:
        ended.wait(after_seconds)
        while not ended.wait(0.05):
            stream.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    begun_at = time.monotonic()
    try:
        failed = refused(stream.next)
        return failed, time.monotonic() - begun_at
    finally:
        ended.set()
        thread.join()
        stream.close()
